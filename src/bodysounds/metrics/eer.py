"""The equal error rate by three definitions, and together with the minimum cost from one sort."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np

from bodysounds.metrics.cost import detection_costs, least_cost
from bodysounds.metrics.hull import convex_hull
from bodysounds.metrics.ranked import Ranked, Trials, rank_trials, threshold_for

EER_METHODS = ("interpolated", "discrete", "hull")
NEARLY = 1e-12
"""Differences of rates below this are rounding."""


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
        `discrete`: the mean of FAR and FRR at the threshold where they differ least, the lower of
        two such thresholds; SpeechBrain's. `hull`: the convex hull of the curve is cut, which
        never lies above the others; ROCCH-EER of BOSARIS (arXiv 1304.2865).

    Returns
    -------
    eer : float in [0, 1], with `hull` in [0, 0.5]
        0.5 for constant scores.
    threshold : float
        Finite, with the rates of the point of the curve (with `hull`, of its hull) nearest to
        equality; the middle between the scores on both sides of it.

    Raises ValueError as `det_curve` does, and for an unknown method.

    >>> equal_error_rate([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9])
    (0.0, 0.4)
    """
    if method not in EER_METHODS:
        raise ValueError(f"method must be one of {', '.join(EER_METHODS)}, got {method!r}")
    return _eer(rank_trials(labels, scores, weights), method)


def eer_and_min_dcf(
    labels: Any, scores: Any, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0,
    weights: Any = None, method: str = "interpolated",
) -> tuple[float, float, float, float]:  # fmt: skip
    """Return EER, its threshold, minDCF and its threshold from one sort of the trials.

    Arguments, values and errors are those of `equal_error_rate` and `min_dcf_threshold`.

    >>> eer_and_min_dcf([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9], p_target=0.01)
    (0.0, 0.4, 0.0, 0.4)
    """
    if method not in EER_METHODS:
        raise ValueError(f"method must be one of {', '.join(EER_METHODS)}, got {method!r}")
    costs = detection_costs(p_target, c_miss, c_fa)
    trials = rank_trials(labels, scores, weights)
    return (*_eer(trials, method), *least_cost(trials, *costs))


def _eer(trials: Trials, method: str) -> tuple[float, float]:
    if method == "hull":
        far, frr, lowest = convex_hull(trials)
        after = int(np.argmax(far <= frr))
        points = [(float(far[i]), float(frr[i]), float(lowest[i])) for i in (after - 1, after)]
    else:
        points = [_point(trials, score) for score in _crossing(trials)]
    (far_before, frr_before, _), (far_after, frr_after, _) = points
    above, below = far_before - frr_before, frr_after - far_after
    nearest = points[1] if below < above - NEARLY else points[0]
    if method == "discrete":
        eer = (nearest[0] + nearest[1]) / 2
    else:
        eer = frr_before + above / (above + below) * (frr_after - frr_before)
    return eer, threshold_for(trials, nearest[2])


def _point(trials: Trials, lowest_accepted: float) -> tuple[float, float, float]:
    targets, others = trials
    far = (others.total - float(others.below(lowest_accepted))) / others.total
    return far, float(targets.below(lowest_accepted)) / targets.total, lowest_accepted


def _crossing(trials: Trials) -> tuple[float, float]:
    """Return the neighbouring scores between which, as lowest accepted, FAR comes down to FRR."""
    targets, others = trials

    def crossed(score: float) -> bool:
        # FAR <= FRR in products: whole numbers, so exact, where trials have no weights
        accepted = others.total - float(others.below(score))
        return bool(accepted * targets.total <= float(targets.below(score)) * others.total)

    def first(side: Ranked) -> float:
        scores = side.scores
        index = bisect_left(range(len(scores)), True, key=lambda i: crossed(float(scores[i])))
        return float(scores[index]) if index < len(scores) else np.inf

    after = min(first(targets), first(others))
    before = trials.next_below(after)
    assert before is not None, "at the lowest score FAR is 1 and FRR is 0"
    return before, after
