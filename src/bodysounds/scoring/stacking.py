"""What an ensemble learns: from out-of-fold predictions only, which no member was trained on.

A member is surer of what it was trained on than of anything else. Weights or a meta-classifier
fitted on such predictions would trust whoever learnt by heart best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bodysounds.metrics.classification import class_codes
from bodysounds.scoring.ensemble import all_systems, meta_features
from bodysounds.scoring.temperature import fit_temperature, tempered
from bodysounds.types import Array, Floats, Ints, Metrics

ROUNDS = 500

Float64s = npt.NDArray[np.float64]


def fit_weights(labels: Array, tables: Sequence[Floats], classes: Sequence[str]) -> list[float]:
    """Return the weights, from 0 and adding up to 1, of the least log loss of the weighted mean.

    By expectation maximisation from equal weights (500 rounds); the loss has one minimum. Members
    that are equal get equal weights. `tables` are log-probabilities (n, C), one a member.
    """
    own = class_codes("labels", np.asarray(labels, dtype=object), classes)
    said = np.stack([np.exp(np.asarray(table)[np.arange(len(own)), own]) for table in tables])
    said = np.maximum(said, np.finfo(np.float64).tiny)
    weights = np.full(len(said), 1 / len(said))
    for _ in range(ROUNDS):
        shares = weights[:, None] * said
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return [float(weight) for weight in weights / weights.sum()]


def fit_meta(
    labels: Array, tables: Mapping[str, Floats], classes: Sequence[str], c: float
) -> dict[str, Metrics]:
    """Return the coefficients of the meta-classifier: multinomial logistic regression.

    It reads the members' log-probabilities (stacked generalisation; Wolpert, Neural Networks 1992).
    Its coefficients are drawn by a quadratic penalty to those of the mean log-probability, not to
    0: with no evidence it is that mean, and it takes much to turn a member's word around. `c` is
    the inverse of the penalty's strength, a normal prior's variance. {label: {"intercept": number,
    member: {label: number}}}, as `scoring.ensemble.meta` reads them. Raises ValueError where a
    class has no example.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    own = class_codes("labels", np.asarray(labels, dtype=object), classes)
    missing = [name for k, name in enumerate(classes) if k not in set(own.tolist())]
    if missing:
        raise ValueError(
            f"no out-of-fold prediction is of the class {missing[0]!r}, and the meta-classifier "
            "needs some of each: give the class more sources"
        )
    features, n = meta_features(list(tables.values())), len(classes)
    truth, mean = np.eye(n)[own], np.vstack([np.eye(n) / len(tables)] * len(tables))

    def loss(flat: Float64s) -> tuple[float, Float64s]:
        away, intercept = flat[:-n].reshape(mean.shape), flat[-n:]
        said = tempered(features @ (mean + away) + intercept, 1.0)
        error = np.exp(said) - truth
        slope = np.append((features.T @ error + away / c).ravel(), error.sum(axis=0))
        return float(-(said * truth).sum() + (away**2).sum() / (2 * c)), slope

    options = {"maxiter": 5_000, "maxfun": 10_000, "ftol": 1e-14, "gtol": 1e-7}
    with threadpool_limits(1, user_api="blas"):
        start = np.zeros(mean.size + n)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    weights, intercepts = mean + found[:-n].reshape(mean.shape), found[-n:]
    parts = np.split(weights, len(tables))
    return {
        label: {"intercept": float(intercepts[k])}
        | {
            name: dict(zip(classes, map(float, part[:, k]), strict=True))
            for name, part in zip(tables, parts, strict=True)
        }
        for k, label in enumerate(classes)
    }


def fit_combinations(
    labels: Array, members: Mapping[str, Floats], classes: Sequence[str], meta_c: float
) -> Metrics:
    """Return {labels, members, temperatures, weights, meta}, fitted on out-of-fold predictions.

    `members` are log-probabilities (n, C), uncalibrated, columns by `classes`. The order of the
    rows does not matter but for rounding.
    """
    temperatures = {
        name: fit_temperature(labels, table, classes) for name, table in members.items()
    }
    own = {name: tempered(table, temperatures[name]) for name, table in members.items()}
    weights = fit_weights(labels, list(own.values()), classes)
    return {
        "labels": list(classes),
        "members": list(members),
        "temperatures": temperatures,
        "weights": dict(zip(own, weights, strict=True)),
        "meta": fit_meta(labels, own, classes, meta_c),
    }


def cross_fitted(
    labels: Array,
    members: Mapping[str, Floats],
    folds: Ints,
    classes: Sequence[str],
    meta_c: float,
) -> dict[str, Float64s]:
    """Return each system's log-probabilities (n, C) of each fold, fitted on the other folds.

    So that what was fitted has a figure of its own; see `fit_combinations`. What is left of
    flattery: the members that predicted the other folds were trained on this one, and what chance
    made alike between two folds, either tells of the other. A meta-classifier with little penalty
    gains 4 points by that on 90 sources with shuffled labels; near its mean it gains none.
    Raises ValueError for fewer than two folds.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise ValueError(f"cross-fitting takes two folds at least, got {numbers.tolist()}")
    found: dict[str, Float64s] = {}
    for number in numbers:
        out = np.asarray(folds == number)
        fitted = fit_combinations(
            np.asarray(labels)[~out], {n: t[~out] for n, t in members.items()}, classes, meta_c
        )
        told = all_systems(fitted, {n: t[out] for n, t in members.items()})
        for name, table in told.items():
            whole = found.setdefault(name, np.zeros((len(folds), len(classes))))
            whole[out] = table
    return found
