"""Scores as log-likelihood ratios, by a logistic regression that dev learns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.metrics.arrays import check_trials, require_both_classes, subject_codes
from bodysounds.scoring.logistic import PRIOR, fit_logistic
from bodysounds.types import Ints

log = logging.getLogger(__name__)

LEAST_SUBJECTS = 4

Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A fitted logistic regression: llr = features @ coefficients + intercept."""

    names: tuple[str, ...]
    """Of the features, in their order."""
    coefficients: tuple[float, ...]
    """Nats per unit of each feature."""
    intercept: float
    """Nats."""
    prior: float
    """Of a target, as the fit weighed the classes; the llr itself holds for any prior."""
    held_at_zero: tuple[str, ...] = ()
    """Features that should rise and fell where it was learnt: they count for nothing."""

    def llrs(self, features: Any) -> Float64s:
        """Return the log-likelihood ratios (nats), float64 (n,), of features (n, n_names).

        Raises ValueError for NaN and infinities, and another number of features.
        """
        table = _features(features)
        if table.shape[1] != len(self.names):
            raise ValueError(
                f"the calibration has learnt {', '.join(self.names)}, got {table.shape[1]} features"
            )
        llrs: Float64s = table @ np.asarray(self.coefficients) + self.intercept
        return llrs

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and names, for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """Return the calibration that `to_dict` wrote."""
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**plain)


def trial_features(
    scores: Any, enrol_s: Any = None, test_s: Any = None
) -> tuple[Float64s, tuple[str, ...]]:
    """Return what a calibration reads of each trial.

    Parameters
    ----------
    scores : array-like of shape (n_trials,)
    enrol_s, test_s : array-like of shape (n_trials,), optional
        Seconds of each side, above 0; both or none.

    Returns
    -------
    features : float64 array of shape (n_trials, 1 or 3)
    names : tuple of str
        `score`, and with durations `log_shorter_s` (natural logarithm of the shorter side) and
        `abs_log_ratio` (of the sides' durations).

    Raises ValueError for NaN and infinities, unequal lengths, one of the durations alone, and
    durations that are not above 0.
    """
    columns = {"score": np.asarray(scores, dtype=np.float64)}
    if (enrol_s is None) != (test_s is None):
        raise ValueError("enrol_s and test_s go together: give the seconds of both sides, or none")
    if enrol_s is not None:
        first, second = (np.asarray(s, dtype=np.float64) for s in (enrol_s, test_s))
        if not first.shape == second.shape == columns["score"].shape:
            raise ValueError(
                f"a trial has one score and two durations, got shapes {columns['score'].shape}, "
                f"{first.shape} and {second.shape}"
            )
        shorter = np.minimum(first, second)
        if not (shorter > 0).all():
            trial = int(np.argmin(shorter > 0))
            raise ValueError(
                f"trial {trial} lasts {first[trial]} and {second[trial]} s: durations must be "
                "above 0; leave such trials out, or calibrate on the score alone"
            )
        columns["log_shorter_s"] = np.log(shorter)
        columns["abs_log_ratio"] = np.abs(np.log(first) - np.log(second))
    return _features(np.stack(list(columns.values()), axis=-1)), tuple(columns)


def fit_calibration(
    features: Any,
    labels: Any,
    subsets: Any,
    weights: Any = None,
    names: Sequence[str] | None = None,
    rising: Sequence[int] = (0,),
) -> Calibration:
    """Return the logistic calibration of dev trials.

    Each class weighs one half in all (a prior of 0.5), so that the output is a log-likelihood
    ratio: Brummer and du Preez 2006, "Application-independent evaluation of speaker detection".
    Coefficients are lightly held back, so that classes that are apart give finite ones.

    Parameters
    ----------
    features : array-like of shape (n_trials, n_features), or (n_trials,) for the score alone
    labels : array-like of shape (n_trials,)
        1 for a target, 0 for a non-target.
    subsets : array-like of str, shape (n_trials,)
        Of each trial; none may be `test`.
    weights : array-like of shape (n_trials,), optional
    names : sequence of str, optional
        Of the features; by default those of `trial_features`.
    rising : sequence of int
        Columns whose coefficients must not be negative, by default the first, the score. One that
        would be is held at 0, named in `held_at_zero` and in a warning of the log.

    Raises ValueError for a trial of test, NaN, infinities, one class only, other shapes and names.
    """
    table = _features(features)
    _refuse_test(subsets, len(table))
    target, _, weight = check_trials(labels, table[:, 0], weights)
    named = _names(names, table.shape[1])
    coefficients, intercept = fit_logistic(table, target, weight, rising)
    held = tuple(named[column] for column in rising if coefficients[column] <= 0)
    if held:
        log.warning(
            "%s does not rise from non-targets to targets: the calibration leaves it out",
            ", ".join(held),
        )
    return Calibration(named, tuple(coefficients.tolist()), intercept, PRIOR, held)


