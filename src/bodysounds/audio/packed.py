"""Packed waveforms: every segment of a corpus in one memory-mapped file of int16 samples."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.audio.remains import filling
from bodysounds.types import Table

SAMPLES, INDEX, META = "samples.i16", "index.parquet", "packed.json"
KEYS, KEY_BYTES = "keys.bin", 32
REDO = "delete the folder and run featurize again"

Int16s = npt.NDArray[np.int16]
Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Packed:
    """Mono waveforms, one after the other."""

    samples: Int16s
    """Memory map, int16, shape (n,)."""
    index: Table
    """A row a segment: segment_id str, first_sample int64, n_samples int64."""
    sample_rate: int
    """Hz."""

    @cached_property
    def _spans(self) -> dict[str, tuple[int, int]]:
        first = self.index["first_sample"].tolist()
        count = self.index["n_samples"].tolist()
        return dict(
            zip(self.index["segment_id"].tolist(), zip(first, count, strict=True), strict=True)
        )

    def __len__(self) -> int:
        return len(self.index)

    def waveform(self, segment_id: str) -> Float32s:
        """Return a segment as float32 in [-1, 1), shape (n_samples,); KeyError if unknown."""
        piece = self.samples_of(segment_id).astype(np.float32)
        piece /= 32768
        return piece

    def samples_of(self, segment_id: str) -> Int16s:
        """Return a segment as it is packed, int16, shape (n_samples,); KeyError if unknown."""
        if segment_id not in self._spans:
            raise KeyError(f"segment {segment_id!r} is not among the {len(self)} packed ones")
        first, count = self._spans[segment_id]
        return self.samples[first : first + count]


def to_int16(waveform: npt.NDArray[np.floating]) -> Int16s:
    """Return a waveform in [-1, 1) as int16, rounded once; what lies outside is clipped."""
    return np.asarray(np.clip(np.rint(waveform * 32768.0), -32768, 32767), dtype=np.int16)


def write_packed(
    folder: Path,
    pieces: Iterable[tuple[str, Int16s]],
    sample_rate: int,
    keys: Sequence[bytes] = (),
) -> Packed:
    """Write (segment_id, int16 samples) one by one to a folder and return it opened.

    Only one piece is in memory at a time. The folder appears, or replaces an older one, when it is
    complete. `keys` (32 bytes each, in the order of the pieces) say what decides the samples of
    each piece, see `bodysounds.audio.reuse`. Raises ValueError for no pieces, a repeated id, an
    empty piece, another dtype or another number of keys.
    """
    with filling(Path(folder)) as partial:
        _write(partial, pieces, sample_rate, keys)
    return open_packed(folder)


def _write(
    folder: Path,
    pieces: Iterable[tuple[str, Int16s]],
    sample_rate: int,
    keys: Sequence[bytes],
) -> None:
    counts: dict[str, int] = {}
    digest = hashlib.sha256()
    with open(folder / SAMPLES, "wb") as file:
        for segment_id, piece in pieces:
            if segment_id in counts:
                raise ValueError(f"segment {segment_id!r} comes twice: segment_id must be unique")
            if piece.dtype != np.int16 or piece.ndim != 1 or not len(piece):
                raise ValueError(
                    f"segment {segment_id!r} must be int16 of shape (n,) with n > 0, "
                    f"got {piece.dtype} of shape {piece.shape}"
                )
            counts[segment_id] = len(piece)
            raw = np.ascontiguousarray(piece, dtype="<i2").data
            digest.update(raw)
            file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    if not counts:
        raise ValueError("there is no segment to pack: is the manifest empty?")
    if keys and len(keys) != len(counts):
        raise ValueError(f"{len(counts)} segments were packed and {len(keys)} have keys: give each")
    lengths = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
    index = pd.DataFrame(
        {
            "segment_id": pd.Series(list(counts), dtype="str"),
            "first_sample": np.cumsum(lengths) - lengths,
            "n_samples": lengths,
        }
    )
    index.to_parquet(folder / INDEX, index=False)
    (folder / KEYS).write_bytes(b"".join(keys))
    meta = {
        "sample_rate": int(sample_rate),
        "n_segments": len(counts),
        "n_samples": int(lengths.sum()),
        "sha256": digest.hexdigest(),
        "others": {name: _sha256(folder / name) for name in (INDEX, KEYS)},
    }
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def open_packed(folder: Path, verify: bool = False) -> Packed:
    """Return the packed waveforms of a folder, memory-mapped.

    Raises ValueError where a file is missing or sizes disagree, and with `verify` where the samples
    or the index are no longer those that were written (sha256, which reads them all).
    """
    folder = Path(folder)
    for name in (META, INDEX, SAMPLES):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} holds no packed waveforms, {name} is missing: {REDO}")
    try:
        meta = json.loads((folder / META).read_text())
        expected, rate, digest = int(meta["n_samples"]), int(meta["sample_rate"]), meta["sha256"]
        others = dict(meta.get("others", {}))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / META} cannot be read ({error!r}): {REDO}") from error
    size = (folder / SAMPLES).stat().st_size
    if size != 2 * expected:
        raise ValueError(
            f"{folder / SAMPLES} has {size} bytes where {META} says {2 * expected}: {REDO}"
        )
    for name, expected_sha256 in others.items() if verify else ():
        if not (folder / name).is_file() or _sha256(folder / name) != expected_sha256:
            raise ValueError(f"{folder / name} was changed after it was written: {REDO}")
    index = pd.read_parquet(folder / INDEX)
    ends = index["first_sample"] + index["n_samples"]
    if len(index) != meta.get("n_segments") or int(ends.max()) != expected:
        raise ValueError(f"{folder / INDEX} does not fit {SAMPLES}: {REDO}")
    samples = np.memmap(folder / SAMPLES, dtype="<i2", mode="r")
    if verify and hashlib.sha256(samples.data).hexdigest() != digest:
        raise ValueError(f"{folder / SAMPLES} was changed after it was written: {REDO}")
    return Packed(samples=samples, index=index, sample_rate=rate)


def read_keys(folder: Path) -> list[bytes] | None:
    """Return the key of each segment, in order; None where they were packed without."""
    path = Path(folder) / KEYS
    raw = path.read_bytes() if path.is_file() else b""
    return [raw[at : at + KEY_BYTES] for at in range(0, len(raw), KEY_BYTES)] or None
