"""Packed waveforms as a catalog entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from kedro.io import AbstractDataset

from bodysounds.datasets.files import on_disk
from bodysounds.types import Array, Packed


class Pieces(Protocol):
    """What is packed: an iterable of (segment_id, int16 samples) that knows its rate (Hz)."""

    @property
    def sample_rate(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[str, Array]]: ...


class PackedWaveforms(AbstractDataset[Pieces, Any]):
    """A folder of one memory-mapped int16 file and its index.

    save takes `Pieces` and holds one of them at a time in memory; where they have keys
    (`bodysounds.audio.reuse.KeyedPieces`), what lies in the folder already is reused. load returns
    a `bodysounds.audio.packed.Packed`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = on_disk(filepath, "packed waveforms", "--params work=/path/to/it")
        self.metadata = metadata

    def load(self) -> Packed:
        from bodysounds.audio.packed import open_packed

        return open_packed(self._filepath)

    def save(self, data: Pieces) -> None:
        from bodysounds.audio.packed import write_packed
        from bodysounds.audio.reuse import KeyedPieces, pack
        from bodysounds.audio.shards import ShardedSegments

        if isinstance(data, KeyedPieces) and data.segment_keys:
            pack(self._filepath, data)
        else:
            write_packed(self._filepath, data, data.sample_rate)
        if isinstance(data, ShardedSegments):
            data.clear()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _exists(self) -> bool:
        return (self._filepath / "packed.json").is_file()
