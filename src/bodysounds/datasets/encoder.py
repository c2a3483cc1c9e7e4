"""An encoder as a catalog entry."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractVersionedDataset, DatasetError, Version

from bodysounds.datasets.local import exists, glob
from bodysounds.types import Encoder


class EncoderDataset(AbstractVersionedDataset[Any, Any]):
    """A safetensors file with architecture, front end and training record as its metadata.

    Where `filepath` itself is a file it is loaded as it stands, so an encoder from elsewhere
    needs no folder of versions.
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
        return None if Path(self._filepath).is_file() else super().resolve_load_version()

    def load(self) -> Encoder:
        from bodysounds.models.encoder import load_encoder

        own = Path(self._filepath)
        return load_encoder(own if own.is_file() else Path(self._get_load_path()))

    def save(self, data: Encoder) -> None:
        from bodysounds.models.encoder import save_encoder

        if Path(self._filepath).is_file():
            raise DatasetError(
                f"{self._filepath} is a single encoder, and a run saves a version beside others: "
                "leave out --params encoder=... when training"
            )
        path = Path(self._get_save_path())
        path.parent.mkdir(parents=True, exist_ok=True)
        save_encoder(path, data)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}

    def _exists(self) -> bool:
        if Path(self._filepath).is_file():
            return True
        try:
            return Path(self._get_load_path()).is_file()
        except DatasetError:
            return False
