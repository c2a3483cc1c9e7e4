"""An ensemble as a catalog entry."""

from __future__ import annotations

from kedro.io import DatasetError

from bodysounds.datasets.stored import StoredWeights
from bodysounds.types import Ensemble


class EnsembleDataset(StoredWeights):
    """A folder with the rule and the members, in versions, or a single folder by path."""

    kind = "ensemble"
    marker = "ensemble.json"

    def load(self) -> Ensemble:
        from bodysounds.models.ensemble import load_ensemble

        with self._to_load() as path:
            return load_ensemble(path)

    def save(self, data: Ensemble) -> None:
        from bodysounds.models.ensemble import save_ensemble

        if self._single:
            raise DatasetError(
                f"{self._filepath} is a single ensemble, and a run saves a version beside others: "
                "leave out --params bundle=... when training"
            )
        with self._saving() as path:
            save_ensemble(path, data)
