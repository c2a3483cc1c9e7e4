"""What the catalog entries of weights share: versions, or a single file by path."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractVersionedDataset, DatasetError, Version

from bodysounds.datasets.local import exists, glob


class StoredWeights(AbstractVersionedDataset[Any, Any]):
    """A versioned .safetensors file; where `filepath` is itself a file, that one, without versions.

    A folder that SpeechBrain published counts as a single file too.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        path = PurePosixPath(Path(filepath).expanduser().as_posix())
        super().__init__(path, version, exists, glob)
        self.metadata = metadata

    def resolve_load_version(self) -> str | None:
        """Return the version that load takes; a single file has none."""
        return None if self._single else super().resolve_load_version()

    @property
    def _single(self) -> bool:
        path = Path(self._filepath)
        return path.is_file() or (path / "embedding_model.ckpt").is_file()

    def _to_load(self) -> Path:
        return Path(self._filepath if self._single else self._get_load_path())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}

    def _exists(self) -> bool:
        if self._single:
            return True
        try:
            return Path(self._get_load_path()).is_file()
        except DatasetError:
            return False
