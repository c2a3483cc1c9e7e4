"""A table that lies beside recordings: which one it is, and which of its columns is the file."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pandas as pd

from bodysounds.corpora.csvs import read_csv, require_names
from bodysounds.corpora.survey.kaldi import LISTS, read_lists
from bodysounds.corpora.table import TABLE
from bodysounds.splitting.side_names import AUDIO_ENDING
from bodysounds.types import Table

ENDINGS = (".csv", ".tsv")
MOST_TABLES, MOST_BYTES = 20, 100_000_000
WINDOWS = "cp1252"
LEAST_SHARE = 0.5
"""A table is about a folder's recordings where it names at least so many of them."""


@dataclass(frozen=True)
class Found:
    """A table that names recordings of the folder."""

    path: PurePosixPath
    """Relative to the folder."""
    file_column: str
    table: Table
    """A row a recording of the folder, in their order, all cells missing where it names none."""
    exact: bool
    """Whether it names every recording of its rows by the path below the folder."""
    n_named: int
    n_missing: int
    """Rows of files that are not there."""
    n_repeated: int
    """Rows of a recording that an earlier row has named; they are passed over."""
    n_contrary: int
    """Recordings whose rows differ."""
    read_as: str = ""
    """The encoding, where it is another than UTF-8."""


def find_table(
    root: Path, files: Sequence[PurePosixPath], audio: Sequence[PurePosixPath], passed: list[str]
) -> Found | None:
    """Return the table that names most of the recordings, None where none names half of them.

    A CSV or TSV with commas, semicolons or tabs, or Kaldi's wav.scp beside its utt2spk. What is
    wrong with those that are passed over is added to `passed`.
    """
    candidates = [path for path in files if path.suffix.lower() in ENDINGS or path.name == LISTS[0]]
    candidates.sort(key=lambda path: (len(path.parts), path.name != "metadata.csv", path))
    best: Found | None = None
    for path in candidates[:MOST_TABLES]:
        if (root / path).stat().st_size > MOST_BYTES:
            continue
        try:
            table, read_as = read_any(root / path)
        except (ValueError, OSError) as error:
            passed.append(str(error))
            continue
        found = match(path, table, audio)
        if found is None or found.n_named < LEAST_SHARE * len(audio):
            named = f"{found.n_named:,}" if found else "none"
            told = f"{path} names {named} of the {len(audio):,} recordings only"
            shared = _shared(table, audio)
            passed.append(told + (f": several are called {shared}" if shared else ""))
        if found and (best is None or found.n_named > best.n_named):
            best = replace(found, read_as=read_as)
    return best if best and best.n_named >= LEAST_SHARE * len(audio) else None


def read_any(path: Path) -> tuple[Table, str]:
    """Return a table of text cells, and its encoding where that is not UTF-8.

    With commas, semicolons or tabs; columns and rows of nothing, which spreadsheets leave, are
    taken out. Other tables than metadata.csv, which the run reads too, may be of Windows-1252.
    Raises as `read_csv`.
    """
    if path.name == LISTS[0]:
        return read_lists(path.parent), ""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
    separator = max(",;\t", key=first.count)
    encoding, data = "utf-8-sig", path.read_bytes()
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        # a zero byte is of UTF-16, or of no text: no letter of Windows-1252
        encoding = encoding if path.name == TABLE or b"\0" in data else WINDOWS
    if separator == "," and encoding != WINDOWS:
        return _without_nothing(read_csv(path)), ""
    try:
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, na_values=[""],
            encoding=encoding, quoting=csv.QUOTE_MINIMAL,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be read as a table: {error}; save it as UTF-8 text"
        ) from error
    require_names(table, path)
    return _without_nothing(table), WINDOWS if encoding == WINDOWS else ""


def _without_nothing(table: Table) -> Table:
    empty = table.isna().all()
    unnamed = table.columns.astype(str).str.fullmatch(r"Unnamed: \d+")
    return table.loc[:, ~(empty.to_numpy() & unnamed)].dropna(how="all").reset_index(drop=True)


