"""The curve of both error rates, and the area beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.metrics.ranked import curve, middle, rank_trials
from bodysounds.types import Floats


def det_curve(labels: Any, scores: Any, weights: Any = None) -> tuple[Floats, Floats, Floats]:
    """Return the error rates at every threshold that tells the trials apart.

    Parameters
    ----------
    labels : array-like of shape (n_trials,)
        1 for a target pair, 0 for a non-target pair.
    scores : array-like of shape (n_trials,)
        Higher means more alike.
    weights : array-like of shape (n_trials,), optional
        At least 0; a trial of weight 2 counts like two equal trials, one of weight 0 not at all.

    Returns
    -------
    far, frr : float64 arrays of shape (n_scores + 1,)
        far falls from 1 to 0 and frr rises from 0 to 1; n_scores counts the distinct scores.
    thresholds : float64 array of shape (n_scores + 1,)
        The distinct scores in ascending order, then infinity, at which nothing is accepted.

    Raises ValueError for NaN, infinities, one class only, empty input and unequal lengths.

    >>> far, frr, thresholds = det_curve([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    >>> far.tolist(), frr.tolist(), thresholds.tolist()
    ([1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 1.0], [0.1, 0.4, 0.8, inf])
    """
    return curve(rank_trials(labels, scores, weights))


def threshold_between(thresholds: Floats, index: int) -> float:
    """Return a finite threshold with the rates of `det_curve` at `index`, far from both scores.

    It is the middle between the highest score rejected and the lowest accepted; the lowest score
    where all are accepted, and the next number above the highest where none is.
    """
    scores = thresholds[:-1]
    if index == 0:
        return float(scores[0])
    if index == len(scores):
        return float(np.nextafter(scores[-1], np.inf))
    return middle(float(scores[index - 1]), float(scores[index]))


def auc(labels: Any, scores: Any, weights: Any = None) -> float:
    """Return the probability that a target scores above a non-target, ties counted by half.

    Arguments and errors are those of `det_curve`.
    """
    far, frr, _ = det_curve(labels, scores, weights)
    return float(np.sum(np.diff(frr) * (2 - far[:-1] - far[1:]) / 2))
