"""An ensemble as a catalog entry."""

from __future__ import annotations

import logging
from pathlib import Path

from kedro.io import DatasetError

from bodysounds.datasets.stored import StoredWeights
from bodysounds.types import Ensemble

logger = logging.getLogger(__name__)


class EnsembleDataset(StoredWeights):
    """A folder with the rule and the members, in versions, or a single folder by path."""

    def load(self) -> Ensemble:
        from bodysounds.models.ensemble import load_ensemble

        path = self._to_load()
        logger.info("the ensemble is %s", path)
        return load_ensemble(path)

    def save(self, data: Ensemble) -> None:
        from bodysounds.models.ensemble import save_ensemble

        if self._single:
            raise DatasetError(
                f"{self._filepath} is a single ensemble, and a run saves a version beside others: "
                "leave out --params bundle=... when training"
            )
        save_ensemble(Path(self._get_save_path()), data)

    @property
    def _single(self) -> bool:
        return (Path(self._filepath) / "ensemble.json").is_file()

    def _exists(self) -> bool:
        if self._single:
            return True
        try:
            return (Path(self._get_load_path()) / "ensemble.json").is_file()
        except DatasetError:
            return False
