"""When not to answer: a threshold on the probability of the most probable class."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from bodysounds.metrics.classification import check_probabilities, class_codes
from bodysounds.types import Array, Floats, Metrics

logger = logging.getLogger(__name__)

AIMS = ("none", "fixed", "coverage", "selective_error")


def choose_abstain(
    labels: Array, log_probabilities: Floats, classes: Sequence[str], aim: str, value: float
) -> Metrics:
    """Return {aim, value, threshold, coverage, selective_error}, the latter two where it chose.

    Parameters
    ----------
    labels, log_probabilities : arrays of shape (n,) and (n, C)
        Of dev. Examples whose highest probability is below the threshold get no answer.
    aim : str
        `none`: threshold 0. `fixed`: `value` itself. `coverage`: the highest threshold that leaves
        an answer to the share `value`. `selective_error`: the lowest threshold at which at most
        the share `value` of the answers is wrong (El-Yaniv and Wiener, JMLR 2010); where none is,
        that of the fewest wrong, with a warning.

    Equally sure examples are answered together. Where dev chose the threshold, its own figures
    flatter it. Raises ValueError for an unknown aim and as `check_probabilities`.
    """
    names = np.asarray(labels, dtype=object)
    if not len(names):
        raise ValueError("there are no examples of dev to choose when to abstain on")
    table = check_probabilities(names, log_probabilities, classes)
    right = table.argmax(axis=1) == class_codes("labels", names, classes)
    confidence = np.exp(table.astype(np.float64).max(axis=1))
    threshold = _threshold(confidence, right, aim, value)
    answered = confidence >= threshold
    wrong = float(np.mean(~right[answered])) if answered.any() else None
    return {
        "aim": aim,
        "value": value,
        "threshold": threshold,
        "coverage": float(answered.mean()),
        "selective_error": wrong,
    }


def _threshold(confidence: Floats, right: Array, aim: str, value: float) -> float:
    if aim == "none":
        return 0.0
    if aim == "fixed":
        return value
    if aim not in AIMS:
        raise ValueError(f"abstaining aims at one of {', '.join(AIMS)}, got {aim!r}")
    # at each confidence that occurs: how many are at least as sure, and how many of these wrong
    levels, place = np.unique(confidence, return_inverse=True)
    answered = np.bincount(place)[::-1].cumsum()[::-1]
    wrong = np.bincount(place, ~right)[::-1].cumsum()[::-1]
    if aim == "coverage":
        return _below(levels, int(np.flatnonzero(answered >= value * len(confidence))[-1]))
    error = wrong / answered
    fine = np.flatnonzero(error <= value)
    if not len(fine):
        fine = np.flatnonzero(error == error.min())
        logger.warning(
            "no threshold has at most %.3g of dev's answers wrong: the abstain region begins "
            "where %.3g of them are, the fewest there are", value, error.min(),
        )  # fmt: skip
    return _below(levels, int(fine[0]))


def _below(levels: Floats, k: int) -> float:
    """Return a threshold that levels[k] is not below, and the next lower level is."""
    if not k:
        return 0.0
    middle = float(levels[k - 1] + levels[k]) / 2
    # between neighbouring numbers there is none, and the middle is rounded to one of them
    return middle if middle > levels[k - 1] else float(levels[k])
