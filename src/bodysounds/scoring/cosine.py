"""Cosines of pairs of embeddings, by matrix products in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK_CELLS = 1 << 22
DENSE_SHARE = 0.05


def cosine_scores(enrol: Any, test: Any, pairs: Any) -> npt.NDArray[np.float64]:
    """Return the cosine of each pair of embeddings.

    Parameters
    ----------
    enrol : array-like of shape (n_enrol, dim)
        Finite; of any length, one of length 0 scores 0.
    test : array-like of shape (n_test, dim)
    pairs : array-like of int, shape (n_pairs, 2)
        Row of enrol and row of test of each pair.

    Returns
    -------
    scores : float64 array of shape (n_pairs,), in [-1, 1]

    Raises ValueError for NaN and infinities, other shapes, and rows that are not there.

    >>> cosine_scores([[3.0, 4.0]], [[4.0, 3.0], [0.0, 2.0]], [[0, 0], [0, 1]]).round(2).tolist()
    [0.96, 0.8]
    """
    left, right = _unit(enrol, "enrol"), _unit(test, "test")
    if left.shape[1] != right.shape[1]:
        raise ValueError(
            f"enrol and test must have one dimension, got {left.shape[1]} and {right.shape[1]}"
        )
    rows = _pairs(pairs, len(left), len(right))
    dense = len(rows) >= DENSE_SHARE * len(left) * len(right)
    scores = _by_product(left, right, rows) if dense else _by_gather(left, right, rows)
    return scores.astype(np.float64).clip(-1.0, 1.0)


def _by_product(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Multiply blocks of enrol rows with all of test, and pick."""
    scores = np.empty(len(pairs), dtype=np.float32)
    order = np.argsort(pairs[:, 0], kind="stable")
    step = max(1, BLOCK_CELLS // max(1, len(right)))
    starts = np.arange(0, len(left), step)
    edges = np.searchsorted(pairs[order, 0], np.append(starts, len(left)))
    for start, low, high in zip(starts, edges[:-1], edges[1:], strict=True):
        chosen = order[low:high]
        block = left[start : start + step] @ right.T
        scores[chosen] = block[pairs[chosen, 0] - start, pairs[chosen, 1]]
    return scores


def _by_gather(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Gather both sides of blocks of pairs."""
    scores = np.empty(len(pairs), dtype=np.float32)
    step = max(1, BLOCK_CELLS // max(1, left.shape[1]))
    for start in range(0, len(pairs), step):
        block = pairs[start : start + step]
        scores[start : start + step] = np.einsum("nd,nd->n", left[block[:, 0]], right[block[:, 1]])
    return scores


def _unit(values: Any, name: str) -> npt.NDArray[np.float32]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (n, dim), got {array.shape}")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"{name} must be finite, but row {row} has {array[row].tolist()}")
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    return (array / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _pairs(values: Any, n_enrol: int, n_test: int) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"pairs must be integers of shape (n, 2), got {array.dtype} of shape {array.shape}"
        )
    outside = (array < 0) | (array >= np.array([n_enrol, n_test]))
    if outside.any():
        bad = array[outside.any(axis=1)][0].tolist()
        raise ValueError(f"pair {bad} lies outside the {n_enrol} x {n_test} embeddings")
    return array.astype(np.int64)
