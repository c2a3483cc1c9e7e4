"""The groups that labelled pairs fall into: who is heard, and how it was recorded."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pandas as pd

from bodysounds.reporting.trial_table import Selection
from bodysounds.types import Array, Floats, Table

Groups: TypeAlias = "dict[str, Array] | str"
"""Mask (n_pairs,) of each group, or the reason why there are none."""

MOST_GROUPS = 8
UNKNOWN = "unknown of every side"
HOUR, DAY = 3600.0, 86_400.0
GAPS = {
    "under an hour": (0.0, HOUR),
    "an hour to a day": (HOUR, DAY),
    "a day to a week": (DAY, 7 * DAY),
    "over a week": (7 * DAY, np.inf),
}
SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, np.inf)
SECONDS_APART = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, np.inf)
DBFS = (-np.inf, -50.0, -40.0, -30.0, -20.0, np.inf)


def pair_groups(chosen: Selection, facts: Table, conditions: Array) -> dict[str, Groups]:
    """Return the groups of every dimension, or why a dimension has none.

    A pair belongs to a sex or an age where both its sides do; to a duration by its shorter
    side and to a level by its quieter one. Non-targets of one sex and of two are each set against
    all targets. `facts` is a row a side (index side_id), as `side_facts` gives; `conditions`
    (n_pairs,) is that column of the trials.
    """
    facts = facts.drop(columns="recordings", errors="ignore")  # lists, of no use to each trial
    enrol = facts.reindex(chosen.enrol_id)
    test = facts.reindex(chosen.test_id)
    ages = _age_groups(facts["age"], enrol["age"], test["age"])
    found: dict[str, Groups] = {
        "sex": _shared(enrol["sex"], test["sex"]),
        "nontarget_sex": _nontarget_sexes(chosen.labels, enrol["sex"], test["sex"]),
        "age": ages if isinstance(ages, str) else _shared(*ages),
        "domain": _domains(enrol["domain"], test["domain"]),
        "session_gap": _gaps(chosen.labels, enrol, test, conditions),
        "duration": _binned(_lower(enrol["duration_s"], test["duration_s"]), SECONDS, "s"),
        "duration_difference": _binned(
            np.abs(enrol["duration_s"].to_numpy(float) - test["duration_s"].to_numpy(float)),
            SECONDS_APART,
            "s",
        ),
        "level": _levels(enrol, test),
    }
    return {name: _told(groups) for name, groups in found.items()}


def _told(groups: Groups) -> Groups:
    if isinstance(groups, str):
        return groups
    held = {name: mask for name, mask in groups.items() if mask.any()}
    if not held:
        return "no pair is of any group"
    if len(held) == 1:
        return f"constant: every pair with a value is of one group, {next(iter(held))}"
    return held


def _shared(enrol: pd.Series[str], test: pd.Series[str], order: tuple[str, ...] = ()) -> Groups:
    """Group pairs whose sides share a value, the values with most pairs only, in their order."""
    first, second = enrol.to_numpy(object), test.to_numpy(object)
    same = (first == second) & ~pd.isna(first)
    if pd.isna(first).all() and pd.isna(second).all():
        return UNKNOWN
    if not same.any():
        return "no pair has one value on both sides"
    names, counts = np.unique(first[same].astype(str), return_counts=True)
    kept = names[np.argsort(-counts, kind="stable")[:MOST_GROUPS]]
    return {str(name): same & (first == name) for name in sorted(kept, key=_place(order))}


def _place(order: tuple[str, ...]) -> Callable[[str], tuple[float, str]]:
    """Return a key that sorts names as in `order`, numbers by value, other names by spelling."""

    def key(name: str) -> tuple[float, str]:
        if name in order:
            return float(order.index(name)), ""
        try:
            return float(name), ""
        except ValueError:
            return np.inf, name

    return key


def _age_groups(
    ages: pd.Series[str], enrol: pd.Series[str], test: pd.Series[str]
) -> tuple[pd.Series[str], pd.Series[str], tuple[str, ...]] | str:
    """Return the ages of both sides as they are or, where they are many numbers, as thirds.

    Last the order of the thirds.
    """
    named = enrol.index.unique().union(test.index.unique())  # far fewer than the trials
    among = ages[ages.index.isin(named)].dropna()
    if among.empty:
        return UNKNOWN
    numbers = pd.to_numeric(among, errors="coerce")
    if among.nunique() <= MOST_GROUPS or numbers.isna().any():
        return enrol, test, ()
    low, high = np.quantile(numbers, [1 / 3, 2 / 3], method="inverted_cdf")
    names = (f"up to {low:g}", f"over {low:g}, to {high:g}", f"over {high:g}")

    def third(column: pd.Series[str]) -> pd.Series[str]:
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        found = np.asarray(names, dtype=object)[(values > low).astype(int) + (values > high)]
        return pd.Series(np.where(np.isnan(values), None, found), column.index, dtype=object)

    return third(enrol), third(test), names


def _domains(enrol: pd.Series[str], test: pd.Series[str]) -> Groups:
    known = (enrol.notna().to_numpy(bool)) & (test.notna().to_numpy(bool))
    if not known.any():
        return UNKNOWN
    same = enrol.to_numpy(object) == test.to_numpy(object)
    return {"same": known & same, "across": known & ~same}


def _gaps(target: Array, enrol: Table, test: Table, conditions: Array) -> Groups:
    """Group targets by the time between their sides; all non-targets stand against each group."""
    apart = np.abs(enrol["recorded_at"].to_numpy(float) - test["recorded_at"].to_numpy(float))
    if np.isfinite(apart[target]).any():
        groups = {
            name: target & (apart >= low) & (apart < high) for name, (low, high) in GAPS.items()
        }
    else:
        known = [side["session_id"].notna().to_numpy(bool) for side in (enrol, test)]
        if not (known[0] & known[1])[target].any():
            return UNKNOWN
        groups = {
            "same session": target & (conditions == "same_session"),
            "different sessions": target & (conditions == "across_sessions"),
        }
    held = {name: mask for name, mask in groups.items() if mask.any()}
    return {name: mask | ~target for name, mask in held.items()}


def _nontarget_sexes(target: Array, enrol: pd.Series[str], test: pd.Series[str]) -> Groups:
    """Group non-targets by whether both sides have one sex; all targets stand against each."""
    known = (enrol.notna().to_numpy(bool)) & (test.notna().to_numpy(bool)) & ~target
    if not known.any():
        return "unknown of every non-target pair"
    same = enrol.to_numpy(object) == test.to_numpy(object)
    groups = {"same sex": known & same, "different sexes": known & ~same}
    return {name: mask | target for name, mask in groups.items() if mask.any()}


def _lower(enrol: pd.Series[float], test: pd.Series[float]) -> Floats:
    # a pair of which one side is unknown is NaN, and in no group
    lower: Floats = np.minimum(enrol.to_numpy(np.float64), test.to_numpy(np.float64))
    return lower


def _levels(enrol: Table, test: Table) -> Groups:
    if "level_dbfs" not in enrol:
        return UNKNOWN
    lower = _lower(enrol["level_dbfs"], test["level_dbfs"])
    return UNKNOWN if np.isnan(lower).all() else _binned(lower, DBFS, "dBFS")


def _binned(values: Floats, edges: tuple[float, ...], unit: str) -> Groups:
    return {
        _bin_name(low, high, unit): (values >= low) & (values < high)
        for low, high in itertools.pairwise(edges)
    }


def _bin_name(low: float, high: float, unit: str) -> str:
    if np.isinf(low):
        return f"under {high:g} {unit}"
    return f"over {low:g} {unit}" if np.isinf(high) else f"{low:g} to {high:g} {unit}"
