"""What the catalog entries of weights share: versions, or a single file by path."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from bodysounds.datasets.files import StoredFiles

logger = logging.getLogger(__name__)


class StoredWeights(StoredFiles):
    """Versions of a file or folder; where `filepath` is itself one, that one, without versions.

    A folder that SpeechBrain published counts as a single file too.
    """

    kind = "weights"

    def resolve_load_version(self) -> str | None:
        """Return the version that load takes; a single file has none."""
        return None if self._single else super().resolve_load_version()

    @property
    def _single(self) -> bool:
        if self.marker:
            return bool(self._fs.isfile(str(self._filepath / self.marker)))
        published = str(self._filepath / "embedding_model.ckpt")
        return bool(self._fs.isfile(str(self._filepath)) or self._fs.isfile(published))

    @contextmanager
    def _to_load(self) -> Iterator[Path]:
        path = self._filepath if self._single else self._get_load_path()
        logger.info("the %s is %s", self.kind, self._url(path))
        with self._reading(path) as local:
            yield local

    def _get_load_path(self) -> PurePosixPath:
        return self._filepath if self._single else super()._get_load_path()

    def _exists(self) -> bool:
        return self._single or super()._exists()
