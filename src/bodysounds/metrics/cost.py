"""Detection costs, divided by the cost of the better of accepting all and rejecting all.

The detection cost function of the NIST speaker recognition evaluations, normalised as there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_trials
from bodysounds.metrics.ranked import Trials, rank_trials, threshold_for
from bodysounds.types import Array

NEARLY = 1e-12
"""Costs that differ by a smaller share are equal but for rounding."""


def detection_costs(p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> tuple[float, float]:
    """Return what FRR and FAR cost, so that the better of accept all and reject all costs 1.

    Raises ValueError for a `p_target` outside (0, 1) and for costs that are not above 0.
    """
    if not 0 < p_target < 1:
        raise ValueError(f"p_target must lie between 0 and 1, both excluded, got {p_target!r}")
    for name, cost in (("c_miss", c_miss), ("c_fa", c_fa)):
        if not 0 < cost < math.inf:
            raise ValueError(f"{name} must be a finite number above 0, got {cost!r}")
    miss, false_alarm = p_target * c_miss, (1 - p_target) * c_fa
    default = min(miss, false_alarm)
    return miss / default, false_alarm / default


def min_dcf(
    labels: Any, scores: Any, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0,
    weights: Any = None,
) -> float:  # fmt: skip
    """Return the normalised detection cost at the best threshold, in [0, 1].

    Parameters
    ----------
    labels, scores, weights
        As for `det_curve`.
    p_target : float in (0, 1)
        Share of targets where the system is deployed; not the share among these trials.
    c_miss, c_fa : float
        Cost of a rejected target and of an accepted non-target, above 0.

    (p c_miss FRR + (1 - p) c_fa FAR) / min(p c_miss, (1 - p) c_fa), where p is `p_target`; the
    threshold may also accept or reject every trial, so that the value never exceeds 1. Raises
    ValueError as `det_curve` does, and for `p_target` and costs out of range.

    >>> round(min_dcf([0, 0, 0, 1, 1], [0.1, 0.2, 0.6, 0.5, 0.9], p_target=0.5), 3)
    0.333
    """
    return min_dcf_threshold(labels, scores, p_target, c_miss, c_fa, weights)[0]


def min_dcf_threshold(
    labels: Any, scores: Any, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0,
    weights: Any = None,
) -> tuple[float, float]:  # fmt: skip
    """Return `min_dcf` and the threshold that attains it, the lowest among equals.

    The threshold is finite and lies in the middle between the highest score rejected and the
    lowest accepted. Arguments and errors are those of `min_dcf`.
    """
    costs = detection_costs(p_target, c_miss, c_fa)
    return least_cost(rank_trials(labels, scores, weights), *costs)


def act_dcf(
    labels: Any, llrs: Any, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0,
    weights: Any = None,
) -> float:  # fmt: skip
    """Return the normalised detection cost of the decisions that log-likelihood ratios call for.

    A trial is accepted where its natural log-likelihood ratio is at or above
    log((1 - p) c_fa / (p c_miss)): no threshold is fitted, so the value is at least `min_dcf`,
    and above 1 where the scores serve worse than none. Arguments and errors are those of
    `min_dcf`; scores that are no calibrated ratios give a number without meaning.
    """
    target, llr, weight = check_trials(labels, llrs, weights)
    miss, false_alarm = detection_costs(p_target, c_miss, c_fa)
    loss = decision_loss(target, llr, p_target, c_miss, c_fa)
    frr = weight[target] @ loss[target] / weight[target].sum()
    far = weight[~target] @ loss[~target] / weight[~target].sum()
    return float(miss * frr + false_alarm * far)


def decision_loss(target: Array, llr: Array, p_target: float, c_miss: float, c_fa: float) -> Array:
    """Return 1.0 where the decision at the Bayes threshold is wrong, else 0.0, (n_trials,)."""
    threshold = math.log(1 - p_target) + math.log(c_fa) - math.log(p_target) - math.log(c_miss)
    return np.asarray((llr >= threshold) != target, dtype=np.float64)


def least_cost(trials: Trials, miss: float, false_alarm: float) -> tuple[float, float]:
    """Return the least cost over all thresholds, and its threshold, the lowest among equals.

    It suffices to look at one class: a best threshold has a target next above it and a non-target
    next below, or accepts or rejects everything.
    """
    targets, others = trials
    by_target = len(targets.scores) <= len(others.scores)
    # Of tied scores of the class looked at, one has the true cost, the rest a higher one.
    if by_target:  # reject what lies below each target; or everything
        cost = targets.running() * (miss / targets.total)
        accepted = np.subtract(others.total, others.below(targets.scores))
        accepted *= false_alarm / others.total
        cost[:-1] += accepted
    else:  # reject up to each non-target; or nothing
        cost = (others.total - others.running()) * (false_alarm / others.total)
        missed = np.multiply(miss / targets.total, targets.up_to(others.scores))
        cost[1:] += missed
    least = cost.min()
    best = int(np.argmax(cost <= least * (1 + NEARLY)))
    if by_target:
        lowest = float(targets.scores[best]) if best < len(targets.scores) else np.inf
    else:
        lowest = trials.next_above(float(others.scores[best - 1]) if best else -np.inf)
    return min(float(least), 1.0), threshold_for(trials, lowest)
