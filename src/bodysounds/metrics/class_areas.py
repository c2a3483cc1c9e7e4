"""Areas under the curves of one class against the others, for many draws over one sort."""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_trials
from bodysounds.types import Array, Floats, Ints

BLOCK = 2**23
"""Numbers of a block of draws: 64 MiB of float64."""


def average_precision(labels: Any, scores: Any, weights: Any = None) -> float:
    """Return the mean precision over the steps of recall, ties taken together, in [0, 1].

    Arguments and errors are those of `bodysounds.metrics.curve.det_curve`. Steps aren't
    interpolated: a line between two points of precision and recall promises too much (Davis and
    Goadrich, ICML 2006).
    """
    target, score, weight = check_trials(labels, scores, weights)
    order, ends = _ranks(score)
    return float(_areas(target[order], weight[order][None], ends)[1][0])


def precision_recall_curve(labels: Any, scores: Any) -> tuple[Floats, Floats]:
    """Return precision and recall at every threshold, the strictest first, float64 (n_scores,).

    Errors are those of `average_precision`.
    """
    target, score, _ = check_trials(labels, scores)
    order, ends = _ranks(score)
    hits = np.cumsum(target[order])[ends]
    return hits / (ends + 1.0), hits / hits[-1]


def drawn_areas(target: Array, scores: Array, codes: Ints, counts: Floats) -> dict[str, Floats]:
    """Return auc and average_precision of each draw of groups, float64 (n_draws,) each.

    Parameters
    ----------
    target : bool array of shape (n,)
        Whether an example is of the class.
    scores : float array of shape (n,)
        Higher for the class; finite.
    codes, counts
        As `bodysounds.metrics.groups.GroupDraws` has them.

    A draw without an example of the class, or of the others, is NaN.
    """
    order, ends = _ranks(np.asarray(scores))
    own, ordered = np.asarray(target, dtype=bool)[order], codes[order]
    step = max(1, BLOCK // max(1, len(own)))
    parts = [
        _areas(own, counts[at : at + step][:, ordered], ends) for at in range(0, len(counts), step)
    ]
    return {
        "auc": np.concatenate([part[0] for part in parts]),
        "average_precision": np.concatenate([part[1] for part in parts]),
    }


def _ranks(scores: Array) -> tuple[Ints, Ints]:
    """Return the order from the highest score down, and where each distinct score ends in it."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    return order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def _areas(target: Array, weights: Floats, ends: Ints) -> tuple[Floats, Floats]:
    """Return both areas for each row of weights (n_draws, n) in the order of falling scores."""
    hits = np.cumsum(weights * target, axis=1)[:, ends]
    taken = np.cumsum(weights, axis=1)[:, ends]
    gained, total = np.diff(hits, axis=1, prepend=0), hits[:, -1]
    others = taken - hits
    wrong, rest = np.diff(others, axis=1, prepend=0), others[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = np.sum(wrong * (hits - gained / 2), axis=1) / (total * rest)
        precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
        area = np.sum(gained * precision, axis=1) / np.where(rest > 0, total, np.nan)
    return auc, area
