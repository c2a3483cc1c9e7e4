"""Scores of enrolled models that several recordings make up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.scoring.cosine import Float32s, check_pairs, cosine_scores, unit_sides
from bodysounds.types import Ints

HOW = ("mean_embedding", "mean_score", "best")
EXPANDED_PAIRS = 1 << 22


def model_scores(
    enrol: Any, models: Sequence[Any], test: Any, pairs: Any, how: str = "mean_embedding"
) -> npt.NDArray[np.float64]:
    """Return the score of each pair of an enrolled model and a test side.

    Parameters
    ----------
    enrol : array-like of shape (n_enrol, dim)
        Set to unit length, as test is; one of length 0 counts as it is.
    models : sequence of array-like of int
        The rows of enrol that make up each model, at least one.
    test : array-like of shape (n_test, dim)
    pairs : array-like of int, shape (n_pairs, 2)
        Model and row of test of each pair.
    how : str
        `mean_embedding`: the cosine with the mean of the recordings; `mean_score`: the mean of the
        cosines with each; `best`: the highest of them.

    Returns
    -------
    scores : float64 array of shape (n_pairs,), in [-1, 1]

    Raises ValueError for NaN and infinities, other shapes, a model without a row, rows that are
    not there, and another `how`.
    """
    if how not in HOW:
        raise ValueError(f"how must be one of {', '.join(HOW)}, got {how!r}")
    left, right = unit_sides(enrol, test)
    members, starts = _members(models, len(left))
    checked = check_pairs(pairs, len(starts), len(right), of="models and test sides")
    if not len(checked):
        return np.empty(0)
    if how == "best":
        return _best(left, members, starts, right, checked)
    counts = np.diff(np.append(starts, len(members)))
    means = np.add.reduceat(left[members], starts, axis=0, dtype=np.float64) / counts[:, None]
    scores = cosine_scores(means, right, checked)
    if how == "mean_score":  # the mean of products is the product with the mean
        scores *= np.linalg.norm(means, axis=1).take(checked[:, 0])
    return scores


def _best(
    left: Float32s, members: Ints, starts: Ints, right: Float32s, pairs: Ints
) -> npt.NDArray[np.float64]:
    """Return the highest cosine of each pair; the pairs of recordings are spelt out in pieces."""
    counts = np.diff(np.append(starts, len(members)))
    ends = np.cumsum(counts.take(pairs[:, 0]))
    n_pieces = 1 + int(ends[-1]) // EXPANDED_PAIRS
    edges = np.searchsorted(ends, ends[-1] * np.arange(1, n_pieces) / n_pieces)
    found = []
    for part in np.split(pairs, edges):
        own = counts.take(part[:, 0])
        first = np.cumsum(own) - own
        # recording number within its model, counted from the model's first
        rows = np.arange(own.sum()) - np.repeat(first - starts.take(part[:, 0]), own)
        spelt = np.stack([members[rows], np.repeat(part[:, 1], own)], axis=1)
        if len(part):
            found.append(np.maximum.reduceat(cosine_scores(left, right, spelt), first))
    return np.concatenate(found)


def _members(models: Sequence[Any], n_enrol: int) -> tuple[Ints, Ints]:
    """Return the rows of all models, one after the other, and where each model starts."""
    rows = [np.asarray(model) for model in models]
    for number, model in enumerate(rows):
        if model.ndim != 1 or not model.size or not np.issubdtype(model.dtype, np.integer):
            raise ValueError(
                f"model {number} must be one row of integers or more, got {model.dtype} of shape "
                f"{model.shape}: a model needs at least one recording"
            )
        if model.min() < 0 or model.max() >= n_enrol:
            outside = model[(model < 0) | (model >= n_enrol)][0]
            raise ValueError(f"model {number} names row {outside} of {n_enrol} rows of enrol")
    starts = np.cumsum([0, *(len(model) for model in rows)])[:-1]
    return np.concatenate([np.empty(0, np.int64), *rows]).astype(np.int64), starts
