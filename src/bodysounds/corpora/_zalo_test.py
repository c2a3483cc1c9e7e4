"""The test of a Zalo folder: its recordings, its pairs and its sample submission."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pandas as pd

from bodysounds.corpora.base import TRIAL_COLUMNS, some
from bodysounds.corpora.csvs import read_csv, require_values
from bodysounds.splitting.side_names import resolve_sides
from bodysounds.splitting.trial_lists import read_trials
from bodysounds.types import Table

logger = logging.getLogger(__name__)

PAIR = ("audio_1", "audio_2")
SEX_WORDS = {"m": "m", "male": "m", "f": "f", "female": "f"}


def tested_speakers(paths: list[str], table: Path | None) -> Table:
    """Return the test recordings; subject, session and sex where a table of speakers has them.

    Raises ValueError for a table that lacks a column or names a recording twice.
    """
    columns = {"recording_id": paths, "path": paths, "subset_hint": "test"}
    recordings = pd.DataFrame(columns, index=range(len(paths)))
    if table is None:
        return recordings.assign(subject_id=None)
    rows = read_csv(table, ("audio", "speaker"))
    require_values(rows, ("audio", "speaker"), table)
    if rows["audio"].duplicated().any():
        twice = rows["audio"][rows["audio"].duplicated()]
        raise ValueError(f"{table} names {some(twice)} on two lines: keep one line a recording")
    for optional in ("session", "sex"):
        rows[optional] = rows.get(optional, pd.Series(None, rows.index, "str"))
    names = pd.DataFrame({"enrol_id": rows["audio"], "test_id": rows["audio"]})
    about = rows.set_index(resolve_sides(names, paths).trials["enrol_id"])
    subject = recordings["recording_id"].map(about["speaker"])
    session = recordings["recording_id"].map(about["session"])
    sex = recordings["recording_id"].map(about["sex"]).str.strip().str.lower().map(SEX_WORDS)
    return recordings.assign(subject_id=subject, session_id=subject + "/" + session, sex=sex)


def read_trials_of(path: Path, recordings: Table, folder: str) -> tuple[Table, Table]:
    """Return the trials of a list of pairs, and rows for the recordings that are not there.

    Parameters
    ----------
    path : Path
        CSV with audio_1, audio_2 and, optional, label.
    recordings : Table
        recording_id and subject_id of the test recordings.
    folder : str
        Where missing recordings would lie, relative to the corpus's folder.
    """
    listed = read_trials(path, "zalo")
    ids = trial_ids(listed["enrol_id"], listed["test_id"])
    found = resolve_sides(listed, recordings["recording_id"])
    trials = found.trials.assign(trial_id=ids, subset="test")
    unknown = sorted(found.unknown)
    if unknown:
        # a list may spell the folder too
        there = f"{folder}/"
        would = {name: there + name.removeprefix(there) for name in unknown}
        lost = trials["enrol_id"].isin(would) | trials["test_id"].isin(would)
        logger.warning(
            "%s of %s pairs of %s name %d recordings that are not in %s (%s): they are left out, "
            "and a submission, which needs every pair, has 0 for them; put the files in place",
            f"{int(lost.sum()):,}",
            f"{len(trials):,}",
            path.name,
            len(would),
            folder,
            some(unknown),
        )
        for side in ("enrol_id", "test_id"):
            trials[side] = trials[side].map(would).fillna(trials[side])
        missing = pd.DataFrame({"path": list(would.values())})
        missing = missing.assign(recording_id=missing["path"], subset_hint="test", subject_id=None)
    else:
        missing = pd.DataFrame()
    subject = recordings.set_index("recording_id")["subject_id"]
    first, second = trials["enrol_id"].map(subject), trials["test_id"].map(subject)
    same = (first == second).astype("Int64").mask(first.isna() | second.isna())
    trials["target"] = trials["target"].fillna(same)
    return trials[list(TRIAL_COLUMNS)], missing


def read_submission(path: Path, trials: Table) -> Table:
    """Return the sample submission as text: audio_1, audio_2, label, in its own order.

    Raises ValueError where its pairs are not those of the trials.
    """
    table = read_csv(path, (*PAIR, "label"))[[*PAIR, "label"]]
    require_values(table, PAIR, path)
    asked = Counter(trial_ids(table["audio_1"], table["audio_2"]))
    apart = (asked - Counter(trials["trial_id"])) + (Counter(trials["trial_id"]) - asked)
    if apart:
        raise ValueError(
            f"{path} and the list of pairs differ in {len(apart):,} pairs ({some(sorted(apart))}): "
            "a submission takes the list's pairs, each once; take both files from one release, or "
            "take the sample out of the folder to run without a submission"
        )
    return table


def trial_ids(first: pd.Series[str], second: pd.Series[str]) -> pd.Series[str]:
    """Return `<audio_1> <audio_2>` of each row, and `~2`, `~3`, ... after the copies of one."""
    pairs = first + " " + second
    copy = pairs.groupby(pairs).cumcount()
    return pairs.where(copy == 0, pairs + "~" + (copy + 1).astype("str"))
