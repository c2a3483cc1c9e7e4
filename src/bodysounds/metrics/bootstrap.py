"""Intervals over subjects, and weights that let each subject count equally.

Trials that share a subject are not independent, so subjects are resampled, not trials
(the subject bootstrap of Bolle, Ratha and Pankanti, "Error analysis of pattern recognition
systems: the subsets bootstrap", CVIU 2004, for pairs).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_labels, check_trials, subject_codes
from bodysounds.metrics.drawn import Statistic
from bodysounds.metrics.intervals import beta_interval, normal_interval, percentile_interval
from bodysounds.metrics.resampling import resampler
from bodysounds.types import Floats

__all__ = ["METHODS", "bootstrap_interval", "paired_interval", "percentile_interval",
           "subject_weights"]  # fmt: skip

METHODS = ("percentile", "normal", "beta")


def bootstrap_interval(
    labels: Any, scores: Any, enrol_subjects: Any, test_subjects: Any, statistic: Statistic,
    n: int = 1000, level: float = 0.95, method: str = "percentile", seed: int = 0,
    weights: Any = None, p_target: float | None = None, c_miss: float = 1.0, c_fa: float = 1.0,
) -> tuple[float, float]:  # fmt: skip
    """Return the interval of a statistic over resampled subjects.

    Parameters
    ----------
    labels, scores, weights
        As for `bodysounds.metrics.verification.det_curve`.
    enrol_subjects, test_subjects : array-like of shape (n_trials,)
        The subject on each side of each trial; names that a target pair joins are one subject.
    statistic : str or callable
        `eer`, `auc`, `min_dcf`, `act_dcf`, `cllr`, `min_cllr`, or
        `f(labels, scores, weights) -> float`, whose weights may be 0.
    n : int
        Number of resamples.
    level : float in (0, 1)
        Share of the resamples inside the interval.
    method : str
        `percentile`; `normal`: plus and minus the draws' standard deviation; and for `eer` also
        `beta`, which covers where fewer than about 8 target subjects are on the wrong side and
        percentiles end too low (`bodysounds.metrics.intervals.beta_interval`).
    seed : int
        Of the draws; one seed gives one interval, whatever the order of the rows.
    p_target, c_miss, c_fa : float
        As for `bodysounds.metrics.verification.min_dcf`; read by `min_dcf` and `act_dcf` alone.

    Returns
    -------
    low, high : float

    A target trial of subject i weighs w_i, a non-target of i and j w_i * w_j, times its base
    weight, where w_i counts how often i was drawn. A draw without one of the classes is replaced.
    Raises ValueError as `det_curve` does, for a missing subject, a non-target pair within one
    subject, an unknown statistic or method, and where there are too few subjects to resample.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "beta" and statistic != "eer":
        raise ValueError(f"method beta is for statistic eer, got {statistic!r}: use percentile")
    target, _, weight = check_trials(labels, scores, weights)
    sample = resampler(labels, enrol_subjects, test_subjects, n=n, seed=seed, weights=weights)
    observed, draws = sample.with_observed(scores, statistic, weights, p_target, c_miss, c_fa)
    if method == "beta":
        subjects = sample.enrol[target & (weight > 0)]
        return beta_interval(observed, draws, len(np.unique(subjects)), len(subjects), level)
    if method == "normal":
        return normal_interval(observed, draws, level)
    return percentile_interval(draws, level)


def paired_interval(
    labels: Any, scores_a: Any, scores_b: Any, enrol_subjects: Any, test_subjects: Any,
    statistic: Statistic = "eer", n: int = 1000, level: float = 0.95, method: str = "percentile",
    seed: int = 0, weights: Any = None,
    p_target: float | None = None, c_miss: float = 1.0, c_fa: float = 1.0,
) -> tuple[float, float, float]:  # fmt: skip
    """Return a's statistic minus b's, and the interval of that difference over the same draws.

    Arguments and errors are those of `bootstrap_interval`, but `method` is `percentile`, which for
    a difference reaches too far, or `normal`, which hardly does; returns (difference, low, high).
    """
    if method not in ("percentile", "normal"):
        raise ValueError(f"method of a difference must be percentile or normal, got {method!r}")
    for scores in (scores_a, scores_b):
        check_trials(labels, scores, weights)
    sample = resampler(labels, enrol_subjects, test_subjects, n=n, seed=seed, weights=weights)
    (first, draws_a), (second, draws_b) = (
        sample.with_observed(scores, statistic, weights, p_target, c_miss, c_fa)
        for scores in (scores_a, scores_b)
    )
    difference = first - second
    if method == "normal":
        return (difference, *normal_interval(difference, draws_a - draws_b, level))
    return (difference, *percentile_interval(draws_a - draws_b, level))


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
