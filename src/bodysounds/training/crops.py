"""The samples of a batch: random windows of its sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodysounds.sides import SideTable
from bodysounds.training.sampler import Batch
from bodysounds.types import Ints

Int16s = npt.NDArray[np.int16]


def read_crops(
    samples: Int16s, side_table: SideTable, batch: Batch, rng: np.random.Generator
) -> Int16s:
    """Return the crops of a batch, int16 (n_crops, longest); shorter ones end in zeros."""
    crops = np.zeros((len(batch.rows), int(batch.lengths.max())), dtype=np.int16)
    for crop, row, length in zip(crops, batch.rows, batch.lengths, strict=True):
        crop[:length] = cut(samples, side_table.spans[row], int(length), rng)
    return crops


def cut(samples: Int16s, spans: Ints, length: int, rng: np.random.Generator) -> Int16s:
    """Return a random window of a side's segments, joined in random order, int16 (length,).

    A side shorter than the window is repeated from its end on, starting anywhere.
    """
    spans = spans[rng.permutation(len(spans))]
    ends = np.cumsum(spans[:, 1])
    total = int(ends[-1])
    if total < length:
        start = int(rng.integers(total))
        joined = np.concatenate([samples[first : first + count] for first, count in spans])
        return np.resize(np.roll(joined, -start), length)
    start = int(rng.integers(total - length + 1))
    first_piece, last_piece = np.searchsorted(ends, [start, start + length - 1], side="right")
    window = spans[first_piece : last_piece + 1].copy()
    skipped = start - (int(ends[first_piece]) - int(window[0, 1]))
    window[0] += (skipped, -skipped)
    window[-1, 1] -= int(ends[last_piece]) - (start + length)
    return np.concatenate([samples[first : first + count] for first, count in window])
