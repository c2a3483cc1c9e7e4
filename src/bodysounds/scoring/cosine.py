"""Cosines of pairs of embeddings: matrix products in blocks, or gathered rows where pairs are few.

Memory stays bounded by the embeddings, the pairs and a few blocks, whatever the number of sides.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.audio.parallel import ordered_map, thread_count
from bodysounds.types import Ints

# A block of cosines that stays in a core's cache and reuses the memory of the block before it.
BLOCK_BYTES = 1 << 24
# Below this share of all pairs, gathering two rows a pair costs less than the whole product.
DENSE_SHARE = 0.04
GATHERED_PAIRS = 1 << 11
UNIT_ROWS = 1 << 12
NEAR_ROWS = 512

Float32s = npt.NDArray[np.float32]


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
        Products are float32: two orders of the same pairs may differ by about 1e-7.

    Raises ValueError for NaN and infinities, other shapes, and rows that are not there.

    >>> cosine_scores([[3.0, 4.0]], [[4.0, 3.0], [0.0, 2.0]], [[0, 0], [0, 1]]).round(2).tolist()
    [0.96, 0.8]
    """
    left, right = unit_sides(enrol, test)
    checked = check_pairs(pairs, len(left), len(right))
    rows, columns = np.ascontiguousarray(checked.T)  # take copies what is not contiguous, each time
    left, rows = _used(left, rows)
    right, columns = _used(right, columns)
    dense = len(rows) >= DENSE_SHARE * len(left) * len(right)
    scores = (_by_product if dense else _by_gather)(left, right, rows, columns)
    return np.clip(scores, -1.0, 1.0, out=scores)


def cosine_blocks(
    enrol: Any, test: Any, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[int, Float32s]]:
    """Return an iterator over the cosines of all pairs, in blocks of rows of enrol.

    Parameters
    ----------
    enrol : array-like of shape (n_enrol, dim)
    test : array-like of shape (n_test, dim)
    block_bytes : int
        Size that a block does not exceed, but for a single row that does.

    Yields
    ------
    first_row : int
        Row of enrol of the first row of the block; they rise.
    block : float32 array of shape (n_rows, n_test), in [-1, 1]
        The caller's own, to keep or to change.

    Raises ValueError at the call, as `cosine_scores` does, and for block_bytes below 1.
    """
    if block_bytes < 1:
        raise ValueError(f"block_bytes must be at least 1, got {block_bytes}")
    left, right = unit_sides(enrol, test)
    return _blocks(left, right, block_bytes)


def _blocks(left: Float32s, right: Float32s, block_bytes: int) -> Iterator[tuple[int, Float32s]]:
    step = rows_a_block(len(right), block_bytes)
    for first in range(0, len(left), step):
        block = left[first : first + step] @ right.T
        yield first, np.clip(block, -1.0, 1.0, out=block)


