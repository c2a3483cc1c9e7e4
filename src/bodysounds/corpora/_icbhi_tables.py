"""The tables of ICBHI 2017 beside the recordings: split, demographics, diagnoses, folds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from bodysounds.corpora._icbhi_names import key_of
from bodysounds.corpora.files import nearest_file

SPLIT = ("icbhi_challenge_train_test.txt", "official_split.txt")
DEMOGRAPHICS = (
    "demographic_info.txt", "icbhi_challenge_demographic_information.txt", "metadata.txt",
)  # fmt: skip
DIAGNOSES = ("icbhi_challenge_diagnosis.txt", "patient_diagnosis.txt", "patient_diagnosis.csv")
DIFFERENCES = ("filename_differences.txt",)
FOLDS = ("patient_list_foldwise.txt",)
ADULT_YEARS = 18.0
UNKNOWN = ("", "na", "n/a", "nan", "-")


class Person(NamedTuple):
    """What the demographics say of a patient; None where they say NA."""

    sex: str | None
    age: str | None
    """Years."""
    age_group: str | None
    """child (below 18) or adult."""


class Tables(NamedTuple):
    """Each table by its key, None where the folder has none."""

    split: dict[str, str] | None
    """Name without device: train or test."""
    people: dict[str, Person] | None
    diagnoses: dict[str, str | None] | None
    folds: dict[str, str] | None
    differences: list[str]
    """Names that recordings had in the first release, and that were corrected since."""


def read_tables(root: Path, files: Sequence[PurePosixPath]) -> Tables:
    """Return the tables that lie anywhere below the root, under any of their published names.

    Names are compared in lower case, and columns may be set apart by tabs, commas or blanks.
    Raises ValueError that names file and line for a line that is none of the table's, and for
    two lines that contradict one another.
    """
    split = _read(root, files, SPLIT, (2,))
    people = _read(root, files, DEMOGRAPHICS, (6, 7))
    diagnoses = _read(root, files, DIAGNOSES, (2,))
    folds = _read(root, files, FOLDS, (2,))
    differences = _read(root, files, DIFFERENCES)
    return Tables(
        split=_by_key(split, lambda where, row: (key_of(row[0]), _subset(where, row[1]))),
        people=_by_key(people, lambda where, row: (row[0], _person(where, row))),
        diagnoses=_by_key(diagnoses, lambda where, row: (row[0], _known(row[1]))),
        folds=_by_key(folds, lambda where, row: (row[0], _fold(where, row[1]))),
        differences=[cell.split(".")[0] for _, row in differences or () for cell in row],
    )


Lines = list[tuple[str, list[str]]]
Value = TypeVar("Value")


def _read(
    root: Path, files: Sequence[PurePosixPath], names: Sequence[str], widths: tuple[int, ...] = ()
) -> Lines | None:
    """Return (where, cells) of each line of the first table that is there; None for no table.

    A first line of column names, which some copies have, does not count.
    """
    lowered = {file.name.lower(): file.name for file in files}
    written = next((lowered[name] for name in names if name in lowered), None)
    found = nearest_file(files, written) if written else None
    if found is None:
        return None
    try:
        lines = (root / found).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(f"the table {found} cannot be read as text: {error}") from error
    rows: Lines = []
    for number, line in enumerate(lines, 1):
        cells = _cells(line)
        is_named = bool(cells) and not cells[0][:1].isdigit()
        if not cells or (number == 1 and is_named):
            continue
        if widths and (is_named or len(cells) not in widths):
            raise ValueError(
                f"{found}, line {number}: {line.strip()!r} must be "
                f"{' or '.join(map(str, widths))} columns that begin with the patient's number"
            )
        rows.append((f"{found}, line {number}", cells))
    if not rows:
        raise ValueError(f"the table {found} is empty: fill it, or take it out of the folder")
    return rows


def _cells(line: str) -> list[str]:
    """Return what stands between tabs, or else commas, or else blanks; nothing of an empty line."""
    mark = next((mark for mark in ("\t", ",") if mark in line), None)
    return [cell.strip() for cell in line.strip().split(mark)] if line.strip() else []


def _by_key(
    rows: Lines | None, read: Callable[[str, list[str]], tuple[str, Value]]
) -> dict[str, Value] | None:
    """Return what `read` makes of each (where, cells), by key; None where there is no table."""
    if rows is None:
        return None
    known: dict[str, Value] = {}
    for where, cells in rows:
        key, value = read(where, cells)
        if known.setdefault(key, value) != value:
            raise ValueError(
                f"{where}: {key} is {value} here and {known[key]} above: keep the right line"
            )
    return known


def _known(cell: str) -> str | None:
    return None if cell.lower() in UNKNOWN else cell


def _subset(where: str, cell: str) -> str:
    if cell not in ("train", "test"):
        raise ValueError(f"{where}: the split must be train or test, got {cell!r}")
    return cell


def _fold(where: str, cell: str) -> str:
    if not cell.isdigit():
        raise ValueError(f"{where}: a fold must be a whole number, got {cell!r}")
    return cell


def _person(where: str, row: list[str]) -> Person:
    """Return who a row of patient, age, sex, BMI, weight, height and, in copies, more describes."""
    age, sex = _known(row[1]), _known(row[2].upper())
    if sex not in ("F", "M", None):
        raise ValueError(f"{where}: the sex must be F, M or NA, got {row[2]!r}")
    if age is None:
        return Person(sex, None, None)
    try:
        years = float(age)
    except ValueError:
        years = math.nan
    if not 0 <= years <= 120:
        raise ValueError(f"{where}: the age must be years from 0 to 120 or NA, got {age!r}")
    return Person(sex, f"{years:g}", "child" if years < ADULT_YEARS else "adult")
