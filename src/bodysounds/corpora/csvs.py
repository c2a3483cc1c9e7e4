"""Reads the tables of a corpus: every cell is text, so that no id becomes a number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bodysounds.types import Table


def read_csv(path: Path, required: Sequence[str] = ()) -> Table:
    """Return a CSV file with every column as text, empty cells as nan ("NA" is an id like others).

    Raises ValueError where the file is missing or unreadable, or lacks a required column.
    """
    if not path.is_file():
        raise ValueError(f"the table {path} is not there: the folder must hold {path.name}")
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig"
        )
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"the table {path} cannot be read ({reason}): save it as UTF-8 text with commas"
        ) from error
    require_names(table, path)
    require_columns(table, required, path)
    return table


def require_names(table: Table, path: Path) -> None:
    """Raise ValueError where lines have more cells than the first: pandas shifts the columns."""
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(
            f"{path} has more cells on its lines than names on its first, "
            f"{', '.join(map(str, table.columns))}: name every column, and leave no comma (or "
            "what else separates) behind the last cell"
        )


def require_columns(table: Table, required: Sequence[str], path: Path) -> None:
    """Raise ValueError that names the columns which are missing, and those that are there."""
    missing = [name for name in required if name not in table.columns]
    if missing:
        if len(table.columns) == 1 and ";" in str(table.columns[0]):
            raise ValueError(
                f"{path} has the one column {table.columns[0]!r}: is it separated by semicolons? "
                "save it with commas"
            )
        raise ValueError(
            f"{path} has no column {', '.join(map(repr, missing))}; its columns are "
            f"{', '.join(map(str, table.columns))}"
        )


def require_values(table: Table, columns: Sequence[str], path: Path) -> None:
    """Raise ValueError that names the first line on which one of the columns is empty."""
    for name in columns:
        empty = np.flatnonzero(table[name].isna())
        if len(empty):
            raise ValueError(
                f"{path} has no {name} on {len(empty)} lines (the first is line {empty[0] + 2}): "
                "fill it in or take the line out"
            )


def numbers(table: Table, column: str, path: Path) -> pd.Series[float]:
    """Return a column as float64, empty cells as nan; ValueError names a cell that is no number."""
    values = pd.to_numeric(table[column], errors="coerce").astype("float64")
    bad = table[column].notna() & values.isna()
    if bad.any():
        raise ValueError(
            f"{path} has {table[column][bad].iloc[0]!r} in column {column!r} "
            f"(line {np.flatnonzero(bad)[0] + 2}), where a number must stand"
        )
    return values


def times(table: Table, column: str, path: Path) -> pd.Series[float]:
    """Return a column of unix seconds, or of ISO 8601 times (UTC unless they say), as unix seconds.

    Raises ValueError that names a cell which is neither.
    """
    seconds = pd.to_numeric(table[column], errors="coerce").astype("float64")
    written = table[column].where(seconds.isna())
    parsed = pd.to_datetime(written, errors="coerce", utc=True, format="ISO8601")
    bad = written.notna() & parsed.isna()
    if bad.any():
        raise ValueError(
            f"{path} has {table[column][bad].iloc[0]!r} in column {column!r} (line "
            f"{np.flatnonzero(bad)[0] + 2}), where unix seconds or an ISO 8601 time must stand"
        )
    since = (parsed - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return seconds.fillna(since)


def targets(table: Table, column: str, path: Path) -> pd.Series[int]:
    """Return a column of 1/0, true/false or empty as Int64; ValueError names another cell."""
    words = {"1": 1, "0": 0, "1.0": 1, "0.0": 0, "true": 1, "false": 0}
    lowered = table[column].str.strip().str.lower()
    bad = lowered.notna() & ~lowered.isin(words)
    if bad.any():
        raise ValueError(
            f"{path} has {table[column][bad].iloc[0]!r} in column {column!r} "
            f"(line {np.flatnonzero(bad)[0] + 2}), where 1, 0 or nothing must stand"
        )
    return lowered.map(words).astype("Int64")


def subset_names(table: Table, column: str, path: Path) -> pd.Series[str]:
    """Return a column of train, dev (also val, valid, validation) and test, empty cells as nan."""
    words = {name: name for name in ("train", "dev", "test")}
    words |= dict.fromkeys(("val", "valid", "validation"), "dev") | {"training": "train"}
    lowered = table[column].str.strip().str.lower()
    bad = lowered.notna() & ~lowered.isin(words)
    if bad.any():
        raise ValueError(
            f"{path} has {table[column][bad].iloc[0]!r} in column {column!r} "
            f"(line {np.flatnonzero(bad)[0] + 2}), where train, dev, test or nothing must stand"
        )
    return lowered.map(words).astype("str")
