"""A matplotlib figure as a catalog entry that can be loaded again."""

from __future__ import annotations

from typing import Any, NewType

from kedro.io import Version

from bodysounds.datasets.files import StoredFiles
from bodysounds.types import Figure, Picture

ImagePreview = NewType("ImagePreview", str)


class FigureDataset(StoredFiles):
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
        credentials: dict[str, Any] | None = None,
        fs_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            filepath=filepath,
            version=version,
            credentials=credentials,
            fs_args=fs_args,
            metadata=metadata,
        )
        self._dpi = dpi

    def load(self) -> Picture:
        from bodysounds.figures.picture import Picture

        path = self._get_load_path()
        return Picture(self._fs.cat_file(str(path)), path.stem)

    def save(self, data: Figure) -> None:
        with self._saving() as path:
            # a PDF without its date is the same file for the same figure
            data.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
            data.savefig(path, dpi=self._dpi)

    def preview(self) -> ImagePreview:
        return ImagePreview(self.load().base64)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "dpi": self._dpi}
