"""Error rates of a verification system: one sort, ties merged, trials weighted.

A trial is accepted where its score is at or above the threshold. FAR is the accepted share of the
non-targets (pairs of different subjects), FRR the rejected share of the targets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_trials
from bodysounds.types import Floats

EER_METHODS = ("interpolated",)


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
    target, score, weight = check_trials(labels, scores, weights)
    if weights is not None:
        kept = weight > 0
        target, score, weight = target[kept], score[kept], weight[kept]
    # Ties are ordered by class and weight, so that no rounding depends on the order of the rows.
    order = np.lexsort((weight, target, score))
    target, score, weight = target[order], score[order], weight[order]
    last = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1)
    below_target = np.append(0.0, np.cumsum(weight * target)[last])
    below_other = np.append(0.0, np.cumsum(weight * ~target)[last])
    frr = below_target / below_target[-1]
    far = (below_other[-1] - below_other) / below_other[-1]
    return far, frr, np.append(score[last], np.inf)


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
    low, high = float(scores[index - 1]), float(scores[index])
    middle = low / 2 + high / 2
    return middle if low < middle <= high else high


def equal_error_rate(
    labels: Any, scores: Any, weights: Any = None, method: str = "interpolated"
) -> tuple[float, float]:
    """Return the equal error rate and the threshold nearest to it.

    Parameters
    ----------
    labels, scores, weights
        As for `det_curve`.
    method : str
        `interpolated`: the curve is joined by straight lines, and cut where FAR equals FRR.

    Returns
    -------
    eer : float in [0, 1]
        0.5 for constant scores.
    threshold : float
        Finite, with the rates of the point of the curve nearest to equality; the middle between
        the scores on both sides of it.

    Raises ValueError as `det_curve` does, and for an unknown method.

    >>> equal_error_rate([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9])
    (0.0, 0.4)
    """
    if method not in EER_METHODS:
        raise ValueError(f"method must be one of {', '.join(EER_METHODS)}, got {method!r}")
    far, frr, thresholds = det_curve(labels, scores, weights)
    surplus = far - frr
    after = int(np.argmax(surplus <= 0))  # the first point at or beyond equality; never point 0
    before = after - 1
    share = surplus[before] / (surplus[before] - surplus[after])
    eer = frr[before] + share * (frr[after] - frr[before])
    nearest = after if -surplus[after] < surplus[before] else before
    return float(eer), threshold_between(thresholds, nearest)


def auc(labels: Any, scores: Any, weights: Any = None) -> float:
    """Return the probability that a target scores above a non-target, ties counted by half.

    Arguments and errors are those of `det_curve`.
    """
    far, frr, _ = det_curve(labels, scores, weights)
    return float(np.sum(np.diff(frr) * (2 - far[:-1] - far[1:]) / 2))


def rates_at(labels: Any, scores: Any, threshold: float, weights: Any = None) -> dict[str, float]:
    """Return accuracy, far, frr, precision and recall where scores >= threshold are accepted.

    Precision is NaN where nothing is accepted. Errors are those of `det_curve`, and ValueError
    for a threshold that is NaN.
    """
    target, score, weight = check_trials(labels, scores, weights)
    if np.isnan(threshold):
        raise ValueError("threshold is NaN: choose one with bodysounds.scoring.threshold")
    accepted = score >= threshold
    hits, alarms = weight[target & accepted].sum(), weight[~target & accepted].sum()
    misses, refusals = weight[target & ~accepted].sum(), weight[~target & ~accepted].sum()
    named = rates_from_counts(hits, misses, alarms, refusals)
    return {name: float(value) for name, value in named.items()}


def rates_from_counts(hits: Any, misses: Any, alarms: Any, refusals: Any) -> dict[str, Any]:
    """Return the rates of (weighted) counts, numbers or arrays of one shape."""
    accepted = np.asarray(hits + alarms, dtype=np.float64)
    precision = np.full_like(accepted, np.nan)
    np.divide(hits, accepted, out=precision, where=accepted > 0)
    return {
        "accuracy": (hits + refusals) / (hits + misses + alarms + refusals),
        "far": alarms / (alarms + refusals),
        "frr": misses / (hits + misses),
        "precision": precision,
        "recall": hits / (hits + misses),
    }
