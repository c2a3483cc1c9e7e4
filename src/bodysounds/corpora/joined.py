"""Files that are one file cut into parts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path


class JoinedFiles(io.RawIOBase):
    """The content of several files, one after the other, to read and to seek in.

    A zip archive that was cut into parts is read so without writing it a second time.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        self._sizes = [path.stat().st_size for path in paths]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: sum(self._sizes)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        start = 0
        for file, size in zip(self._files, self._sizes, strict=True):
            if self._at < start + size:
                file.seek(self._at - start)
                n_read = file.readinto(buffer)
                self._at += n_read
                return n_read
            start += size
        return 0

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()
