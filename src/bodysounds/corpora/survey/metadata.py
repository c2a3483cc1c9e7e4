"""From a guess to the rows of metadata.csv, and to the table of recordings that it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import pandas as pd

from bodysounds.corpora.base import recordings_table, some
from bodysounds.corpora.survey.kinds import SEXES, split_name, when
from bodysounds.corpora.survey.paths import ROLES
from bodysounds.types import Table

LISTED = "listed_split"
"""Column of a split that is no split by subject: it is kept, and nothing reads it."""


def metadata(
    paths: Sequence[PurePosixPath], columns: Table, roles: Mapping[str, str], extra: Sequence[str]
) -> tuple[Table, list[str]]:
    """Return the rows of metadata.csv, and what was changed or left out, in words.

    `columns` has a row a path; `roles` says which of them is what, and `extra` names others that
    are kept. Recordings of no subject (or, without subjects, of no class) are left out. Times
    become ISO 8601, sexes m and f, splits train, dev and test; a split that has subjects on several
    sides stays in `listed_split`.
    """
    table = pd.DataFrame({"file_name": [str(path) for path in paths]}, dtype="str")
    for role in ROLES:
        if role in roles:
            table[role] = columns[roles[role]].to_numpy()
    for name in extra:
        if name not in table and name not in roles.values():
            table[name] = columns[name].to_numpy()
    whose = "subject" if "subject" in roles else "label"
    nobody = table[whose].isna()
    notes = []
    if nobody.any():
        notes.append(
            f"{int(nobody.sum()):,} recordings have no {whose} ({roles[whose]}) and are left out "
            f"of the table: {some(table['file_name'][nobody])}"
        )
        table = table[~nobody].reset_index(drop=True)
    for role, read in (("recorded_at", _time), ("sex", _sex), ("split", _split), ("order", _order)):
        if role in table:
            table, note = read(table)
            notes += [note] if note else []
    return table.astype("str"), notes


def recordings_of(table: Table) -> Table:
    """Return the recordings that `read_table` makes of metadata.csv, all cells text there."""
    columns = {"recording_id": table["file_name"], "path": table["file_name"]}
    ids = {"subject": "subject_id", "group": "group_id", "session": "session_id"}
    for role in ROLES:
        if role in table:
            columns[ids.get(role, "subset_hint" if role == "split" else role)] = table[role]
    columns.setdefault("subject_id", pd.Series(pd.NA, table.index, dtype="str"))
    if "recorded_at" in columns:
        times = pd.to_datetime(columns["recorded_at"], utc=True, format="ISO8601")
        columns["recorded_at"] = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    if "order" in columns:
        columns["order"] = pd.to_numeric(columns["order"])
    return recordings_table(columns)


def _time(table: Table) -> tuple[Table, str]:
    raw = table["recorded_at"]
    told = raw.map(lambda cell: _iso(cell) if isinstance(cell, str) else None).astype("str")
    bad = raw.notna() & told.isna()
    if not bad.any():
        return table.assign(recorded_at=told), ""
    note = (
        f"{int(bad.sum()):,} times cannot be read, such as {raw[bad].iloc[0]!r} (a time is unix "
        "seconds, or written like 2024-05-01T10:30): the column is kept as recorded_text"
    )
    return table.rename(columns={"recorded_at": "recorded_text"}), note


def _iso(cell: str) -> str | None:
    known = when(cell.strip())
    if known:
        return known
    try:
        seconds = float(cell)
    except ValueError:
        parsed = pd.to_datetime(cell, errors="coerce", utc=True, format="ISO8601")
    else:
        seconds = seconds / 1000 if seconds > 1e11 else seconds
        if not 1e8 < seconds < 5e9:
            return None
        parsed = pd.Timestamp(seconds, unit="s", tz="UTC")
    return None if pd.isna(parsed) else str(parsed.tz_localize(None).isoformat())


def _sex(table: Table) -> tuple[Table, str]:
    known = table["sex"].str.strip().str.lower()
    return table.assign(sex=known.map(SEXES).fillna(known)), ""


def _order(table: Table) -> tuple[Table, str]:
    numbers = pd.to_numeric(table["order"], errors="coerce")
    if (numbers.isna() & table["order"].notna()).any():
        return table.rename(columns={"order": "order_text"}), ""
    return table, ""


def _split(table: Table) -> tuple[Table, str]:
    names = table["split"].map(lambda cell: split_name(cell.strip()), na_action="ignore")
    if names[table["split"].notna()].isna().any():
        return table.rename(columns={"split": LISTED}), (
            f"the split has other names than train, dev and test: it is kept as {LISTED}, and the "
            "run makes its own"
        )
    split = table.assign(split=names.astype("str"))
    if "subject" not in table:
        return split, ""
    whose = "group" if "group" in table else "subject"
    sides = split.dropna(subset=["split"]).groupby(whose)["split"].nunique()
    torn = sides.index[sides > 1].tolist()
    given = set(split["split"].dropna())
    if torn:
        return split.rename(columns={"split": LISTED}), (
            f"the split has {len(torn):,} {whose}s on several sides ({some(torn)}), so a network "
            f"would know who is tested: it is kept as {LISTED}, and the run makes its own"
        )
    lacking = sorted({"train", "dev", "test"} - given)
    if len(lacking) > 1 or lacking == ["train"]:
        return split.rename(columns={"split": LISTED}), (
            f"the split has no {' and no '.join(lacking)}: it is kept as {LISTED}, and the run "
            "makes its own"
        )
    if lacking:
        split["split"] = split["split"].mask(split["split"] == "train")
        return split, (
            f"the split has no {lacking[0]}: {', '.join(sorted(given - {'train'}))} is kept, and "
            f"the run deals the others into train and {lacking[0]}"
        )
    return split, ""
