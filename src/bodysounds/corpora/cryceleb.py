"""CryCeleb2023: cries of newborns at birth (B) and at discharge (D), cut into expirations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bodysounds.corpora.base import TRIAL_COLUMNS, Listing, no_trials, recordings_table
from bodysounds.corpora.csvs import numbers, read_csv, require_values, subset_names, targets
from bodysounds.types import Table

COLUMNS = ("baby_id", "period", "split", "chronological_index", "file_name", "file_id")
# what the published corpus holds
COMPLETE = {
    "babies": 786,
    "train babies": 586,
    "dev babies": 40,
    "test babies": 160,
    "train babies with both periods": 348,
    "train babies with B only": 183,
    "train babies with D only": 55,
    "dev pairs": 1_600,
    "test pairs": 25_600,
}


def read_cryceleb(root: Path, complete: bool = False) -> Listing:
    """Return the listing of a CryCeleb2023 folder (Budaghyan et al. 2023, arXiv:2305.00969).

    Expected: `metadata.csv` (baby_id, period, duration, split, chronological_index, file_name,
    file_id), the files it names, and, optional, `dev_pairs.csv` and `test_pairs.csv` (baby_id_B,
    baby_id_D, id, label where known) and `sample_submission.csv` (id, score). A recording is one
    expiration; a side is all of a baby's in one period, `0694_B`, in chronological order. With
    `complete` the listing must have the published numbers of babies, periods and pairs
    (`COMPLETE`). Raises ValueError for a table or a column that is missing, and for a corpus that
    must be complete and is not.
    """
    if not isinstance(complete, bool):
        raise ValueError(f"the option complete must be true or false, got {complete!r}")
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
    listing = Listing(
        recordings=recordings,
        sides=sides,
        listed_trials=pd.concat([no_trials(), *pairs], ignore_index=True),
        submission_format=_submission(submission) if submission.exists() else None,
    )
    if complete:
        refuse_incomplete(listing, root)
    return listing


def refuse_incomplete(listing: Listing, root: Path) -> None:
    """Raise ValueError that names each number in which a listing differs from `COMPLETE`."""
    found = count(listing)
    wrong = [
        f"{name} {found[name]:,}, expected {expected:,}"
        for name, expected in COMPLETE.items()
        if found[name] != expected
    ]
    if wrong:
        raise ValueError(
            f"{root} is not the whole of CryCeleb2023 ({'; '.join(wrong)}): fetch it again with "
            "`bodysounds fetch cryceleb FOLDER`, or take the part that is there with "
            "--params complete=false"
        )


def count(listing: Listing) -> dict[str, int]:
    """Return the numbers of babies, periods and pairs of a listing, by the names of `COMPLETE`."""
    table = listing.recordings
    babies = table.groupby("subset_hint")["subject_id"].nunique()
    train = table[table["subset_hint"] == "train"]
    periods = train.groupby("subject_id")["session_id"].agg(lambda s: "".join(sorted(set(s))))
    pairs = listing.listed_trials["subset"].value_counts()
    return {
        "babies": int(table["subject_id"].nunique()),
        **{f"{subset} babies": int(babies.get(subset, 0)) for subset in ("train", "dev", "test")},
        "train babies with both periods": int((periods == "BD").sum()),
        "train babies with B only": int((periods == "B").sum()),
        "train babies with D only": int((periods == "D").sum()),
        **{f"{subset} pairs": int(pairs.get(subset, 0)) for subset in ("dev", "test")},
    }


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
