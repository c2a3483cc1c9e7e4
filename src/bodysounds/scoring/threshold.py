"""Thresholds chosen from scores: each policy is one look along the sorted error rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_trials
from bodysounds.metrics.verification import (
    det_curve,
    equal_error_rate,
    min_dcf_threshold,
    threshold_between,
)
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


def cost_threshold(
    labels: Array,
    scores: Floats,
    weights: Floats,
    p_target: float = 0.05,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> float:
    """Return the threshold of the lowest detection cost (minDCF)."""
    return min_dcf_threshold(labels, scores, p_target, c_miss, c_fa, weights)[1]


def balanced_threshold(labels: Array, scores: Floats, weights: Floats) -> float:
    """Return the threshold at which precision and recall are nearest to equal.

    They are equal where as many trials are accepted as there are targets.
    """
    far, frr, thresholds = det_curve(labels, scores, weights)
    n_target, n_other = weights[labels == 1].sum(), weights[labels == 0].sum()
    surplus = np.abs(far * n_other - frr * n_target)
    best = np.flatnonzero(np.isclose(surplus, surplus.min(), rtol=1e-12, atol=0))
    return threshold_between(thresholds, int(best[np.argmin(np.abs(far - frr)[best])]))


def prior_threshold(scores: Floats, weights: Floats, prior: float = 0.5) -> float:
    """Return the threshold that accepts a share `prior` of the trials, as nearly as ties allow.

    No label is needed, only the share of targets to expect: the trials may be those to be decided.
    """
    if not 0 <= prior <= 1:
        raise ValueError(f"prior must lie in [0, 1], got {prior!r}")
    distinct, inverse = np.unique(scores, return_inverse=True)
    below = np.append(0.0, np.cumsum(np.bincount(inverse, weights)))
    accepted = 1.0 - below / below[-1]
    nearest = int(np.argmin(np.abs(accepted - prior)))
    return threshold_between(np.append(distinct, np.inf), nearest)


POLICIES: dict[str, tuple[Callable[..., float], tuple[str, ...]]] = {
    "eer": (eer_threshold, ()),
    "max_accuracy": (max_accuracy_threshold, ()),
    "min_dcf": (cost_threshold, ("p_target", "c_miss", "c_fa")),
    "far": (far_threshold, ("far",)),
    "balanced": (balanced_threshold, ()),
    "prior": (prior_threshold, ("prior",)),
}
"""Each policy with its options; all but `prior` need labels."""


def choose_threshold(
    policy: str, scores: Any, labels: Any = None, weights: Any = None, **options: Any
) -> float:
    """Return the threshold that a policy chooses; scores at or above it are accepted.

    Parameters
    ----------
    policy : str
        `eer`; `max_accuracy`; `min_dcf` with the options `p_target` (default 0.05), `c_miss` and
        `c_fa` (1); `far` with the option `far` (0.01); `balanced` (precision equals recall);
        `prior` with the option `prior` (0.5), which takes no labels.
    scores : array-like of shape (n_trials,)
    labels : array-like of shape (n_trials,)
        1 for a target, 0 for a non-target.
    weights : array-like of shape (n_trials,), optional

    Raises ValueError for an unknown policy or option, missing labels, labels of one class, NaN.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, got {policy!r}")
    function, known = POLICIES[policy]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(
            f"policy {policy} has no option {unknown[0]!r}"
            + (f": it has {', '.join(known)}" if known else ": it has none")
        )
    if policy == "prior":
        pretended = np.zeros(np.shape(scores)[:1])
        _, checked, weight = check_trials(pretended, scores, weights, both_classes=False)
        if not weight.any():
            raise ValueError("no trial has a weight above 0: policy prior needs at least one")
        return prior_threshold(checked, weight, **options)
    if labels is None:
        raise ValueError(f"policy {policy} needs labels: give 1 for a target, 0 for a non-target")
    target, checked, weight = check_trials(labels, scores, weights, both_classes=False)
    for name, mask in (("target", target), ("non-target", ~target)):
        if not weight[mask].any():
            raise ValueError(
                f"no {name} pair among the {len(target):,} trials that the "
                f"threshold is chosen on: policy {policy} needs at least one"
            )
    return function(target, checked, weight, **options)


def far_doubles_at(labels: Any, scores: Any, threshold: float) -> float | None:
    """Return the highest threshold at or below this one whose FAR is at least twice as high.

    threshold minus it is how far the scores may drift upwards before false acceptances double.
    None where nothing is accepted falsely, or where twice as many cannot be.
    Raises ValueError as `choose_threshold` does.
    """
    target, checked, _ = check_trials(labels, scores)
    others = np.sort(checked[~target])[::-1]
    n_accepted = int((others >= threshold).sum())
    if not n_accepted or 2 * n_accepted > len(others):
        return None
    return float(others[2 * n_accepted - 1])
