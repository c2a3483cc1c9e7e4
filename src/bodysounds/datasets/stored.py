"""What the catalog entries of weights share: versions, or a single file by path."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from kedro.io import DatasetError

from bodysounds.datasets.files import StoredFiles

FOLDERS = ("embedding_model.ckpt", "verifier.json")
"""What shows that a folder is itself an encoder: SpeechBrain's, or the bundle of a verifier."""

logger = logging.getLogger(__name__)


class StoredWeights(StoredFiles):
    """Versions of a file or folder; where `filepath` is itself one, that one, without versions.

    A folder that SpeechBrain published, or the bundle of a verifier, is a single one too.
    """

    kind = "weights"
    _named: PurePosixPath | None = None

    def resolve_load_version(self) -> str | None:
        """Return the version that load takes; a single file has none."""
        return None if self._single else super().resolve_load_version()

    @property
    def _single(self) -> bool:
        return self._is_one(self._filepath)

    def _is_one(self, path: PurePosixPath) -> bool:
        if self.marker:
            return bool(self._fs.isfile(str(path / self.marker)))
        found = (path, *(path / name for name in FOLDERS))
        return any(self._fs.isfile(str(one)) for one in found)

    @contextmanager
    def _to_load(self) -> Iterator[Path]:
        path = self._filepath if self._single else self._get_load_path()
        if path != self._named:  # a run loads the same one for several nodes
            logger.info("the %s is %s", self.kind, self._url(path))
            self._named = path
        with self._reading(path) as local:
            yield local

    def _get_load_path(self) -> PurePosixPath:
        return self._filepath if self._single else super()._get_load_path()

    def _exists(self) -> bool:
        try:
            return self._is_one(self._get_load_path())
        except DatasetError:
            return False
