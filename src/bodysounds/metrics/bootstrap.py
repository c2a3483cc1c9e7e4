"""Intervals over subjects, and weights that let each subject count equally.

Trials that share a subject are not independent, so subjects are resampled, not trials
(the subject bootstrap of Bolle, Ratha and Pankanti, "Error analysis of pattern recognition
systems: the subsets bootstrap", CVIU 2004, for pairs).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_labels, check_trials, subject_codes
from bodysounds.metrics.resampling import Statistic, resampler
from bodysounds.metrics.verification import auc, equal_error_rate
from bodysounds.types import Array, Floats

METHODS = ("percentile",)


def percentile_interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the central `level` of the draws' distribution; draws that are NaN don't count."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    defined = draws[~np.isnan(draws)]
    if not defined.size:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")


def bootstrap_interval(
    labels: Any, scores: Any, enrol_subjects: Any, test_subjects: Any, statistic: Statistic,
    n: int = 1000, level: float = 0.95, method: str = "percentile", seed: int = 0,
    weights: Any = None,
) -> tuple[float, float]:  # fmt: skip
    """Return the interval of a statistic over resampled subjects.

    Parameters
    ----------
    labels, scores, weights
        As for `bodysounds.metrics.verification.det_curve`.
    enrol_subjects, test_subjects : array-like of shape (n_trials,)
        The subject on each side of each trial; names that a target pair joins are one subject.
    statistic : str or callable
        `eer`, `auc`, or `f(labels, scores, weights) -> float`, whose weights may be 0.
    n : int
        Number of resamples.
    level : float in (0, 1)
        Share of the resamples inside the interval.
    method : str
        `percentile`.
    seed : int
        Of the draws; one seed gives one interval, whatever the order of the rows.

    Returns
    -------
    low, high : float

    A target trial of subject i weighs w_i, a non-target of i and j w_i * w_j, times its base
    weight, where w_i counts how often i was drawn. A draw without one of the classes is replaced.
    Raises ValueError as `det_curve` does, for a missing subject, a non-target pair within one
    subject, an unknown statistic or method, and where there are too few subjects to resample.
    """
    _check_method(method)
    check_trials(labels, scores, weights)
    sample = resampler(labels, enrol_subjects, test_subjects, n=n, seed=seed, weights=weights)
    return percentile_interval(sample.draws(scores, statistic, weights), level)


def paired_interval(
    labels: Any, scores_a: Any, scores_b: Any, enrol_subjects: Any, test_subjects: Any,
    statistic: Statistic = "eer", n: int = 1000, level: float = 0.95, method: str = "percentile",
    seed: int = 0, weights: Any = None,
) -> tuple[float, float, float]:  # fmt: skip
    """Return a's statistic minus b's, and the interval of that difference over the same draws.

    Arguments and errors are those of `bootstrap_interval`; returns (difference, low, high).
    """
    _check_method(method)
    target, first, weight = check_trials(labels, scores_a, weights)
    second = check_trials(labels, scores_b, weights)[1]
    sample = resampler(labels, enrol_subjects, test_subjects, n=n, seed=seed, weights=weights)
    draws = sample.draws(first, statistic, weights) - sample.draws(second, statistic, weights)
    difference = _value(statistic, target, first, weight) - _value(
        statistic, target, second, weight
    )
    return (difference, *percentile_interval(draws, level))


def _value(statistic: Statistic, target: Array, scores: Floats, weight: Floats) -> float:
    if callable(statistic):
        return float(statistic(target, scores, weight))
    if statistic == "auc":
        return auc(target, scores, weight)
    return equal_error_rate(target, scores, weight)[0]


def subject_weights(labels: Any, enrol_subjects: Any, test_subjects: Any) -> Floats:
    """Return weights with which subjects count equally, however many trials each has.

    The targets of each subject weigh equally in sum, and so do the non-targets of each unordered
    pair of subjects; the mean weight is 1 within each class. Shape (n_trials,), float64.
    """
    target = check_labels(labels)
    enrol, test, n_subjects = subject_codes(enrol_subjects, test_subjects, target)
    unit = np.minimum(enrol, test) * n_subjects + np.maximum(enrol, test)
    weights = np.empty(len(target))
    for mask in (target, ~target):
        _, inverse, counts = np.unique(unit[mask], return_inverse=True, return_counts=True)
        weights[mask] = mask.sum() / (len(counts) * counts[inverse])
    return weights
