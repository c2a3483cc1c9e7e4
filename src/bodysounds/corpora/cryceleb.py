"""CryCeleb2023: cries of newborns at birth (B) and at discharge (D), cut into expirations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bodysounds.corpora.base import TRIAL_COLUMNS, Listing, no_trials, recordings_table
from bodysounds.corpora.csvs import numbers, read_csv, require_values, subset_names, targets
from bodysounds.types import Table

COLUMNS = ("baby_id", "period", "split", "chronological_index", "file_name", "file_id")


def read_cryceleb(root: Path) -> Listing:
    """Return the listing of a CryCeleb2023 folder (Budaghyan et al. 2024, arXiv:2305.00969).

    Expected: `metadata.csv` (baby_id, period, duration, split, chronological_index, file_name,
    file_id), the files it names, and, optional, `dev_pairs.csv` and `test_pairs.csv` (baby_id_B,
    baby_id_D, id, label where known) and `sample_submission.csv` (id, score). A recording is one
    expiration; a side is all of a baby's in one period, `0694_B`, in chronological order. Raises
    ValueError for a table or a column that is missing.
    """
    path = root / "metadata.csv"
    table = read_csv(path, COLUMNS)
    require_values(table, ("baby_id", "period", "file_name", "file_id"), path)
    recordings = recordings_table(
        {
            "recording_id": table["file_id"],
            "subject_id": table["baby_id"],
            "session_id": table["period"],
            "order": numbers(table, "chronological_index", path),
            "path": table["file_name"],
            "subset_hint": subset_names(table, "split", path),
        }
    )
    sides = pd.DataFrame(
        {
            "side_id": recordings["subject_id"] + "_" + recordings["session_id"],
            "recording_id": recordings["recording_id"],
            "order": recordings["order"],
        }
    ).sort_values(["side_id", "order", "recording_id"], ignore_index=True)
    pairs = [_pairs(root / f"{subset}_pairs.csv", subset) for subset in ("dev", "test")]
    submission = root / "sample_submission.csv"
    return Listing(
        recordings=recordings,
        sides=sides,
        listed_trials=pd.concat([no_trials(), *pairs], ignore_index=True),
        submission_format=_submission(submission) if submission.exists() else None,
    )


def _pairs(path: Path, subset: str) -> Table:
    if not path.exists():
        return no_trials()
    table = read_csv(path, ("baby_id_B", "baby_id_D"))
    require_values(table, ("baby_id_B", "baby_id_D"), path)
    labels = targets(table, "label", path) if "label" in table else pd.NA
    joined = table["baby_id_B"] + "_" + table["baby_id_D"]
    trials = pd.DataFrame(
        {
            "trial_id": table.get("id", joined),
            "enrol_id": table["baby_id_B"] + "_B",
            "test_id": table["baby_id_D"] + "_D",
            "target": pd.Series(labels, table.index, "Int64"),
            "subset": pd.Series(subset, table.index, dtype="str"),
        }
    )
    return trials[list(TRIAL_COLUMNS)]


def _submission(path: Path) -> Table:
    table = read_csv(path, ("id", "score"))
    table["score"] = numbers(table, "score", path).fillna(np.nan)
    return table
