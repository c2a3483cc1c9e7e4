"""An encoder as a catalog entry."""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractVersionedDataset, DatasetError, Version

from bodysounds.datasets.local import exists, glob
from bodysounds.types import Encoder

logger = logging.getLogger(__name__)


class EncoderDataset(AbstractVersionedDataset[Any, Any]):
    """A safetensors file with architecture, front end and training record as its metadata.

    Where `filepath` itself is a file, or a folder that SpeechBrain published, it is loaded as it
    stands, so an encoder from elsewhere needs no folder of versions. The best epochs of a training,
    where several were kept, are best_1.safetensors (the best) and so on in the folder of the
    version: encoders by themselves.
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

    def load(self) -> Encoder:
        from bodysounds.models.encoder import load_encoder

        path = Path(self._filepath if self._single else self._get_load_path())
        logger.info("the encoder is %s", path)
        return load_encoder(path)

    def save(self, data: Encoder) -> None:
        from bodysounds.models.encoder import save_encoder

        if self._single:
            raise DatasetError(
                f"{self._filepath} is a single encoder, and a run saves a version beside others: "
                "leave out --params encoder=... when training"
            )
        path = Path(self._get_save_path())
        path.parent.mkdir(parents=True, exist_ok=True)
        save_encoder(path, data)
        for number, best in enumerate(data.best, start=1):
            save_encoder(path.with_name(f"best_{number}.safetensors"), best)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}

    def _exists(self) -> bool:
        if self._single:
            return True
        try:
            return Path(self._get_load_path()).is_file()
        except DatasetError:
            return False