def rows_a_block(n_columns: int, block_bytes: int) -> int:
    """Return how many rows of `n_columns` float32 fit into a block, at least 1."""
    return max(1, block_bytes // (4 * max(1, n_columns)))


def _by_product(
    left: Float32s, right: Float32s, rows: Ints, columns: Ints
) -> npt.NDArray[np.float64]:
    """Multiply blocks of enrol rows with all of test, and pick."""
    cells = rows * len(right) + columns
    step = rows_a_block(len(right), BLOCK_BYTES)
    if step >= len(left):
        return (left @ right.T).ravel().take(cells).astype(np.float64)
    scores = np.empty(len(rows))
    order, edges = _by_row(rows, step, len(left))
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        first, chosen = number * step, order[low:high]
        block = left[first : first + step] @ right.T
        scores[chosen] = block.ravel().take(cells.take(chosen) - first * len(right))
    return scores


def _by_gather(
    left: Float32s, right: Float32s, rows: Ints, columns: Ints
) -> npt.NDArray[np.float64]:
    """Gather both rows of each pair, pairs of near rows of enrol together, in threads."""
    scores = np.empty(len(rows))

    def gather(part: Ints) -> None:
        size = min(len(part), GATHERED_PAIRS)
        kept = np.empty((2, size, left.shape[1]), dtype=np.float32)  # new memory is slow in threads
        for start in range(0, len(part), GATHERED_PAIRS):
            chosen = part[start : start + GATHERED_PAIRS]
            first, second = kept[:, : len(chosen)]
            # mode "clip" writes straight into `out`; the rows have been checked
            left.take(rows.take(chosen), 0, out=first, mode="clip")
            right.take(columns.take(chosen), 0, out=second, mode="clip")
            scores[chosen] = np.einsum("nd,nd->n", first, second)

    order, _ = _by_row(rows, NEAR_ROWS, len(left))
    threads = thread_count(0) if len(rows) > GATHERED_PAIRS else 1
    for _ in ordered_map(gather, np.array_split(order, threads), threads):
        pass
    return scores


def _used(unit: Float32s, rows: Ints) -> tuple[Float32s, Ints]:
    """Return the embeddings that some pair names, and the pairs' rows among them."""
    named = np.zeros(len(unit), dtype=bool)
    named[rows] = True
    if named.all():
        return unit, rows
    return unit[named], (np.cumsum(named) - 1).take(rows)


def _by_row(rows: Ints, step: int, n_rows: int) -> tuple[Ints, Ints]:
    """Return the numbers of the pairs by groups of `step` rows, and where each group starts."""
    n_groups = -(-n_rows // step)
    # numpy sorts 8 and 16-bit integers by counting, many times faster than wider ones
    group = (rows // step).astype(np.min_scalar_type(n_groups))
    edges = np.append(0, np.cumsum(np.bincount(group, minlength=n_groups)))
    return np.argsort(group, kind="stable"), edges


def unit_sides(enrol: Any, test: Any) -> tuple[Float32s, Float32s]:
    """Return both sides' embeddings at unit length, checked to be of one dimension."""
    left = unit_rows(enrol, "enrol")
    right = left if test is enrol else unit_rows(test, "test")
    if left.shape[1] != right.shape[1]:
        raise ValueError(
            f"enrol and test must have one dimension, got {left.shape[1]} and {right.shape[1]}"
        )
    return left, right


def unit_rows(values: Any, name: str) -> Float32s:
    """Return the rows of a table of finite numbers as float32 of unit length; zeros stay zero.

    Raises ValueError, by `name`, for another shape, NaN and infinities.
    """
    array = np.asarray(values)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (n, dim), got {array.shape}")
    unit = np.empty(array.shape, dtype=np.float32)
    for first in range(0, len(array), UNIT_ROWS):  # so that no float64 copy of all is made
        part = array[first : first + UNIT_ROWS].astype(np.float64)
        lengths = np.sqrt(np.einsum("nd,nd->n", part, part))
        if not np.isfinite(lengths).all():
            row = int(np.argmin(np.isfinite(lengths)))
            worst = part[row][np.argmax(np.abs(part[row]))]
            raise ValueError(f"{name} must be finite, but row {first + row} has {worst}")
        part /= np.where(lengths > 0, lengths, 1.0)[:, None]
        unit[first : first + UNIT_ROWS] = part
    return unit


def check_pairs(values: Any, n_enrol: int, n_test: int, of: str = "embeddings") -> Ints:
    """Return pairs of rows as integers of shape (n, 2), each row there; ValueError otherwise."""
    array = np.asarray(values)
    if array.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"pairs must be integers of shape (n, 2), got {array.dtype} of shape {array.shape}"
        )
    columns = zip(array.T, (n_enrol, n_test), strict=True)  # by column, far faster than by axis
    if any(column.min() < 0 or column.max() >= n for column, n in columns):
        outside = ((array < 0) | (array >= (n_enrol, n_test))).any(axis=1)
        bad = array[int(np.argmax(outside))].tolist()
        raise ValueError(f"pair {bad} lies outside the {n_enrol} x {n_test} {of}")
    return array.astype(np.int64, copy=False)