def cross_fitted_llrs(
    features: Any,
    labels: Any,
    subsets: Any,
    enrol_subjects: Any,
    test_subjects: Any,
    n_folds: int = 5,
    seed: int = 0,
    weights: Any = None,
    rising: Sequence[int] = (0,),
) -> Float64s:
    """Return the llr of each dev trial by a calibration that saw neither of its subjects.

    Subjects (names that a target pair joins are one) are dealt into folds. A trial within a fold is
    left to the fit of the other folds, a trial across two folds to the fit without both.

    Parameters
    ----------
    features, labels, subsets, weights, rising
        As for `fit_calibration`.
    enrol_subjects, test_subjects : array-like of shape (n_trials,)
        The name of the subject on each side.
    n_folds : int
        At least 3; fewer subjects make fewer folds.
    seed : int
        Of the dealing, which does not depend on the order of the trials.

    Returns
    -------
    llrs : float64 array of shape (n_trials,)
        Nats.

    Raises ValueError as `fit_calibration` does, for fewer than 4 subjects or 3 folds, for a
    non-target trial within one subject, and where some fit is left without a class.
    """
    if n_folds < 3:
        raise ValueError(f"n_folds must be at least 3, as a trial may span two, got {n_folds}")
    table = _features(features)
    _refuse_test(subsets, len(table))
    target, _, weight = check_trials(labels, table[:, 0], weights)
    enrol, test, n_subjects = subject_codes(enrol_subjects, test_subjects, target)
    if n_subjects < LEAST_SUBJECTS:
        raise ValueError(
            f"cross-fitting needs at least {LEAST_SUBJECTS} subjects, got {n_subjects}: give dev "
            "more subjects, or keep to the plain score"
        )
    fold_of = _deal(n_subjects, np.unique(enrol[target]), n_folds, seed)
    folds = np.sort(np.stack([fold_of[enrol], fold_of[test]], axis=1), axis=1)
    llrs = np.empty(len(table))
    for low, high in np.unique(folds, axis=0):
        told = (folds[:, 0] == low) & (folds[:, 1] == high)
        teach = ~np.isin(folds, (low, high)).any(axis=1)
        try:
            require_both_classes(target[teach], weight[teach])
        except ValueError as error:
            raise ValueError(
                f"without the subjects of folds {low} and {high}, {error}; give dev more subjects "
                "with several recordings, or take more folds"
            ) from None
        coefficients, intercept = fit_logistic(table[teach], target[teach], weight[teach], rising)
        llrs[told] = table[told] @ coefficients + intercept
    return llrs


def _deal(n_subjects: int, with_targets: Ints, n_folds: int, seed: int) -> Ints:
    """Return the fold of each subject; those with target trials, of whom there may be few, first.

    So the targets are spread as evenly as they can be.
    """
    drawn = np.random.default_rng(seed).permutation(n_subjects)
    order = drawn[np.argsort(~np.isin(drawn, with_targets), kind="stable")]
    fold_of = np.empty(n_subjects, dtype=np.int64)
    fold_of[order] = np.arange(n_subjects) % n_folds
    return fold_of


def _features(values: Any) -> Float64s:
    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.shape[1]:
        raise ValueError(f"features must have shape (n_trials, n_features), got {table.shape}")
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        trial = int(np.argmax(bad))
        raise ValueError(
            f"trial {trial} has the features {table[trial].tolist()}: every one must be finite"
        )
    return table


def _refuse_test(subsets: Any, n_trials: int) -> None:
    names = np.asarray(subsets, dtype=object)
    if names.shape != (n_trials,):
        raise ValueError(f"{n_trials} trials need as many subsets, got shape {names.shape}")
    seen = int(np.count_nonzero(names == "test"))
    if seen:
        raise ValueError(
            f"a calibration must not learn from test, and {seen:,} of {n_trials:,} trials are of "
            "it: give those of dev"
        )


def _names(names: Sequence[str] | None, n_features: int) -> tuple[str, ...]:
    usual = ("score", "log_shorter_s", "abs_log_ratio")[:n_features]
    named = usual if names is None else tuple(names)
    if len(named) != n_features:
        raise ValueError(f"{n_features} features need as many names, got {', '.join(named)}")
    return named
