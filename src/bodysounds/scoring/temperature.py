"""Temperature: how sure a classifier may be, and how far its confidence is to be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bodysounds.metrics.classification import check_probabilities, class_codes
from bodysounds.metrics.reliability import expected_calibration_error
from bodysounds.types import Array, Floats, Metrics

LOWEST, HIGHEST = 0.2, 20.0
"""Temperatures stay between these: predictions without one error would ask for 0."""
FLOOR = float(np.log(1e-30))
"""Lower log-probabilities count as this: in float32 they may have become zeros."""

Float64s = npt.NDArray[np.float64]


def tempered(log_probabilities: Floats, temperature: float) -> Float64s:
    """Return log-probabilities divided by a temperature and normalised again, float64 (n, C).

    Above 1 they get less sure, below 1 surer; the order of the classes stays. Raises ValueError for
    NaN and for a temperature that is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, got {temperature!r}")
    table = np.asarray(log_probabilities, dtype=np.float64)
    if np.isnan(table).any():
        row, column = np.argwhere(np.isnan(table))[0]
        raise ValueError(f"log_probabilities[{row}, {column}] is NaN")
    return _normalised(np.maximum(table, FLOOR) / temperature)


def fit_temperature(labels: Array, log_probabilities: Floats, classes: Sequence[str]) -> float:
    """Return the temperature of the least mean negative log-likelihood, within [0.2, 20].

    Guo et al., arXiv:1706.04599. To be fitted on predictions of examples that training did not
    hear. The loss is convex in 1 / temperature, so halving an interval finds its minimum. Raises
    ValueError as `mean_log_loss`.
    """
    table, own = _checked(labels, log_probabilities, classes)
    true = table[np.arange(len(own)), own].mean()

    def slope(inverse: float) -> float:
        expected = (np.exp(_normalised(table * inverse)) * table).sum(axis=1)
        return float(expected.mean() - true)

    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        return HIGHEST
    if slope(high) <= 0:
        return LOWEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 2 / (low + high)


def mean_log_loss(labels: Array, log_probabilities: Floats, classes: Sequence[str]) -> float:
    """Return the mean negative log-probability of the labels (nats), at least 0.

    Parameters
    ----------
    labels : array of str, shape (n,)
    log_probabilities : float array of shape (n, n_classes)
        Column j is `classes[j]`.

    Raises ValueError for NaN, another shape, no examples, and labels that are no class.
    """
    table, own = _checked(labels, log_probabilities, classes)
    return float(-table[np.arange(len(own)), own].mean())


def brier_score(labels: Array, log_probabilities: Floats, classes: Sequence[str]) -> float:
    """Return the mean squared distance to the labels, summed over classes, in [0, 2].

    Brier, Monthly Weather Review 1950. Errors as `mean_log_loss`.
    """
    table, own = _checked(labels, log_probabilities, classes)
    distance = np.exp(table) - np.eye(len(classes))[own]
    return float((distance**2).sum(axis=1).mean())


def calibration_figures(
    labels: Array, log_probabilities: Floats, classes: Sequence[str], n_bins: int = 10
) -> Metrics:
    """Return {log_loss, brier, ece} of predictions; errors as `mean_log_loss`.

    ece is the mean gap between confidence and accuracy, `metrics.reliability`.
    """
    table, own = _checked(labels, log_probabilities, classes)
    right, sure = table.argmax(axis=1) == own, np.exp(table.max(axis=1))
    return {
        "log_loss": mean_log_loss(labels, log_probabilities, classes),
        "brier": brier_score(labels, log_probabilities, classes),
        "ece": expected_calibration_error(right, np.minimum(sure, 1.0), n_bins),
    }


def _checked(
    labels: Array, log_probabilities: Floats, classes: Sequence[str]
) -> tuple[Float64s, npt.NDArray[np.integer]]:
    names = np.asarray(labels, dtype=object)
    if not len(names):
        raise ValueError("there are no examples to calibrate on")
    table = check_probabilities(names, log_probabilities, classes).astype(np.float64)
    return _normalised(np.maximum(table, FLOOR)), class_codes("labels", names, classes)


def _normalised(table: Float64s) -> Float64s:
    shifted = table - table.max(axis=1, keepdims=True)
    found: Float64s = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
