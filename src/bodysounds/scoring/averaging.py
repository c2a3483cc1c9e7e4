"""Test-time averaging: a side is heard several times, its segments in another order each time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.embed import embed_means
from bodysounds.sides import SideTable, cut_spans
from bodysounds.types import Ints

Float32s = npt.NDArray[np.float32]


def embed_sides_shuffled(
    encoder: Encoder | EmbeddingNetwork,
    packed: Packed,
    side_table: SideTable,
    rows: Ints,
    n: int,
    max_side_s: float,
    slice_s: Sequence[float] | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    progress: bool = False,
    precision: str = "auto",
    embed: Callable[..., Float32s] = embed_means,
) -> Float32s:
    """Return the mean of n embeddings a side, each of its segments joined in a random order.

    The best systems of the CryCeleb2023 challenge (arXiv 2305.00969) hear each side n times and
    score a pair by the mean of its n x n cosines. The cosine of unit vectors is a product, and
    products add up: that mean equals the product of the two sides' mean embeddings. So the means
    are all that is needed, and `dot_scores` scores them.

    Parameters
    ----------
    encoder : Encoder, or its network, which is left in the mode that it was in
    rows : int64 (n_sides,)
        Rows of the side table.
    n : int, at least 1
    max_side_s : float
        What is longer after shuffling is cut to this (seconds).
    slice_s : (lo, hi), optional
        Take a random slice of lo to hi seconds of the joined segments; shorter sides are whole.
    seed : int
        With the side's id and the number of the repetition it gives the order, whatever sides
        stand beside it.
    device : str or torch.device
        Where a network is given, it stays on its own device.
    progress : bool
        Show a bar.
    precision : str
        As of `embed_sides`.
    embed : callable
        Called as `embed_means`.

    Returns
    -------
    means : float32 (n_sides, dim)
        Means of unit vectors, so of length 1 at most, and not scaled to it.

    Raises ValueError for another n or slice_s, and as `embed_sides`.
    """
    if n < 1:
        raise ValueError(f"a side is heard at least once, got n = {n}")
    if slice_s is not None and not (len(slice_s) == 2 and 0 < slice_s[0] <= slice_s[1] < np.inf):
        raise ValueError(f"slice_s must be [lo, hi] with 0 < lo <= hi (seconds), got {slice_s}")
    sides = side_table.table["side_id"]
    heard: list[list[Ints]] = []
    for row in rows:
        spans = side_table.spans[row]
        # one segment has one order: it is heard once
        times = n if len(spans) > 1 or slice_s is not None else 1
        orders = []
        for repetition in range(times):
            rng = _generator(seed, str(sides.iloc[row]), repetition)
            order = spans[rng.permutation(len(spans))]
            if slice_s is not None:
                order = _random_slice(order, slice_s, packed.sample_rate, rng)
            orders.append(order)
        heard.append(orders)
    return embed(encoder, packed, heard, max_side_s, device, progress, precision)


def dot_scores(enrol: Any, test: Any, pairs: Any) -> npt.NDArray[np.float64]:
    """Return the product of each pair of mean embeddings: the mean of all their cosines.

    Parameters
    ----------
    enrol, test : array-like of shape (n_enrol, dim) and (n_test, dim)
        As from `embed_sides_shuffled`.
    pairs : array-like of int, shape (n_pairs, 2)
        Row of enrol and row of test of each pair.

    Returns
    -------
    scores : float64 array of shape (n_pairs,), in [-1, 1] for means of unit vectors

    Raises ValueError as `cosine_scores`.

    >>> dot_scores([[0.5, 0.0]], [[0.5, 0.5]], [[0, 0]]).round(2).tolist()
    [0.25]
    """
    cosines = cosine_scores(enrol, test, pairs)
    if not len(cosines):
        return cosines
    rows = np.asarray(pairs)
    left, right = (np.linalg.norm(np.asarray(side, np.float64), axis=1) for side in (enrol, test))
    scores: npt.NDArray[np.float64] = cosines * left[rows[:, 0]] * right[rows[:, 1]]
    return scores


def _generator(seed: int, side_id: str, repetition: int) -> np.random.Generator:
    digest = hashlib.blake2b(side_id.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "big"), repetition])


def _random_slice(
    spans: Ints, slice_s: Sequence[float], sample_rate: int, rng: np.random.Generator
) -> Ints:
    """Return the spans of a random slice, of lo to hi seconds, of the joined segments."""
    total = int(spans[:, 1].sum())
    length = min(total, max(1, round(rng.uniform(slice_s[0], slice_s[1]) * sample_rate)))
    return cut_spans(spans, int(rng.integers(total - length + 1)), length)
