"""Where datasets of this project lie: on a disk, or at a URL that fsspec knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import fsspec
from kedro.io import AbstractVersionedDataset, DatasetError, Version
from kedro.io.core import get_protocol_and_path

DISKS = ("file", "local")


def on_disk(filepath: str, what: str, way_out: str) -> Path:
    """Return the path of a folder that must be on a disk; DatasetError where it is a URL.

    `what` says in the plural what lies there, and `way_out` how another folder is named.
    """
    protocol, path = get_protocol_and_path(filepath)
    if protocol not in DISKS:
        raise DatasetError(
            f"{filepath} is a URL, and {what} are read from a disk: name a folder that every "
            f"worker sees with {way_out}"
        )
    return Path(path).expanduser()


class StoredFiles(AbstractVersionedDataset[Any, Any]):
    """A file or a folder, on a disk or at a URL, of which code knows local paths alone.

    From a URL it is loaded through a copy in a temporary folder, and saved from one. `marker` is
    the file of a folder that is there when all of it is.
    """

    marker: str | None = None

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._protocol, path = get_protocol_and_path(filepath, version)
        if self._protocol in DISKS:
            path = Path(path).expanduser().as_posix()
        self._fs = fsspec.filesystem(self._protocol, **(credentials or {}), **(fs_args or {}))
        super().__init__(PurePosixPath(path), version, self._fs.exists, self._fs.glob)
        self.metadata = metadata

    @contextmanager
    def _saving(self) -> Iterator[Path]:
        """Give the local path to write; what is written beside it is saved beside it."""
        path = self._get_save_path()
        if self._protocol in DISKS:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            yield Path(path)
            return
        with TemporaryDirectory() as folder:
            yield Path(folder, path.name)
            self._upload(Path(folder), path.parent)
        self._fs.invalidate_cache(str(self._filepath))

    @contextmanager
    def _reading(self, path: PurePosixPath) -> Iterator[Path]:
        """Give a local path with what is at `path`; errors of the block name the URL."""
        if self._protocol in DISKS:
            yield Path(path)
            return
        with TemporaryDirectory() as folder:
            local = Path(folder, path.name)
            self._download(path, local)
            try:
                yield local
            except ValueError as error:
                raise ValueError(str(error).replace(str(local), self._url(path))) from error

    def _url(self, path: PurePosixPath) -> str:
        """Return the path as people would give it."""
        return str(path) if self._protocol in DISKS else self._fs.unstrip_protocol(str(path))

    def _upload(self, folder: Path, target: PurePosixPath) -> None:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        # what says that all is there comes last
        last = self.marker or self._filepath.name
        for path in sorted(files, key=lambda path: path.name == last):
            goal = target / path.relative_to(folder).as_posix()
            self._fs.makedirs(str(goal.parent), exist_ok=True)
            self._fs.put_file(str(path), str(goal))

    def _download(self, path: PurePosixPath, local: Path) -> None:
        for found in self._fs.find(str(path)) or [str(path)]:
            goal = local / PurePosixPath(found).relative_to(path)
            goal.parent.mkdir(parents=True, exist_ok=True)
            self._fs.get_file(found, str(goal))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._url(self._filepath), "version": self._version}

    def _exists(self) -> bool:
        try:
            path = self._get_load_path()
        except DatasetError:
            return False
        return bool(self._fs.isfile(str(path / self.marker if self.marker else path)))

    def _release(self) -> None:
        super()._release()
        self._fs.invalidate_cache(str(self._filepath))
