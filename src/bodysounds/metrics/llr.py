"""The cost of log-likelihood ratios in bits (Brummer and du Preez, 2006; arXiv 1304.2331)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_trials
from bodysounds.metrics.hull import convex_hull
from bodysounds.metrics.ranked import rank_trials
from bodysounds.types import Array, Floats


def cllr(labels: Any, llrs: Any, weights: Any = None) -> float:
    """Return the cost of log-likelihood ratios in bits; 1 is what knowing nothing costs.

    Parameters
    ----------
    labels, weights
        As for `det_curve`.
    llrs : array-like of shape (n_trials,)
        Natural logarithms of likelihood ratios, positive for "same subject".

    The mean of log2(1 + exp(-llr)) over targets and of log2(1 + exp(llr)) over non-targets, in
    equal parts; it rises without bound with confident errors. Raises ValueError as `det_curve`
    does; infinite ratios are refused too, as one wrong among them would cost infinity.

    >>> cllr([1, 0], [0.0, 0.0])
    1.0
    """
    target, llr, weight = check_trials(labels, llrs, weights)
    loss = llr_loss(target, llr)
    means = [weight[rows] @ loss[rows] / weight[rows].sum() for rows in (target, ~target)]
    return float(sum(means) / 2)


def llr_loss(target: Array, llr: Floats) -> Floats:
    """Return the cost of each ratio in bits, shape (n_trials,), float64."""
    loss: Floats = np.logaddexp(0.0, np.where(target, -llr, llr)) / np.log(2)
    return loss


def min_cllr(labels: Any, scores: Any, weights: Any = None) -> float:
    """Return the `cllr` of the scores after their best monotone calibration, in [0, 1] bits.

    Calibration is isotonic regression (pool adjacent violators) on these labels, so this is what
    the scores' order alone is worth; `cllr` minus it is the loss by calibration. Arguments and
    errors are those of `det_curve`.

    >>> min_cllr([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9])
    0.0
    """
    far, frr, _ = convex_hull(rank_trials(labels, scores, weights))
    return hull_cllr(-np.diff(far), np.diff(frr))


def hull_cllr(other_share: Floats, target_share: Floats) -> float:
    """Return the cost in bits of blocks calibrated each to its own likelihood ratio.

    `other_share` and `target_share` are the shares of the non-targets and of the targets in each
    block; a block of one class costs nothing.
    """
    both = (other_share > 0) & (target_share > 0)
    a, b = target_share[both], other_share[both]
    bits = float(a @ np.log2(1 + b / a) + b @ np.log2(1 + a / b))
    return min(bits / 2, 1.0)
