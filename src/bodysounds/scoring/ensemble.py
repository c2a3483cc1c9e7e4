"""Several classifiers as one: how their probabilities are put together.

Each function takes log-probabilities (n, C) of the members, calibrated (`scoring.temperature`), in
one order of the classes, and returns log-probabilities (n, C). A *rule* holds what was fitted, as
plain JSON: `scoring.rule` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bodysounds.scoring.temperature import tempered
from bodysounds.types import Floats, Metrics

COMBINATIONS = ("average", "weighted", "vote", "meta")
FEATURE_FLOOR = float(np.log(1e-6))
"""The meta-classifier reads no lower log-probability, so that no single one decides."""

Float64s = npt.NDArray[np.float64]


def average(tables: Sequence[Floats]) -> Float64s:
    """Return the logarithm of the members' mean probability."""
    return _log(np.exp(_stack(tables)).mean(axis=0))


def weighted_average(tables: Sequence[Floats], weights: Sequence[float]) -> Float64s:
    """Return the logarithm of the members' weighted mean probability.

    Raises ValueError unless the weights are from 0 and add up to 1, one a member.
    """
    stack, shares = _stack(tables), np.asarray(weights, dtype=np.float64)
    fine = shares.shape == (len(stack),) and (shares >= 0).all() and abs(shares.sum() - 1) < 1e-6
    if not fine:
        raise ValueError(
            f"{len(stack)} members take as many weights, from 0 and adding up to 1, got {weights}"
        )
    return _log(np.tensordot(shares, np.exp(stack), axes=1))


def vote(tables: Sequence[Floats]) -> Float64s:
    """Return the logarithm of (votes + mean probability) / (members + 1).

    Each member has one vote, for its most probable class. The class with most votes is the most
    probable; of several with as many, the one of the higher mean probability, and of those, where
    even that is equal, the first. Two members that disagree are such a tie.
    """
    stack = _stack(tables)
    chosen = stack.argmax(axis=2)
    votes = (chosen[:, :, None] == np.arange(stack.shape[2])).sum(axis=0)
    return _log((votes + np.exp(stack).mean(axis=0)) / (len(stack) + 1))


def meta_features(tables: Sequence[Floats]) -> Float64s:
    """Return what the meta-classifier reads, (n, members * C): log-probabilities, member by member.

    Lower ones count as log(1e-6).
    """
    stack = np.maximum(_stack(tables), FEATURE_FLOOR)
    return np.concatenate(list(stack), axis=1)


def meta(
    tables: Mapping[str, Floats], coefficients: Mapping[str, Metrics], labels: Sequence[str]
) -> Float64s:
    """Return the log-probabilities of the meta-classifier.

    Parameters
    ----------
    tables : {member: (n, C)}
    coefficients : {label: {"intercept": number, member: {label: number}}}
        As `scoring.stacking.fit_meta` returns them.
    labels : sequence of str
        The columns of the tables, and of what is returned.
    """
    features = meta_features(list(tables.values()))
    weights = [
        [coefficients[label][member][own] for member in tables for own in labels]
        for label in labels
    ]
    intercepts = [coefficients[label]["intercept"] for label in labels]
    return tempered(features @ np.asarray(weights).T + np.asarray(intercepts), 1.0)


def calibrated(rule: Metrics, members: Mapping[str, Floats]) -> dict[str, Float64s]:
    """Return each member's log-probabilities at its temperature, in the order of the rule.

    Raises ValueError for a member that is missing, one too many, other numbers of rows or classes,
    and NaN.
    """
    check_members(rule, members)
    wanted = (len(next(iter(members.values()))), len(rule["labels"]))
    for name, table in members.items():
        if np.shape(table) != wanted:
            raise ValueError(
                f"member {name!r} gives probabilities of shape {np.shape(table)}, and {wanted} is "
                "wanted: a row an example and a column a class"
            )
    return {name: tempered(members[name], rule["temperatures"][name]) for name in rule["members"]}


def all_systems(rule: Metrics, members: Mapping[str, Floats]) -> dict[str, Float64s]:
    """Return the log-probabilities (n, C) of each member and each combination, by name.

    `members` are as they were predicted, uncalibrated, columns by `rule["labels"]`; errors as
    `calibrated`.
    """
    own = calibrated(rule, members)
    tables = list(own.values())
    return {
        **own,
        "average": average(tables),
        "weighted": weighted_average(tables, [rule["weights"][name] for name in own]),
        "vote": vote(tables),
        "meta": meta(own, rule["meta"], rule["labels"]),
    }


def combine(rule: Metrics, members: Mapping[str, Floats]) -> Float64s:
    """Return the log-probabilities (n, C) of the system that the rule chose; see `all_systems`."""
    found: Float64s = all_systems(rule, members)[rule["chosen"]]
    return found


def abstained(rule: Metrics, log_probabilities: Floats) -> npt.NDArray[np.bool_]:
    """Return where no class is probable enough to be named, bool (n,)."""
    highest = np.exp(np.asarray(log_probabilities, dtype=np.float64).max(axis=1))
    return np.asarray(highest < rule["abstain"]["threshold"])


def check_members(rule: Metrics, members: Mapping[str, object]) -> None:
    """Raise ValueError unless the members are those of the rule."""
    missing = [name for name in rule["members"] if name not in members]
    more = [name for name in members if name not in rule["members"]]
    if missing or more:
        wrong = f"{missing[0]!r} is missing" if missing else f"{more[0]!r} is none of them"
        raise ValueError(f"the ensemble is of {', '.join(rule['members'])}, and {wrong}")


def _stack(tables: Sequence[Floats]) -> Float64s:
    if not len(tables):
        raise ValueError("an ensemble has one member at least")
    shapes = {np.shape(table) for table in tables}
    if len(shapes) > 1:
        raise ValueError(f"members must give tables of one shape, got {sorted(shapes)}")
    stack = np.stack([np.asarray(table, dtype=np.float64) for table in tables])
    if np.isnan(stack).any():
        member, row, column = np.argwhere(np.isnan(stack))[0]
        raise ValueError(f"member {member}: log_probabilities[{row}, {column}] is NaN")
    return stack


def _log(probabilities: Float64s) -> Float64s:
    return np.asarray(np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)))
