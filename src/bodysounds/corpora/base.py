"""What a corpus is, and what its reader finds in it before any file is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.types import Table

TEXT_COLUMNS = (
    "recording_id",
    "subject_id",
    "group_id",
    "session_id",
    "path",
    "domain",
    "sex",
    "age",
    "label",
    "subset_hint",
    "codec",
)
NUMBER_COLUMNS = ("recorded_at", "order")
SIDE_COLUMNS = ("side_id", "recording_id", "order")
TRIAL_COLUMNS = ("trial_id", "enrol_id", "test_id", "target", "subset")
SEGMENT_COLUMNS = ("segment_id", "recording_id", "start_s", "end_s", "label")
SUBSETS = ("train", "dev", "test")


@dataclass(frozen=True)
class Corpus:
    """Where recordings are, and what the corpus says of them."""

    root: Path
    """Folder that every path of the manifest is relative to."""
    reader: str
    """Key of `bodysounds.corpora.registry.READERS`."""
    name: str
    """As the report calls it, such as CryCeleb2023."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Given to the reader."""
    synthetic: bool = False
    """True where nobody made these sounds; every figure of such a corpus says so."""
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True)
class Listing:
    """What a reader found, before any file is opened."""

    recordings: Table
    """The manifest's columns but duration_s, sample_rate and sha256."""
    sides: Table
    """side_id, recording_id, order: what a trial compares."""
    listed_trials: Table
    """trial_id, enrol_id, test_id, target (Int64, missing where unknown), subset."""
    segments: Table | None = None
    """segment_id, recording_id, start_s, end_s, label; None where nothing is cut."""
    submission_format: Table | None = None
    """The rows (id, score) of the challenge's sample submission, where there is one."""
    rejected: Table | None = None
    """path, reason of the recordings that cannot be used, known before any is opened."""


def text(values: Any) -> pd.Series[str]:
    """Return values as a column of strings (dtype `str`), missing ones as nan.

    Raises ValueError for a numeric column: an id read as a number has lost its leading zeros.
    """
    column = pd.Series(values)
    if pd.api.types.is_numeric_dtype(column) and not column.isna().all():
        raise ValueError(
            f"column {column.name!r} was read as numbers (such as {column.dropna().iloc[0]}), "
            "which loses leading zeros: read ids as text, pandas.read_csv(..., dtype=str)"
        )
    return column.astype("str")


def recordings_table(columns: Mapping[Any, Any], extra: Sequence[str] = ()) -> Table:
    """Return the recordings of a listing, every column present and typed.

    `columns` maps names of the manifest to values, one per recording; recording_id, subject_id and
    path are required. group_id defaults to subject_id, and to the recording where that is unknown;
    codec defaults to the file's ending. `extra` names columns of text which only this corpus has;
    they stand last, and in the manifest. Raises ValueError for a column that is missing, an id that
    was read as a number, or a repeated recording_id or path.
    """
    table = pd.DataFrame(dict(columns))
    for name in ("recording_id", "subject_id", "path"):
        if name not in table:
            raise ValueError(f"a listing of recordings needs the column {name!r}, there is none")
    for name in (*TEXT_COLUMNS, *extra):
        table[name] = text(table[name]) if name in table else pd.Series(np.nan, table.index, "str")
    for name in NUMBER_COLUMNS:
        table[name] = table[name].astype("float64") if name in table else np.nan
    table["group_id"] = table["group_id"].fillna(table["subject_id"]).fillna(table["recording_id"])
    endings = table["path"].str.rsplit(".", n=1).str[-1].str.lower()
    table["codec"] = table["codec"].fillna(endings)
    refuse_repeated(table["recording_id"], "recording_id")
    refuse_repeated(table["path"], "file_name")
    return table[[*TEXT_COLUMNS, *NUMBER_COLUMNS, *extra]].reset_index(drop=True)


def refuse_repeated(values: pd.Series[str], name: str) -> None:
    """Raise ValueError that names the values which stand in more than one row."""
    repeated = values[values.duplicated()].unique().tolist()
    if repeated:
        raise ValueError(
            f"{len(repeated)} {name} stand in more than one row of the corpus's table "
            f"({some(repeated)}): keep one row each"
        )


def one_side_each(recordings: Table) -> Table:
    """Return sides of one recording each, side_id = recording_id."""
    ids = recordings["recording_id"]
    return pd.DataFrame({"side_id": ids, "recording_id": ids, "order": recordings["order"]})


def no_trials() -> Table:
    """Return a table of listed trials without rows."""
    empty = {name: pd.Series([], dtype="str") for name in TRIAL_COLUMNS}
    return pd.DataFrame(empty).astype({"target": "Int64"})


def whole_recordings(manifest: Table) -> Table:
    """Return one segment a recording, from 0 to its duration; segment_id = recording_id."""
    return pd.DataFrame(
        {
            "segment_id": manifest["recording_id"],
            "recording_id": manifest["recording_id"],
            "start_s": 0.0,
            "end_s": manifest["duration_s"],
            "label": manifest["label"],
        }
    ).reset_index(drop=True)


def some(values: Iterable[object], n: int = 3) -> str:
    """Return the first n values as text, with the number of those left out."""
    listed = list(values)
    shown = ", ".join(str(value) for value in listed[:n])
    return shown if len(listed) <= n else f"{shown} and {len(listed) - n} more"


def unknown_ids(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Return a clause that names unknown ids and, where it fits, that they lost leading zeros."""
    missing, there = sorted(set(unknown)), set(known)
    bare = {_bare(name): name for name in there}
    for name in missing:
        if _bare(name) in bare:
            return (
                f"{some(missing)} (was an id read as a number? {name} is there as "
                f"{bare[_bare(name)]}: keep ids as text, with their leading zeros)"
            )
    return some(missing)


def _bare(name: str) -> str:
    return "_".join(part.removesuffix(".0").lstrip("0") for part in name.split("_"))
