"""The samples of a batch: random windows of its sides, drawn first and read afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodysounds.sides import SideTable, cut_spans
from bodysounds.training.sampler import Batch
from bodysounds.types import Ints

Int16s = npt.NDArray[np.int16]
ALL = slice(None)


@dataclass(frozen=True)
class Windows:
    """Where the samples of crops lie."""

    spans: tuple[Ints, ...]
    """Of each crop int64 (n_pieces, 2): first_sample and n_samples of its pieces, in order."""
    longest: int
    """Samples of the longest crop of the batch; shorter ones end in zeros."""

    def __len__(self) -> int:
        return len(self.spans)


def draw_windows(
    side_table: SideTable, batch: Batch, rng: np.random.Generator, own: slice = ALL
) -> Windows:
    """Return a random window of each side of a batch; no sample is read.

    All are drawn, and those of `own` returned.
    """
    spans = tuple(
        draw_window(side_table.spans[row], int(length), rng)
        for row, length in zip(batch.rows, batch.lengths, strict=True)
    )
    return Windows(spans[own], int(batch.lengths.max()))


def draw_window(spans: Ints, length: int, rng: np.random.Generator) -> Ints:
    """Return the pieces of a random window of a side's segments, joined in random order.

    int64 (n_pieces, 2) of first_sample and n_samples, `length` samples in all. A side shorter than
    the window is repeated from its end on, starting anywhere.
    """
    spans = spans[rng.permutation(len(spans))]
    total = int(spans[:, 1].sum())
    if total >= length:
        return cut_spans(spans, int(rng.integers(total - length + 1)), length)
    start = int(rng.integers(total))
    turned = np.concatenate([cut_spans(spans, start, total - start), cut_spans(spans, 0, start)])
    return cut_spans(np.tile(turned, (-(-length // total), 1)), 0, length)


def read_windows(samples: Int16s, windows: Windows) -> Int16s:
    """Return the crops, int16 (n_crops, longest); shorter ones end in zeros."""
    crops = np.zeros((len(windows), windows.longest), dtype=np.int16)
    for crop, spans in zip(crops, windows.spans, strict=True):
        joined = join(samples, spans)
        crop[: len(joined)] = joined
    return crops


def join(samples: Int16s, spans: Ints) -> Int16s:
    """Return the samples of pieces, one after the other, int16 (n,)."""
    plain = np.asarray(samples)  # the slices of a memory map cost more to make than to read
    return np.concatenate([plain[first : first + count] for first, count in spans.tolist()])


def read_crops(
    samples: Int16s,
    side_table: SideTable,
    batch: Batch,
    rng: np.random.Generator,
    own: slice = ALL,
) -> Int16s:
    """Return the crops `own` of a batch, int16 (n_own, longest); shorter ones end in zeros."""
    return read_windows(samples, draw_windows(side_table, batch, rng, own))
