"""A wav2vec 2.0 classifier as a catalog entry."""

from __future__ import annotations

from kedro.io import DatasetError

from bodysounds.datasets.stored import StoredWeights
from bodysounds.types import Classifier


class Wav2Vec2Dataset(StoredWeights):
    """A Hugging Face folder, in versions; or, where `filepath` itself is one, that folder."""

    kind = "classifier"
    marker = "config.json"

    def load(self) -> Classifier:
        from bodysounds.models.wav2vec2_folder import classifier_from_hf

        with self._to_load() as path:
            return classifier_from_hf(path)

    def save(self, data: Classifier) -> None:
        from bodysounds.models.wav2vec2_folder import classifier_to_hf

        if self._single:
            raise DatasetError(
                f"{self._filepath} is a single classifier, and a run saves a version beside "
                "others: leave out its --params when training"
            )
        with self._saving() as path:
            classifier_to_hf(data, path)
