"""Checked arrays: what every metric accepts, and the sentence it gives for what it doesn't."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bodysounds.types import Array, Floats, Ints


def _vector(name: str, values: Any) -> Array:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} is empty: there is no trial to rate")
    return array


def _finite(name: str, values: Any) -> Floats:
    """Return float64 values, the caller's own array where it is float64 already."""
    array = _vector(name, values)
    if array.dtype.kind in "biuf":
        array = array.astype(np.float64, copy=False)
        if np.isfinite(array).all():
            return array
    missing = np.flatnonzero(pd.isna(array))
    if missing.size:
        raise ValueError(f"{name}[{missing[0]}] is NaN: every trial needs a number")
    try:
        array = array.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be numbers, got {array.dtype} such as '{array[0]}'"
        ) from None
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] is {array[bad[0]]}: every trial needs a finite number")
    return array


def same_length(**arrays: Any) -> None:
    """Raise ValueError, naming all lengths, unless the arrays are equally long."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"a trial has one value in each array, but {told}")


def check_labels(labels: Any) -> Array:
    """Return `labels` (1 or True: target) as a boolean array of shape (n_trials,)."""
    array = _vector("labels", labels)
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iu":
        array = _finite("labels", array)
    target: Array = array == 1
    if np.count_nonzero(target) + np.count_nonzero(array == 0) < len(array):
        other = int(np.argmax((array != 0) & ~target))
        raise ValueError(f"labels[{other}] is {array[other]:g}: a label is 1 or 0")
    return target


def check_scores(
    labels: Any, scores: Any, weights: Any = None
) -> tuple[Array, Floats, Floats | None]:
    """Return boolean labels, float64 scores and float64 weights or None, each (n_trials,).

    The arrays may be the caller's own: don't write into them. Raises ValueError, naming the value,
    for NaN, infinities, labels other than 0 and 1, negative weights, empty input, unequal lengths.
    """
    target, checked = check_labels(labels), _finite("scores", scores)
    weight = None if weights is None else _finite("weights", weights)
    same_length(labels=target, scores=checked, weights=weight)
    if weight is not None and (weight < 0).any():
        raise ValueError(f"weights[{int(np.argmax(weight < 0))}] is {weight.min():g}, below 0")
    return target, checked, weight


def check_trials(
    labels: Any, scores: Any, weights: Any = None, *, both_classes: bool = True
) -> tuple[Array, Floats, Floats]:
    """Return what `check_scores` does, with a weight of 1 for each trial where none is given.

    Raises ValueError as `check_scores` does, and with `both_classes` for a class without weight.
    """
    target, checked, weight = check_scores(labels, scores, weights)
    weight = np.ones(len(target)) if weight is None else weight
    if both_classes:
        require_both_classes(target, weight)
    return target, checked, weight


def require_both_classes(target: Array, weight: Floats | None = None) -> None:
    """Raise ValueError where no target or no non-target has a weight above 0."""
    for name, mask in (("target", target), ("non-target", ~target)):
        if not (mask if weight is None else weight[mask]).any():
            raise ValueError(
                f"there is no {name} pair among {len(target):,} trials (with a weight above 0): "
                "error rates need pairs of the same subject and pairs of different ones"
            )


def subject_codes(enrol_subjects: Any, test_subjects: Any, target: Array) -> tuple[Ints, Ints, int]:
    """Number the subjects by name; names that a target pair joins are one subject.

    Parameters
    ----------
    enrol_subjects, test_subjects : array-like of shape (n_trials,)
        The name of the subject on each side of each trial.
    target : bool array of shape (n_trials,)

    Returns
    -------
    enrol, test : int64 arrays of shape (n_trials,), values in [0, n_subjects)
    n_subjects : int

    Raises ValueError for a missing name and for a non-target pair within one subject.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    enrol, test = _vector("enrol_subjects", enrol_subjects), _vector("test_subjects", test_subjects)
    same_length(labels=target, enrol_subjects=enrol, test_subjects=test)
    names = np.concatenate([enrol.astype(object), test.astype(object)])
    codes, uniques = pd.factorize(names, sort=True)
    if (codes < 0).any():
        trial = int(np.argmax(codes < 0)) % len(enrol)
        raise ValueError(f"trial {trial} has a side without a subject: give every side a name")
    first, second = codes[: len(enrol)], codes[len(enrol) :]
    n_subjects = len(uniques)
    apart = target & (first != second)
    if apart.any():
        edges = coo_array(
            (np.ones(apart.sum()), (first[apart], second[apart])), shape=(n_subjects, n_subjects)
        )
        n_subjects, merged = connected_components(edges, directed=False)
        first, second = merged[first].astype(np.int64), merged[second].astype(np.int64)
    wrong = np.flatnonzero(~target & (first == second))
    if wrong.size:
        trial = int(wrong[0])
        raise ValueError(
            f"trial {trial} is labelled non-target, but its sides '{enrol[trial]}' and "
            f"'{test[trial]}' are one subject: correct its label or its subjects"
        )
    return first, second, int(n_subjects)
