"""Trial lists as others write them: VoxCeleb, Kaldi, CryCeleb, Zalo, our CSV and Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bodysounds.corpora.base import some, text
from bodysounds.corpora.csvs import require_columns
from bodysounds.splitting.list_readers import HEADERS, KALDI_WORDS, READERS
from bodysounds.splitting.list_writers import WRITERS
from bodysounds.types import Table

COLUMNS = ("trial_id", "enrol_id", "test_id", "target")


def read_trials(path: str | Path, format: str | None = None) -> Table:
    """Return a trial list: trial_id, enrol_id, test_id (text, kept whole) and target (Int64).

    target is 1, 0 or missing where the list doesn't say; subset is there where the list has it.
    Trials without an id of their own are called enrol~test, and repeated ones enrol~test~2, ~3, ...

    Parameters
    ----------
    path : path
        UTF-8 text, or Parquet.
    format : str, optional
        `voxceleb` (lines `label enrol test`, label 1 or 0), `kaldi` (lines `enrol test target` or
        `enrol test nontarget`, or `enrol test` without labels), `cryceleb` (CSV of baby_id_B,
        baby_id_D and, optional, id and label; the sides are called `0694_B` and `0694_D`), `zalo`
        (CSV of audio_1, audio_2 and, optional, label), `csv` (enrol, test and, optional, target,
        subset and trial_id) or `parquet` (our trials, or the CSV's columns); by default recognised.

    Raises ValueError for a file that is missing, empty, of no or another format, and for a broken
    line, by its number.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"the trial list {path} is not there")
    name = format or recognise(path)
    if name not in READERS:
        raise ValueError(
            f"the format of a trial list must be one of {', '.join(READERS)}, got {name!r}"
        )
    trials = READERS[name](path)
    if trials.empty:
        raise ValueError(f"the trial list {path} holds no trial")
    return _with_ids(trials)


def write_trials(path: str | Path, trials: Table, format: str) -> None:
    """Write trials (enrol_id, test_id and, optional, target and trial_id) in a format by name.

    The formats are those of `read_trials`. trial_id is held by cryceleb, csv and parquet only, and
    subset by csv and parquet only; everything else survives the way there and back. Raises
    ValueError for what a format cannot hold: unknown labels in voxceleb, labels of some trials only
    in kaldi, blanks in names of either, sides other than B and D in cryceleb; and for empty names.
    """
    if format not in WRITERS:
        raise ValueError(
            f"the format of a trial list must be one of {', '.join(WRITERS)}, got {format!r}"
        )
    require_columns(trials, ("enrol_id", "test_id"), Path("the table of trials"))
    for column in ("enrol_id", "test_id"):
        nameless = np.flatnonzero(text(trials[column]).fillna("") == "")
        if len(nameless):
            raise ValueError(f"row {nameless[0]} of the trials has no {column}: name both sides")
    target = trials["target"] if "target" in trials else pd.Series(pd.NA, trials.index)
    if not (target.isna() | target.isin([0, 1])).all():
        raise ValueError(f"target must be 1, 0 or missing, got {some(target.unique(), 5)}")
    WRITERS[format](Path(path), _with_ids(trials.assign(target=target.astype("Int64"))))


def recognise(path: Path) -> str:
    """Return the format of a trial list by its content; ValueError where it is none of ours."""
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), "").strip()
    cells = {cell.strip().strip('"') for cell in first.split(",")}
    for name, header in HEADERS.items():
        if cells.issuperset(header):
            return name
    fields = first.split()
    if len(fields) == 2 or (len(fields) == 3 and fields[2] in KALDI_WORDS):
        return "kaldi"
    if len(fields) == 3 and fields[0] in ("0", "1"):
        return "voxceleb"
    raise ValueError(
        f"the trial list {path} is in no known format, its first line is {first[:80]!r}: expected "
        "`label enrol test` with label 1 or 0 (voxceleb), `enrol test target` or `nontarget` "
        "(kaldi), or a CSV with the columns "
        + " or ".join(f"{', '.join(header)} ({name})" for name, header in HEADERS.items())
    )


def _with_ids(trials: Table) -> Table:
    """Return the columns in their order, with an id for each trial."""
    pairs = trials["enrol_id"] + "~" + trials["test_id"]
    copy = pairs.groupby(pairs).cumcount() if pairs.duplicated().any() else None
    if copy is not None:
        pairs = pairs.where(copy == 0, pairs + "~" + (copy + 1).astype("str"))
    ids = text(trials["trial_id"]).fillna(pairs) if "trial_id" in trials else pairs
    known = [*COLUMNS, "subset"] if "subset" in trials else list(COLUMNS)
    return trials.assign(trial_id=ids)[known].reset_index(drop=True)
