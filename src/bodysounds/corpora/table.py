"""Any folder of recordings with a table, `metadata.csv`, that says whose they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bodysounds.corpora.base import (
    TRIAL_COLUMNS,
    Listing,
    no_trials,
    one_side_each,
    recordings_table,
    refuse_repeated,
    some,
    unknown_ids,
)
from bodysounds.corpora.csvs import (
    numbers,
    read_csv,
    require_columns,
    require_values,
    subset_names,
    times,
)
from bodysounds.splitting.side_names import resolve_sides
from bodysounds.splitting.trial_lists import read_trials
from bodysounds.types import Table

TABLE = "metadata.csv"
TRIALS = "trials.csv"


def read_table(
    root: Path,
    *,
    subject: str | None = None,
    group: str | None = None,
    session: str | None = None,
    recorded_at: str | None = None,
    order: str | None = None,
    domain: str | None = None,
    sex: str | None = None,
    age: str | None = None,
    label: str | None = None,
    split: str | None = None,
    trials: str | None = None,
) -> Listing:
    """Return the listing of a folder with `metadata.csv` and, optional, `trials.csv`.

    `metadata.csv` needs `file_name` (relative to the folder) and the column that `subject` names;
    every other option names a column too, and falls back to a column of the option's own name (or
    `group_id`, `session_id`) where there is one. `split` holds train, dev, test or nothing.
    `trials.csv` has enrol and test (file names), and where known target (1, 0), subset and
    trial_id; `trials` is the path of another list, in any format of
    `bodysounds.splitting.trial_lists.read_trials`, and takes its place. Lists may leave out the
    files' endings or leading folders. A trial without a subset is of that of its recordings, or of
    test; recordings that it names and that have no split go to the trial's subset. A recording is
    a side. Raises ValueError for a missing table, column or value.
    """
    path = root / TABLE
    table = read_csv(path, ("file_name",))
    if subject is None:
        raise ValueError(
            f"the option subject must name the column of {path} that says whose a recording is; "
            f"its columns are {', '.join(table.columns)}"
        )
    named = {
        "subject_id": subject,
        "group_id": group or _present(table, "group_id", "group"),
        "session_id": session or _present(table, "session_id", "session"),
        "recorded_at": recorded_at or _present(table, "recorded_at"),
        "order": order or _present(table, "order"),
        "domain": domain or _present(table, "domain"),
        "sex": sex or _present(table, "sex"),
        "age": age or _present(table, "age"),
        "label": label or _present(table, "label"),
        "subset_hint": split or _present(table, "split"),
    }
    require_columns(table, [name for name in named.values() if name], path)
    require_values(table, ("file_name",), path)
    read: dict[str, Any] = {"recorded_at": times, "order": numbers, "subset_hint": subset_names}
    columns: dict[str, Any] = {"recording_id": table["file_name"], "path": table["file_name"]}
    for ours, theirs in named.items():
        if theirs:
            columns[ours] = read[ours](table, theirs, path) if ours in read else table[theirs]
    recordings = recordings_table(columns)
    trials_path = Path(trials).expanduser() if trials else root / TRIALS
    listed = no_trials()
    if trials or trials_path.exists():
        listed = _trials(trials_path, None if trials else "csv", recordings)
        recordings["subset_hint"] = _hints(recordings, listed, trials_path)
    return Listing(recordings=recordings, sides=one_side_each(recordings), listed_trials=listed)


def _present(table: Table, *names: str) -> str | None:
    return next((name for name in names if name in table.columns), None)


def _trials(path: Path, format: str | None, recordings: Table) -> Table:
    known = recordings["recording_id"]
    trials, unknown = resolve_sides(read_trials(path, format), known)
    if unknown:
        raise ValueError(
            f"{path} names {len(unknown)} recordings that {TABLE} doesn't list: "
            f"{unknown_ids(unknown, known)}; it names them by file_name, such as "
            f"{some(sorted(known), 1)}"
        )
    split = recordings.set_index("recording_id")["subset_hint"]
    split = split.where(split.isin(["dev", "test"]))
    subset = trials["subset"] if "subset" in trials else pd.Series(pd.NA, trials.index, "str")
    for side in ("enrol_id", "test_id"):
        subset = subset.fillna(trials[side].map(split))
    trials["subset"] = subset.fillna("test")
    if (trials["subset"] == "train").any():
        raise ValueError(f"{path} has trials of subset train: trials are of dev or test")
    refuse_repeated(trials["trial_id"], "trials")
    return trials[list(TRIAL_COLUMNS)]


def _hints(recordings: Table, trials: Table, path: Path) -> pd.Series[str]:
    """Return subset_hint, filled from the trials where the table says nothing."""
    sides = pd.concat(
        [
            trials[["enrol_id", "subset"]].set_axis(["id", "subset"], axis=1),
            trials[["test_id", "subset"]].set_axis(["id", "subset"], axis=1),
        ]
    )
    sides = sides.drop_duplicates()
    both = sides.loc[sides["id"].duplicated(), "id"].tolist()
    if both:
        raise ValueError(
            f"{path} uses {some(both)} in trials of dev and of test: a recording serves one of them"
        )
    hints = recordings["subset_hint"]
    given = recordings["recording_id"].map(sides.set_index("id")["subset"])
    filled: pd.Series[str] = hints.fillna(given)
    return filled
