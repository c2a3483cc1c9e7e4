"""Packed waveforms as a catalog entry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from kedro.io import AbstractDataset

from bodysounds.types import Array, Packed


class Pieces(Protocol):
    """What is packed: an iterable of (segment_id, int16 samples) that knows its rate (Hz)."""

    @property
    def sample_rate(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[str, Array]]: ...


class PackedWaveforms(AbstractDataset[Pieces, Any]):
    """A folder of one memory-mapped int16 file and its index.

    save takes `Pieces` and holds one of them at a time in memory; load returns a
    `bodysounds.audio.packed.Packed`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Packed:
        from bodysounds.audio.packed import open_packed

        return open_packed(self._filepath)

    def save(self, data: Pieces) -> None:
        from bodysounds.audio.packed import write_packed

        write_packed(self._filepath, data, data.sample_rate)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _exists(self) -> bool:
        return (self._filepath / "packed.json").is_file()
