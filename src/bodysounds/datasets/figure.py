"""A matplotlib figure as a catalog entry that can be loaded again."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, NewType

from kedro.io import AbstractVersionedDataset, DatasetError, Version

from bodysounds.datasets.local import exists, glob
from bodysounds.types import Figure, Picture

ImagePreview = NewType("ImagePreview", str)


class FigureDataset(AbstractVersionedDataset[Any, Any]):
    """A PNG for screens and a PDF for print side by side, versioned.

    save takes a matplotlib Figure; load returns a `bodysounds.figures.picture.Picture`;
    kedro-viz previews the PNG.
    """

    def __init__(
        self,
        *,
        filepath: str,
        dpi: int = 150,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(PurePosixPath(filepath), version, exists, glob)
        self._dpi = dpi
        self.metadata = metadata

    def load(self) -> Picture:
        from bodysounds.figures.picture import Picture

        path = Path(self._get_load_path())
        return Picture(path.read_bytes(), path.stem)

    def save(self, data: Figure) -> None:
        path = Path(self._get_save_path())
        path.parent.mkdir(parents=True, exist_ok=True)
        # a PDF without its date is the same file for the same figure
        data.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
        data.savefig(path, dpi=self._dpi)

    def preview(self) -> ImagePreview:
        return ImagePreview(self.load().base64)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version, "dpi": self._dpi}

    def _exists(self) -> bool:
        try:
            return Path(self._get_load_path()).is_file()
        except DatasetError:
            return False
