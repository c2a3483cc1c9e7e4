"""Packed waveforms as a catalog entry."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from bodysounds.types import Array, Packed


class PackedWaveforms(AbstractDataset[Iterable[tuple[str, Array]], Any]):
    """A folder of one memory-mapped int16 file and its index.

    save takes any iterable of (segment_id, int16 samples) and holds one piece at a time in
    memory; load returns a `bodysounds.audio.packed.Packed`.
    """

    def __init__(
        self, *, filepath: str, sample_rate: int = 16_000, metadata: dict[str, Any] | None = None
    ) -> None:
        self._filepath = Path(filepath)
        self._sample_rate = sample_rate
        self.metadata = metadata

    def load(self) -> Packed:
        from bodysounds.audio.packed import open_packed

        return open_packed(self._filepath)

    def save(self, data: Iterable[tuple[str, Array]]) -> None:
        from bodysounds.audio.packed import write_packed

        write_packed(self._filepath, data, self._sample_rate)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "sample_rate": self._sample_rate}

    def _exists(self) -> bool:
        return (self._filepath / "packed.json").is_file()
