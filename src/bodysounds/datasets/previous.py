"""What earlier runs of a task left, as the catalog entry that a run compares itself with."""

from __future__ import annotations

from typing import Any, NoReturn

from kedro.io import DatasetError
from kedro.io.core import VersionNotFoundError

from bodysounds.datasets.files import StoredFiles
from bodysounds.reporting.run_kinds import PLAIN


class PreviousRun(StoredFiles):
    """The latest finished run before this one; `filepath` is the entry `metrics` of the task.

    `kind` is which of the task's pipelines made it, as `bodysounds.reporting.run_kinds.kind_of`
    has it. load returns a `bodysounds.reporting.runs_on_disk.Earlier`, also where there is no
    earlier run or none that can be read. `--load-versions=<task>.previous:<version>` chooses
    another one, of any kind; of a kind the entry has its name, such as `<task>.previous_folds`.
    """

    def __init__(self, *, kind: str = PLAIN, **given: Any) -> None:
        super().__init__(**given)
        self._kind = kind

    def load(self) -> Any:
        from bodysounds.reporting.runs_on_disk import earlier_runs

        self._fs.invalidate_cache(str(self._filepath.parent))
        latest = self._version.load if self._version else None
        folder = str(self._filepath.parent)
        return earlier_runs(self._fs, folder, self._before, latest, self._kind)

    def save(self, data: Any) -> NoReturn:
        raise DatasetError("the previous run is there already: nothing saves it")

    @property
    def _before(self) -> str:
        return str(self.resolve_save_version())

    def _fetch_latest_load_version(self) -> str:
        from bodysounds.reporting.runs_on_disk import Place, run_kind

        versions = [self._get_version_from_path(path) for path in self._get_versions()]
        for version in sorted(versions, reverse=True):
            place = Place(self._fs, str(self._filepath.parent), version)
            if version < self._before and run_kind(place) == self._kind:
                return version
        raise VersionNotFoundError(f"Did not find any earlier run for {self}")
