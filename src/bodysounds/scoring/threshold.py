"""Thresholds chosen from scores: each policy is one look along the sorted error rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_trials
from bodysounds.metrics.verification import det_curve, equal_error_rate, threshold_between
from bodysounds.types import Array, Floats


def eer_threshold(labels: Array, scores: Floats, weights: Floats) -> float:
    """Return the threshold whose FAR and FRR are nearest to equal."""
    return equal_error_rate(labels, scores, weights)[1]


def max_accuracy_threshold(labels: Array, scores: Floats, weights: Floats) -> float:
    """Return the threshold with the most right decisions.

    Among equals the one whose FAR and FRR are nearest. Where non-targets are far more frequent
    than targets this accepts hardly anything; weights can balance them.
    """
    far, frr, thresholds = det_curve(labels, scores, weights)
    wrong = far * weights[labels == 0].sum() + frr * weights[labels == 1].sum()
    best = np.flatnonzero(np.isclose(wrong, wrong.min(), rtol=1e-12, atol=0))
    return threshold_between(thresholds, int(best[np.argmin(np.abs(far - frr)[best])]))


def far_threshold(labels: Array, scores: Floats, weights: Floats, far: float = 0.01) -> float:
    """Return the lowest threshold whose false acceptance rate on these scores is at most `far`.

    It lies in the middle between the lowest score accepted and the next below; where even the
    highest score breaks the promise, just above it, so that nothing is accepted.
    """
    if not 0 <= far <= 1:
        raise ValueError(f"far must lie in [0, 1], got {far!r}")
    rates, _, thresholds = det_curve(labels, scores, weights)
    return threshold_between(thresholds, int(np.argmax(rates <= far)))


POLICIES: dict[str, Callable[..., float]] = {
    "eer": eer_threshold,
    "max_accuracy": max_accuracy_threshold,
    "far": far_threshold,
}


def choose_threshold(
    policy: str, scores: Any, labels: Any = None, weights: Any = None, **options: Any
) -> float:
    """Return the threshold that a policy chooses; scores at or above it are accepted.

    Parameters
    ----------
    policy : str
        `eer`, `max_accuracy`, or `far` with the option `far` (default 0.01).
    scores : array-like of shape (n_trials,)
    labels : array-like of shape (n_trials,)
        1 for a target, 0 for a non-target.
    weights : array-like of shape (n_trials,), optional

    Raises ValueError for an unknown policy or option, missing labels, labels of one class, NaN.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, got {policy!r}")
    known = {"far"} if policy == "far" else set()
    if unknown := sorted(set(options) - known):
        raise ValueError(
            f"policy {policy} has no option {unknown[0]!r}"
            + (f": it has {', '.join(known)}" if known else ": it has none")
        )
    if labels is None:
        raise ValueError(f"policy {policy} needs labels: give 1 for a target, 0 for a non-target")
    target, checked, weight = check_trials(labels, scores, weights, both_classes=False)
    for name, mask in (("target", target), ("non-target", ~target)):
        if not weight[mask].any():
            raise ValueError(
                f"no {name} pair among the {len(target):,} trials that the "
                f"threshold is chosen on: policy {policy} needs at least one"
            )
    return POLICIES[policy](target, checked, weight, **options)
