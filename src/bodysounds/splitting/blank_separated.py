"""Lines of fields between blanks, read at once; a broken one is looked for only where one is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from bodysounds.types import Table


def read_fields(path: Path, widths: Sequence[int], expected: str) -> Table:
    """Return the fields of all lines as text, columns 0, 1, ...; empty lines don't count.

    Every line must have as many fields as the first one, and that many must be in widths. Raises
    ValueError that names the first line which hasn't, and says what was expected.
    """
    try:
        table = pd.read_csv(
            path,
            sep=r"\s+",
            header=None,
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            encoding="utf-8-sig",
        )
    except pd.errors.EmptyDataError:
        raise ValueError(f"the trial list {path} is empty") from None
    except pd.errors.ParserError as error:
        raise ValueError(_broken(path, widths, expected) or f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text ({error.reason}): save it as UTF-8") from error
    if table.shape[1] not in widths or (table.iloc[:, -1].fillna("") == "").any():
        raise ValueError(_broken(path, widths, expected) or f"{path} is not {expected}")
    return table


def line_of(path: Path, row: int) -> int:
    """Return the number, from 1, of the line that holds a row of `read_fields`."""
    return next(number for at, (number, _) in enumerate(_lines(path)) if at == row)


def _broken(path: Path, widths: Sequence[int], expected: str) -> str:
    """Return a sentence on the first line whose fields don't fit, empty where all do."""
    width = None
    for number, fields in _lines(path):
        if len(fields) not in widths or len(fields) != (width or len(fields)):
            return (
                f"{path} has {len(fields)} fields on line {number} "
                f"({' '.join(fields)[:80]!r}), expected {expected}"
            )
        width = len(fields)
    return ""


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            stripped = line.strip(" \t\n")
            if stripped:
                yield number, re.split("[ \t]+", stripped)