def _shared(table: Table, audio: Sequence[PurePosixPath]) -> str:
    """Return a name in the table that several recordings of other folders have, if there is one."""
    stems = pd.Series([path.stem for path in audio], dtype="str")
    several = set(stems[stems.duplicated()])
    for name in table.columns:
        cells = table[name].dropna().map(lambda cell: AUDIO_ENDING.sub("", cell.strip()))
        hit = cells.isin(several)
        if hit.sum() > 0.5 * len(cells):
            return f"{table.loc[cells.index[hit][0], name]}; give them with their folders"
    return ""


def match(path: PurePosixPath, table: Table, audio: Sequence[PurePosixPath]) -> Found | None:
    """Return the table joined to the recordings by the column that names most of them."""
    places = _places(audio, path.parent)
    best: tuple[int, str, pd.Series[float]] | None = None
    for name in table.columns:
        rows = table[name].map(lambda cell: _place(places, cell) if isinstance(cell, str) else None)
        count = rows.dropna().nunique()
        if count and (best is None or count > best[0]):
            best = int(count), str(name), rows
    if best is None:
        return None
    n_named, column, rows = best
    known = rows.notna() & ~rows.duplicated()
    joined = table[known].set_index(rows[known].astype(int)).reindex(range(len(audio)))
    named = table.loc[known, column].tolist()
    exact = all(str(audio[int(at)]) == name for at, name in zip(rows[known], named, strict=True))
    missing = int((rows.isna() & table[column].notna()).sum())
    repeated = int((rows.notna() & rows.duplicated()).sum())
    named_rows = table[rows.notna()].drop(columns=column).assign(_at=rows)
    contrary = int(named_rows.drop_duplicates()["_at"].duplicated().sum())
    kept = joined.drop(columns=column).astype("str")
    serves = bool(exact and known.all())
    return Found(path, column, kept, serves, n_named, missing, repeated, contrary)


def _places(audio: Sequence[PurePosixPath], beside: PurePosixPath) -> Mapping[str, int]:
    """Return where each recording stands by every name that fits only it."""
    places: dict[str, int | None] = {}
    for at, path in enumerate(audio):
        told = {str(path), AUDIO_ENDING.sub("", str(path)), path.name, path.stem}
        if path.is_relative_to(beside):
            told |= {
                str(path.relative_to(beside)),
                AUDIO_ENDING.sub("", str(path.relative_to(beside))),
            }
        told |= {"/".join(path.parts[k:]) for k in range(1, len(path.parts))}
        for name in told:
            places[name] = None if name in places else at
    for at, path in enumerate(audio):  # a whole path is never another's last part
        places[str(path)] = at
    return {name: at for name, at in places.items() if at is not None}


def _place(places: Mapping[str, int], cell: str) -> int | None:
    """Return the recording that a cell names; it may have had another ending, or another root."""
    plain = cell.strip().replace("\\", "/").removeprefix("./")
    names = [plain]
    if re.match(r"/|[A-Za-z]:/", plain):
        parts = plain.split("/")
        names += ["/".join(parts[k:]) for k in range(1, len(parts))]
    names += [AUDIO_ENDING.sub("", name) for name in names]
    return next((places[name] for name in names if name in places), None)


def table_notes(found: Found, audio: Sequence[PurePosixPath]) -> list[str]:
    """Return in words what of a table does not fit the recordings."""
    notes = []
    if found.read_as:
        notes.append(
            f"{found.path} is no UTF-8 and is read as {found.read_as}: look at its accents"
        )
    if found.n_named < len(audio):
        notes.append(
            f"{len(audio) - found.n_named:,} of {len(audio):,} recordings stand in no row of "
            f"{found.path}"
        )
    if found.n_missing:
        notes.append(f"{found.n_missing:,} rows of {found.path} name files that are not there")
    if found.n_repeated:
        notes.append(
            f"{found.n_repeated:,} rows of {found.path} name a recording again: the first row of "
            "each counts"
            + (f", and {found.n_contrary:,} say something else" if found.n_contrary else "")
        )
    return notes
