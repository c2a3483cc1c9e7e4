"""Rates at a fixed threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.metrics.arrays import check_trials


def rates_at(labels: Any, scores: Any, threshold: float, weights: Any = None) -> dict[str, float]:
    """Return the rates where scores >= threshold are accepted.

    accuracy, balanced_accuracy (mean of 1 - far and 1 - frr: the same whatever the share of
    targets), far, frr, precision (NaN where nothing is accepted) and recall. Errors are those of
    `det_curve`, and ValueError for a threshold that is NaN.
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
    far, frr = alarms / (alarms + refusals), misses / (hits + misses)
    return {
        "accuracy": (hits + refusals) / (hits + misses + alarms + refusals),
        "balanced_accuracy": 1 - (far + frr) / 2,
        "far": far,
        "frr": frr,
        "precision": precision,
        "recall": hits / (hits + misses),
    }
