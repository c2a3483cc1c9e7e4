"""Clips of equal length from packed recordings: the start of each, or a random part of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from bodysounds.audio.fills import AROUND, fit_length
from bodysounds.audio.packed import Packed
from bodysounds.types import Ints

Int16s = npt.NDArray[np.int16]


def places(packed: Packed, segment_ids: Sequence[str]) -> Ints:
    """Return first_sample and n_samples of each segment, int64 (n, 2).

    Raises ValueError that names a segment without audio.
    """
    rows = pd.Index(packed.index["segment_id"]).get_indexer(pd.Index(segment_ids))
    if (rows < 0).any():
        unknown = [name for name, row in zip(segment_ids, rows, strict=True) if row < 0]
        raise ValueError(
            f"{len(unknown)} segment(s) have no audio, such as {unknown[0]!r}: make the examples "
            "and the waveforms from one manifest"
        )
    spans: Ints = packed.index[["first_sample", "n_samples"]].to_numpy(np.int64)[rows]
    return spans


def clips(
    samples: Int16s,
    spans: Ints,
    n_samples: int,
    fill: str,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return clips, float32 (n, n_samples) in [-1, 1), as `cut` cuts them."""
    return as_float(cut(samples, spans, n_samples, fill, rng))


def as_float(found: Tensor) -> Tensor:
    """Return int16 samples as float32 in [-1, 1), on their device."""
    return found.float().div_(32768.0)


def cut(
    samples: Int16s,
    spans: Ints,
    n_samples: int,
    fill: str,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return clips, int16 (n, n_samples): half the bytes to hand to another device.

    Parameters
    ----------
    spans : int64 (n, 2)
        first_sample and n_samples of each recording.
    n_samples : int
        Of a clip; a shorter recording is filled as `fit_length` says.
    rng : Generator, optional
        Draws where a clip starts, and where in a shorter recording its repetition does (not of
        `zeros` and `reflect`, which begin with the recording). None takes the first n_samples.
    """
    found = torch.empty((len(spans), n_samples), dtype=torch.int16)
    for row, (first, count) in enumerate(spans.tolist()):
        start = 0
        if rng is not None and count > n_samples:
            start = int(rng.integers(count - n_samples + 1))
        piece = samples[first + start : first + min(start + n_samples, count)]
        if rng is not None and count < n_samples and fill in AROUND:
            piece = np.roll(piece, -int(rng.integers(count)))
        # a copy: torch takes no memory that it must not write to
        found[row] = fit_length(torch.from_numpy(np.array(piece)[None]), n_samples, fill)[0]
    return found
