"""A verifier as a catalog entry."""

from __future__ import annotations

from kedro.io import DatasetError

from bodysounds.datasets.stored import StoredWeights
from bodysounds.types import VerifierBundle


class VerifierDataset(StoredWeights):
    """A folder with the encoder and what its scores mean, in versions, or a single one by path."""

    kind = "verifier"
    marker = "verifier.json"

    def load(self) -> VerifierBundle:
        from bodysounds.models.verifier import load_verifier

        with self._to_load() as path:
            return load_verifier(path)

    def save(self, data: VerifierBundle) -> None:
        from bodysounds.models.verifier import save_verifier

        if self._single:
            raise DatasetError(
                f"{self._filepath} is a single verifier, and a run saves a version beside others: "
                "name another folder"
            )
        with self._saving() as path:
            save_verifier(path, data)
