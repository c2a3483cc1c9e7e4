"""Hard trials by an encoder: every target, and the sides that it takes most easily for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.splitting.pairs import Pairs

BLOCK_CELLS = 1 << 22
"""Cosines that are held at once."""


def hard_trials(
    embeddings: Any, subjects: Any, groups: Any, n_per_target: int, seed: int
) -> tuple[Pairs, npt.NDArray[np.bool_]]:
    """Return all target pairs, and for each the sides that are closest to its enrolment.

    Which of a target pair's two sides enrols is drawn. A side that enrols for k targets gets its
    k * n_per_target nearest sides of other groups by cosine, or as many as there are; a pair that
    both of its sides choose is there once. Cosines are made in blocks of at most 4 million. The
    order of the rows changes neither the draw nor the pairs.

    Parameters
    ----------
    embeddings : array-like of shape (n_sides, dim)
        Finite, none of length 0.
    subjects : sequence of shape (n_sides,)
        Sides whose subject is missing are left out.
    groups : sequence of shape (n_sides,)
        Subjects of one group are never set against each other.

    Returns
    -------
    pairs : Pairs
        Rows of embeddings.
    target : bool array, one element a pair

    Raises ValueError for NaN and infinities, mismatched lengths, n_per_target below 1, and where no
    subject has two sides.
    """
    vectors = _unit(embeddings)
    subject, group = pd.factorize(pd.Series(subjects))[0], pd.factorize(pd.Series(groups))[0]
    if not len(vectors) == len(subject) == len(group):
        raise ValueError(
            f"embeddings, subjects and groups must have one length, got {len(vectors)}, "
            f"{len(subject)} and {len(group)}"
        )
    if n_per_target < 1:
        raise ValueError(f"n_per_target must be at least 1, got {n_per_target}")
    rng = np.random.default_rng(seed)
    # a random direction orders the sides by what they are, not by where they stand
    order = np.argsort(vectors @ rng.standard_normal(vectors.shape[1]), kind="stable")
    order = order[subject[order] >= 0]
    subject, group = subject[order], group[order]
    enrol, test = _same(subject)
    if not len(enrol):
        raise ValueError("no subject has two sides, so there is no target pair to make trials for")
    wanted = n_per_target * np.bincount(enrol, minlength=len(subject))
    near = _nearest(vectors[order].astype(np.float32), group, wanted)
    code = near.enrol * len(subject) + near.test
    mirrored = np.isin(near.test * len(subject) + near.enrol, code)
    kept = ~mirrored | (near.enrol < near.test)
    left = np.concatenate([enrol, near.enrol[kept]])
    right = np.concatenate([test, near.test[kept]])
    return Pairs(order[left], order[right]), np.arange(len(left)) < len(enrol)


def _same(subject: npt.NDArray[np.int64]) -> Pairs:
    """Return every pair of rows of one subject, the lower row first."""
    order = np.argsort(subject, kind="stable")
    pieces = np.split(order, np.flatnonzero(np.diff(subject[order])) + 1)
    index = [np.triu_indices(len(rows), k=1) for rows in pieces]
    return Pairs(
        np.concatenate([rows[i] for rows, (i, _) in zip(pieces, index, strict=True)]),
        np.concatenate([rows[j] for rows, (_, j) in zip(pieces, index, strict=True)]),
    )


def _nearest(
    vectors: npt.NDArray[np.float32], group: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]
) -> Pairs:
    """Return, for each row, its wanted[row] nearest rows of other groups."""
    rows = np.flatnonzero(wanted)
    step = max(1, BLOCK_CELLS // len(vectors))
    enrol, test = [], []
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        cosine = vectors[block] @ vectors.T
        cosine[group[block][:, None] == group[None, :]] = -np.inf
        most = min(int(wanted[block].max()), len(vectors))
        top = np.argpartition(-cosine, most - 1, axis=1)[:, :most]
        value = np.take_along_axis(cosine, top, axis=1)
        ranked = np.lexsort((top, -value), axis=1)
        top = np.take_along_axis(top, ranked, axis=1)
        value = np.take_along_axis(value, ranked, axis=1)
        kept = (np.arange(most) < wanted[block][:, None]) & np.isfinite(value)
        enrol.append(np.repeat(block, kept.sum(axis=1)))
        test.append(top[kept])
    return Pairs(np.concatenate(enrol), np.concatenate(test))


def _unit(embeddings: Any) -> npt.NDArray[np.float64]:
    array = np.asarray(embeddings, dtype=np.float64)
    if array.ndim != 2 or not len(array):
        raise ValueError(f"embeddings must have shape (n_sides, dim), got {array.shape}")
    length = np.linalg.norm(array, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(length[:, 0]) & (length[:, 0] > 0)))
    if len(bad):
        raise ValueError(
            f"embeddings must be finite and not zero, but row {bad[0]} has {array[bad[0]].tolist()}"
        )
    unit: npt.NDArray[np.float64] = array / length
    return unit
