"""Rates of a classifier: one tally of labels and predictions, classes weighed as each rate says.

A class without a weighed example has no recall: balanced accuracy and macro F1 are means over the
classes that have one, whatever was predicted. Intervals: `bodysounds.metrics.groups`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.metrics.class_areas import average_precision
from bodysounds.metrics.curve import auc
from bodysounds.types import Array, Floats, Ints, Metrics


def accuracy(labels: Any, predictions: Any, weights: Any = None) -> float:
    """Return the (weighted) share of predictions that equal their label, in [0, 1].

    Raises ValueError for missing values, empty input, unequal lengths and negative weights.
    """
    return float(class_rates(*tallies(labels, predictions, weights))["accuracy"])


def balanced_accuracy(labels: Any, predictions: Any, weights: Any = None) -> float:
    """Return the mean recall of the classes that have examples; errors as `accuracy`."""
    return float(class_rates(*tallies(labels, predictions, weights))["balanced_accuracy"])


def macro_f1(labels: Any, predictions: Any, weights: Any = None) -> float:
    """Return the mean F1 of the classes that have examples; errors as `accuracy`.

    Scikit-learn's macro average also counts, as 0, classes that are predicted and have no example.
    """
    return float(class_rates(*tallies(labels, predictions, weights))["macro_f1"])


def confusion_matrix(
    labels: Any, predictions: Any, classes: Sequence[str], weights: Any = None
) -> Floats:
    """Return the weight of each pair of classes, float64 (n_classes, n_classes).

    Row i, column j: examples of `classes[i]` taken for `classes[j]`. Raises ValueError as
    `accuracy` does, and for a label or prediction that is no class.
    """
    true, guess, weight = check_predictions(labels, predictions, weights)
    row, column = class_codes("labels", true, classes), class_codes("predictions", guess, classes)
    n = len(classes)
    return _sums(row * n + column, weight, n * n).reshape(n, n)


def true_ranks(labels: Any, probabilities: Any, classes: Sequence[str]) -> Ints:
    """Return the place of each true class among the classes, int64 (n,), 1 for the most probable.

    Parameters
    ----------
    labels : array-like of str, shape (n,)
    probabilities : array-like of shape (n, n_classes)
        Or anything that rises with them; column j is `classes[j]`.

    Of equally probable classes the first listed comes first, as argmax has it. Raises ValueError as
    `confusion_matrix` does, for NaN, and for a wrong shape.
    """
    true = _names("labels", labels)
    table = check_probabilities(true, probabilities, classes)
    column = class_codes("labels", true, classes)
    own = np.take_along_axis(table, column[:, None], axis=1)
    before = (table == own) & (np.arange(len(classes)) < column[:, None])
    ranks: Ints = 1 + np.count_nonzero((table > own) | before, axis=1).astype(np.int64)
    return ranks


def top_k_accuracy(
    labels: Any, probabilities: Any, classes: Sequence[str], k: int, weights: Any = None
) -> float:
    """Return the share of examples whose class is among the `k` most probable; see `true_ranks`."""
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    ranks = true_ranks(labels, probabilities, classes)
    return float(np.average(ranks <= k, weights=_weights(weights, len(ranks))))


def per_class(
    labels: Any,
    predictions: Any,
    classes: Sequence[str],
    probabilities: Any = None,
    weights: Any = None,
) -> dict[str, Metrics]:
    """Return precision, recall, f1, auc, average_precision and n by class; undefined rates as None.

    Precision is undefined where a class is never predicted, recall and F1 where it has no example,
    the two areas, those of one class against the others, where one of them has no example and
    without `probabilities` (n, n_classes). n is the count of examples, weights aside. Errors are
    those of `confusion_matrix` and `true_ranks`.
    """
    matrix = confusion_matrix(labels, predictions, classes, weights)
    hits, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    true = class_codes("labels", _names("labels", labels), classes)
    counts = np.bincount(true, minlength=len(classes))
    table = None if probabilities is None else check_probabilities(true, probabilities, classes)
    weight = _weights(weights, len(true))
    found: dict[str, Metrics] = {}
    for k, name in enumerate(classes):
        found[name] = {
            "precision": float(hits[k] / predicted[k]) if predicted[k] > 0 else None,
            "recall": float(hits[k] / support[k]) if support[k] > 0 else None,
            "f1": float(2 * hits[k] / (support[k] + predicted[k])) if support[k] > 0 else None,
            "auc": None,
            "average_precision": None,
            "n": int(counts[k]),
        }
        if table is not None and 0 < support[k] < support.sum():
            found[name]["auc"] = auc(true == k, table[:, k], weight)
            found[name]["average_precision"] = average_precision(true == k, table[:, k], weight)
    return found


def tallies(labels: Any, predictions: Any, weights: Any = None) -> tuple[Floats, Floats, Floats]:
    """Return hits, examples and predictions of each class that occurs, float64 (n_classes,) each.

    Classes stand in alphabetical order. Raises ValueError as `accuracy` does.
    """
    true, guess, weight = check_predictions(labels, predictions, weights)
    codes, names = pd.factorize(np.concatenate([true, guess]), sort=True)
    first, second = codes[: len(true)], codes[len(true) :]
    n = len(names)
    hits = _sums(first, weight * (first == second), n)
    return hits, _sums(first, weight, n), _sums(second, weight, n)


def class_rates(hits: Floats, support: Floats, predicted: Floats) -> dict[str, Any]:
    """Return accuracy, balanced_accuracy and macro_f1 of tallies.

    Each argument is float64 (..., n_classes); the rates are floats, or arrays of the leading shape.
    """
    with_examples = support > 0
    n = with_examples.sum(axis=-1)
    recall = np.divide(hits, support, out=np.zeros_like(hits), where=with_examples)
    f1 = np.divide(2 * hits, support + predicted, out=np.zeros_like(hits), where=with_examples)
    rates = {
        "accuracy": hits.sum(axis=-1) / support.sum(axis=-1),
        "balanced_accuracy": recall.sum(axis=-1) / n,
        "macro_f1": f1.sum(axis=-1) / n,
    }
    return {name: float(rate) if np.ndim(rate) == 0 else rate for name, rate in rates.items()}


def check_predictions(
    labels: Any, predictions: Any, weights: Any = None
) -> tuple[Array, Array, Floats]:
    """Return labels and predictions as object arrays and float64 weights, each (n,).

    Raises ValueError for missing values, empty input, unequal lengths, negative weights, and where
    no weight is above 0.
    """
    true, guess = _names("labels", labels), _names("predictions", predictions)
    if len(true) != len(guess):
        raise ValueError(
            f"an example has one label and one prediction, but there are {len(true)} labels and "
            f"{len(guess)} predictions"
        )
    return true, guess, _weights(weights, len(true))


def check_probabilities(labels: Array, probabilities: Any, classes: Sequence[str]) -> Floats:
    """Return probabilities as a float array (n, n_classes); ValueError for NaN or another shape."""
    table = np.asarray(probabilities)
    if table.shape != (len(labels), len(classes)):
        raise ValueError(
            f"probabilities must have a row an example and a column a class, "
            f"({len(labels)}, {len(classes)}), got {table.shape}"
        )
    wrong = np.argwhere(np.isnan(table))
    if len(wrong):
        raise ValueError(f"probabilities[{wrong[0][0]}, {wrong[0][1]}] is NaN")
    return table


def class_codes(name: str, values: Array, classes: Sequence[str]) -> Ints:
    """Return the place of each value in `classes`; ValueError that names a value which is none."""
    index = pd.Index(np.asarray(classes, dtype=object))
    if not len(index) or not index.is_unique:
        raise ValueError(f"classes must be named once each, got {list(classes)[:5]}")
    codes: Ints = index.get_indexer(pd.Index(np.asarray(values, dtype=object)))
    if (codes < 0).any():
        at = int(np.argmax(codes < 0))
        raise ValueError(f"{name}[{at}] is {values[at]!r}, which is none of the classes")
    return codes


def _sums(codes: Ints, values: Floats, n: int) -> Floats:
    return np.bincount(codes, values, minlength=n).astype(np.float64)


def _names(name: str, values: Any) -> Array:
    array = np.asarray(values, dtype=object)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {array.shape}")
    if not len(array):
        raise ValueError(f"{name} is empty: there is no example to rate")
    missing = np.flatnonzero(pd.isna(array))
    if missing.size:
        raise ValueError(f"{name}[{missing[0]}] is missing: every example needs one")
    return array


def _weights(weights: Any, n: int) -> Floats:
    if weights is None:
        return np.ones(n)
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (n,):
        raise ValueError(f"weights must have shape ({n},), got {array.shape}")
    if not (np.isfinite(array) & (array >= 0)).all():
        at = int(np.argmax(~(np.isfinite(array) & (array >= 0))))
        raise ValueError(f"weights[{at}] is {array[at]}: a weight is a finite number from 0")
    if not array.any():
        raise ValueError("weights are all 0: there is no example to rate")
    return array
