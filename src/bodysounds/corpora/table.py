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
    targets,
    times,
)
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
) -> Listing:
    """Return the listing of a folder with `metadata.csv` and, optional, `trials.csv`.

    `metadata.csv` needs `file_name` (relative to the folder) and the column that `subject` names;
    every other option names a column too, and falls back to a column of the option's own name (or
    `group_id`, `session_id`) where there is one. `split` holds train, dev, test or nothing.
    `trials.csv` has enrol and test (file names), and where known target (1, 0), subset (default
    test) and trial_id; recordings that it names and that have no split go to the trial's subset.
    A recording is a side. Raises ValueError for a missing table, column or value.
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
    trials = _trials(root / TRIALS, set(recordings["recording_id"]))
    recordings["subset_hint"] = _hints(recordings, trials, root / TRIALS)
    return Listing(recordings=recordings, sides=one_side_each(recordings), listed_trials=trials)


def _present(table: Table, *names: str) -> str | None:
    return next((name for name in names if name in table.columns), None)


def _trials(path: Path, known: set[str]) -> Table:
    if not path.exists():
        return no_trials()
    table = read_csv(path, ("enrol", "test"))
    require_values(table, ("enrol", "test"), path)
    unknown = (set(table["enrol"]) | set(table["test"])) - known
    if unknown:
        raise ValueError(
            f"{path} names {len(unknown)} recordings that {TABLE} doesn't list: "
            f"{unknown_ids(unknown, known)}; it names them by file_name, such as "
            f"{some(sorted(known), 1)}"
        )
    subset = subset_names(table, "subset", path) if "subset" in table else "test"
    labels = targets(table, "target", path) if "target" in table else pd.NA
    trials = pd.DataFrame(
        {
            "trial_id": table.get("trial_id", table["enrol"] + "~" + table["test"]),
            "enrol_id": table["enrol"],
            "test_id": table["test"],
            "target": pd.Series(labels, table.index, "Int64"),
            "subset": pd.Series(subset, table.index, "str").fillna("test"),
        }
    )
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
    if sides.empty:
        return hints
    given = recordings["recording_id"].map(sides.set_index("id")["subset"])
    filled: pd.Series[str] = hints.fillna(given)
    return filled
