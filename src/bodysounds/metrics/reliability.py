"""Whether a classifier is right as often as it says, and how it errs where it may abstain."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bodysounds.types import Array, Floats, Ints


class Bins(NamedTuple):
    """Examples by how sure the classifier is of its first class; arrays of (n_bins,)."""

    edges: Floats
    """(n_bins + 1,), equally wide from 0 to 1."""
    n: Ints
    confidence: Floats
    """Mean of the bin's examples, NaN where it has none."""
    accuracy: Floats
    """Share of the bin's examples that are right, NaN where it has none."""


def reliability_bins(correct: Any, confidence: Any, n_bins: int = 10) -> Bins:
    """Return how often predictions are right, by the probability of the class they name.

    Parameters
    ----------
    correct : array-like of bool, shape (n,)
    confidence : array-like of shape (n,), in [0, 1]

    Raises ValueError for no example, another shape, and what is no probability.
    """
    right, sure = _checked(correct, confidence)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}")
    place = np.minimum((sure * n_bins).astype(np.int64), n_bins - 1)
    n = np.bincount(place, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(place, value, n_bins) / n for value in (sure, right.astype(float))]
    return Bins(np.linspace(0, 1, n_bins + 1), n, means[0], means[1])


def expected_calibration_error(correct: Any, confidence: Any, n_bins: int = 10) -> float:
    """Return the mean gap between confidence and accuracy over equally wide bins, by examples.

    0 is best (Guo et al., arXiv 1706.04599). Few examples a bin make it too large: a perfectly
    calibrated classifier has about 1 / sqrt(n) too. Errors are those of `reliability_bins`.
    """
    bins = reliability_bins(correct, confidence, n_bins)
    gap = np.nan_to_num(np.abs(bins.confidence - bins.accuracy))
    return float((gap * bins.n).sum() / bins.n.sum())


def log_loss(codes: Any, probabilities: Any) -> float:
    """Return the mean of -ln of the true class's probability, in nats; `codes` are its columns."""
    table = np.asarray(probabilities, dtype=np.float64)
    own = table[np.arange(len(table)), np.asarray(codes)]
    return float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean())


def at_temperature(probabilities: Any, temperature: float) -> Floats:
    """Return the probabilities whose logits are multiplied by a temperature, float64 (n, C).

    Undoes a calibration that divided them by it, up to rounding.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"a temperature must be above 0, got {temperature}")
    table = np.asarray(probabilities, dtype=np.float64)
    logits = temperature * np.log(np.maximum(table, np.finfo(np.float32).tiny))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def risk_coverage(correct: Any, confidence: Any) -> tuple[Floats, Floats, Floats]:
    """Return coverage, risk and threshold where only the surest examples are kept.

    Each is float64 (n_distinct_confidences,), coverage ascending to 1; risk is the share wrong of
    the examples kept, those whose confidence is at least the threshold (El-Yaniv and Wiener, JMLR
    2010). Errors are those of `reliability_bins`.
    """
    right, sure = _checked(correct, confidence)
    order = np.argsort(-sure, kind="stable")
    ordered = sure[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    wrong = np.cumsum(~right[order])[ends]
    return (ends + 1) / len(sure), wrong / (ends + 1), ordered[ends]


def _checked(correct: Any, confidence: Any) -> tuple[Array, Floats]:
    right, sure = np.asarray(correct, dtype=bool), np.asarray(confidence, dtype=np.float64)
    if right.ndim != 1 or right.shape != sure.shape:
        raise ValueError(
            f"correct and confidence must have one row an example, got shapes {right.shape} and "
            f"{sure.shape}"
        )
    if not right.size:
        raise ValueError("there is no example to rate")
    off = ~((sure >= 0) & (sure <= 1 + 1e-6))
    if off.any():
        raise ValueError(f"confidence[{int(np.argmax(off))}] is {sure[off][0]}: no probability")
    return right, sure
