"""Several systems as one, by the logistic regression of calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.scoring.calibration import Calibration, cross_fitted_llrs, fit_calibration


def fuse(
    scores: Mapping[str, Any],
    labels: Any,
    subsets: Any,
    weights: Any = None,
    non_negative: bool = False,
) -> Calibration:
    """Return the logistic fusion of several systems, learnt on dev.

    Parameters
    ----------
    scores : mapping of str to array-like of shape (n_trials,)
        By system, for instance by encoder.
    labels, subsets, weights
        As for `fit_calibration`.
    non_negative : bool
        Hold at 0 the systems that would weigh less.

    Returns
    -------
    fusion : Calibration
        Its features are the systems in the order of `scores`; `llrs(stack(scores))` applies it.

    Raises ValueError as `fit_calibration` does, for a trial of test among others.
    """
    features = stack(scores)
    rising = range(features.shape[1]) if non_negative else ()
    return fit_calibration(features, labels, subsets, weights, tuple(scores), rising)


def cross_fitted_fusion(
    scores: Mapping[str, Any],
    labels: Any,
    subsets: Any,
    enrol_subjects: Any,
    test_subjects: Any,
    n_folds: int = 5,
    seed: int = 0,
    weights: Any = None,
    non_negative: bool = False,
) -> npt.NDArray[np.float64]:
    """Return the fused llr of each dev trial by a fusion that saw neither of its subjects.

    Arguments are those of `fuse` and `cross_fitted_llrs`, result and errors those of the latter.
    """
    features = stack(scores)
    rising = range(features.shape[1]) if non_negative else ()
    return cross_fitted_llrs(
        features, labels, subsets, enrol_subjects, test_subjects, n_folds, seed, weights, rising
    )


def stack(scores: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Return the scores of systems as columns, float64 (n_trials, n_systems).

    Raises ValueError for no system, and unequal lengths.
    """
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    if not columns:
        raise ValueError("there is no system to fuse: give the scores of at least one")
    if len({values.shape for values in columns.values()}) > 1:
        told = ", ".join(f"{name} has {values.shape}" for name, values in columns.items())
        raise ValueError(f"every system scores every trial, but {told}")
    return np.stack(list(columns.values()), axis=-1)
