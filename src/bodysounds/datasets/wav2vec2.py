"""A wav2vec 2.0 classifier as a catalog entry."""

from __future__ import annotations

import logging
from pathlib import Path

from kedro.io import DatasetError

from bodysounds.datasets.stored import StoredWeights
from bodysounds.types import Classifier

logger = logging.getLogger(__name__)

CONFIG = "config.json"


class Wav2Vec2Dataset(StoredWeights):
    """A Hugging Face folder, in versions; or, where `filepath` itself is one, that folder."""

    def load(self) -> Classifier:
        from bodysounds.models.wav2vec2_folder import classifier_from_hf

        path = self._to_load()
        logger.info("the classifier is %s", path)
        return classifier_from_hf(path)

    def save(self, data: Classifier) -> None:
        from bodysounds.models.wav2vec2_folder import classifier_to_hf

        if self._single:
            raise DatasetError(
                f"{self._filepath} is a single classifier, and a run saves a version beside "
                "others: leave out its --params when training"
            )
        classifier_to_hf(data, Path(self._get_save_path()))

    @property
    def _single(self) -> bool:
        return (Path(self._filepath) / CONFIG).is_file()

    def _exists(self) -> bool:
        if self._single:
            return True
        try:
            return (Path(self._get_load_path()) / CONFIG).is_file()
        except DatasetError:
            return False
