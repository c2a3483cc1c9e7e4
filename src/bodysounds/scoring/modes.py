"""What of a side is heard: all of it, short windows, its loud part, or its first seconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params import ScorePairsParams
from bodysounds.scoring.cosine import Float32s, unit_rows
from bodysounds.scoring.embed import embed_means
from bodysounds.sides import SideTable, cut_spans
from bodysounds.types import Ints

FRAME_S = 0.025


def embed_in_mode(
    mode: str,
    encoder: Encoder | EmbeddingNetwork,
    packed: Packed,
    side_table: SideTable,
    rows: Ints,
    params: ScorePairsParams,
    progress: bool = False,
    embed: Callable[..., Float32s] = embed_means,
) -> Float32s:
    """Return one embedding a side, float32 (n, dim) of unit length.

    Parameters
    ----------
    mode : str
        `whole`; `windows`: the mean of the unit embeddings of short windows; `loud`: the loudest
        frames, joined; `first`: the first seconds. What each of them takes is in `params`.
    rows : int64 (n,)
        Rows of the side table.
    progress : bool
        Show a bar.
    embed : callable
        Called as `embed_means`.

    What a side becomes does not depend on the sides beside it.
    Raises ValueError for another mode, and as `embed_sides`.
    """
    heard = [heard_spans(mode, packed, side_table.spans[row], params) for row in rows]
    means = embed(
        encoder, packed, heard, params.max_side_s, params.device, progress, params.precision
    )
    return unit_rows(means, "embeddings") if mode == "windows" else means


def heard_spans(mode: str, packed: Packed, spans: Ints, params: ScorePairsParams) -> list[Ints]:
    """Return the lists of spans that a side is heard as: one, or one a window.

    spans is int64 (n_segments, 2) of first_sample and n_samples; every mode takes from the first
    `params.max_side_s` of them. Raises ValueError for another mode.
    """
    rate = packed.sample_rate
    whole = cut_spans(spans, 0, _samples(params.max_side_s, rate))
    if mode == "whole":
        return [whole]
    if mode == "windows":
        return window_spans(whole, _samples(params.window_s, rate), _samples(params.hop_s, rate))
    if mode == "loud":
        return [loud_spans(packed, whole, _samples(FRAME_S, rate), params.loud_share)]
    if mode == "first":
        return [cut_spans(whole, 0, _samples(params.first_s, rate))]
    raise ValueError(f"the mode must be one of whole, windows, loud, first, got {mode!r}")


def window_spans(spans: Ints, window: int, hop: int) -> list[Ints]:
    """Return the spans of windows of `window` samples that start every `hop` samples.

    The last window is moved back so that it ends with the side: all of it is heard. A side no
    longer than a window is one.
    """
    total = int(spans[:, 1].sum())
    last = max(0, total - window)
    starts = [*range(0, last, hop), last]
    return [cut_spans(spans, start, window) for start in starts]


def loud_spans(packed: Packed, spans: Ints, frame: int, share: float) -> Ints:
    """Return the spans of the loudest frames, in their order, at least one.

    Parameters
    ----------
    spans : int64 (n_segments, 2)
    frame : int
        Samples of a frame; the joined segments are cut into frames, and the last may be shorter.
    share : float
        Of the frames to keep, by mean square, in (0, 1]. Of equally loud ones the earlier stay.
    """
    wave = np.concatenate([packed.samples[first : first + count] for first, count in spans])
    starts = np.arange(0, len(wave), frame)
    # whole numbers, so that equally loud frames are equal
    sums = np.add.reduceat(wave.astype(np.int64) ** 2, starts)
    loudness = sums / np.diff(starts, append=len(wave))
    n_kept = max(1, round(share * len(starts)))
    kept = np.zeros(len(starts) + 2, dtype=np.int8)
    kept[1 + np.argsort(-loudness, kind="stable")[:n_kept]] = 1
    edges = np.diff(kept)
    runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    return np.concatenate(
        [cut_spans(spans, int(low) * frame, int(high - low) * frame) for low, high in runs]
    )


def _samples(seconds: float, rate: int) -> int:
    return max(1, round(seconds * rate))
