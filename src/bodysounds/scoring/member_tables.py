"""What the members of an ensemble predicted, side by side: rows by segment, columns by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.types import Table

PREFIX = "p_"

Float64s = npt.NDArray[np.float64]


def classes_of(table: Table) -> list[str]:
    """Return the classes that a table of predictions has p_ columns of, sorted."""
    return sorted(str(c).removeprefix(PREFIX) for c in table if str(c).startswith(PREFIX))


def beside(
    tables: Mapping[str, Table], examples: Table, classes: Sequence[str]
) -> tuple[Table, dict[str, Float64s]]:
    """Return the examples that were predicted, by segment_id, and each member's log-probabilities.

    Parameters
    ----------
    tables : {member: Table}
        segment_id, label and p_<class> for each class; rows and columns in any order.
    examples : Table
        segment_id and label at least.
    classes : sequence of str

    Returns
    -------
    rows : Table
        The examples' rows of the segments that were predicted.
    members : {member: float64 (n, C)}
        In the order of `rows` and of `classes`; a probability of 0 is -inf.

    Raises ValueError for no rows, a segment that is predicted twice, or by one member and not by
    another, that is no example or has another label there, a class without its column, and
    probabilities that are NaN, outside [0, 1] or do not add up to 1.
    """
    found, wanted = {}, None
    for name, table in tables.items():
        if not len(table):
            raise ValueError(f"member {name!r} predicted nothing")
        missing = [one for one in classes if f"{PREFIX}{one}" not in table]
        if missing or len(classes_of(table)) != len(classes):
            have = ", ".join(classes_of(table)) or "no class"
            raise ValueError(
                f"member {name!r} gives probabilities of {have}, and the ensemble is of "
                f"{', '.join(classes)}: train the members on one split"
            )
        rows = table.set_index("segment_id")
        if not rows.index.is_unique:
            twice = rows.index[rows.index.duplicated()][0]
            raise ValueError(f"member {name!r} predicted segment {twice!r} twice")
        rows = rows.sort_index()
        if wanted is None:
            wanted = rows["label"]
        _check_same(name, rows["label"], wanted)
        found[name] = _logarithms(name, rows[[f"{PREFIX}{one}" for one in classes]])
    if wanted is None:
        raise ValueError("an ensemble has one member at least")
    told = examples.set_index("segment_id")
    unknown = wanted.index.difference(told.index)
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} predicted segments are no examples, such as {unknown[0]!r}: "
            "train the members and combine them on one split"
        )
    own = told.loc[wanted.index]
    _check_same("examples", own["label"], wanted)
    return own.reset_index(), found


def out_of_fold(tables: Sequence[Table], name: str, examples: Table) -> Table:
    """Return the out-of-fold predictions of one member as one table.

    Raises ValueError where a segment is not of train, or was predicted in another fold than
    examples deal it to: a member that was trained on it would have predicted it.
    """
    whole = pd.concat(tables, ignore_index=True)
    told = examples.set_index("segment_id").reindex(whole["segment_id"])
    wrong = (told["subset"] != "train").to_numpy() | (
        told["fold"].to_numpy() != whole["fold"].to_numpy()
    )
    if wrong.any():
        row = whole.loc[wrong].iloc[0]
        raise ValueError(
            f"member {name!r} predicted segment {row['segment_id']!r} in fold {row['fold']}, which "
            "is not the fold of train that examples deal it to: train the folds on this split"
        )
    return whole


def _check_same(name: str, labels: pd.Series[str], wanted: pd.Series[str]) -> None:
    apart = labels.index.symmetric_difference(wanted.index)
    if len(apart):
        raise ValueError(
            f"the members did not predict the same segments: {len(apart)} are missing somewhere, "
            f"such as {apart[0]!r} (member {name!r})"
        )
    other = (labels != wanted).to_numpy()
    if other.any():
        at = int(np.argmax(other))
        raise ValueError(
            f"segment {labels.index[at]!r} has the label {labels.iloc[at]!r} in {name} and "
            f"{wanted.iloc[at]!r} elsewhere: train the members and combine them on one split"
        )


def _logarithms(name: str, rows: Table) -> Float64s:
    table = rows.to_numpy(np.float64)
    wrong = ~((table >= 0) & (table <= 1 + 1e-6)).all(axis=1) | ~(
        np.abs(table.sum(axis=1) - 1) < 1e-3
    )
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"member {name!r} gives segment {rows.index[at]!r} the probabilities "
            f"{table[at].tolist()}: they are numbers from 0 that add up to 1"
        )
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.minimum(table, 1.0)))
