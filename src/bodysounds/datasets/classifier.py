"""A classifier as a catalog entry."""

from __future__ import annotations

from kedro.io import DatasetError

from bodysounds.datasets.stored import StoredWeights
from bodysounds.types import Classifier


class ClassifierDataset(StoredWeights):
    """A safetensors file with encoder, head and labels, in versions, or a single file by path."""

    kind = "classifier"

    def load(self) -> Classifier:
        from bodysounds.models.classifier import load_classifier

        with self._to_load() as path:
            return load_classifier(path)

    def save(self, data: Classifier) -> None:
        from bodysounds.models.classifier import save_classifier

        if self._single:
            raise DatasetError(
                f"{self._filepath} is a single classifier, and a run saves a version beside "
                "others: leave out --params classifier=... when training"
            )
        with self._saving() as path:
            save_classifier(path, data)
