"""What the catalog checks when a table is saved or loaded: plain functions that raise."""

from __future__ import annotations

from bodysounds.types import Table


def _require(table: Table, name: str, columns: tuple[str, ...], unique: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(
            f"{name} lacks the column(s) {', '.join(missing)}; it has {', '.join(table.columns)}"
        )
    repeated = table.duplicated(list(unique)) if unique else None
    if repeated is not None and repeated.any():
        first = table.loc[repeated, list(unique)].iloc[0].tolist()
        raise ValueError(f"{name} has {int(repeated.sum())} repeated row(s), such as {first}")


def manifest(table: Table) -> None:
    """A row a recording, ids as text, every duration positive."""
    columns = ("recording_id", "subject_id", "group_id", "path", "duration_s", "sample_rate")
    _require(table, "manifest", (*columns, "sha256"), ("recording_id",))
    if not (table["duration_s"] > 0).all():
        wrong = table.loc[~(table["duration_s"] > 0), "path"].iloc[0]
        raise ValueError(f"manifest: {wrong} has no positive duration")


def segments(table: Table) -> None:
    """A row a segment that ends after it starts."""
    _require(table, "segments", ("segment_id", "recording_id", "start_s", "end_s"), ("segment_id",))
    if not (table["end_s"] > table["start_s"]).all():
        wrong = table.loc[~(table["end_s"] > table["start_s"]), "segment_id"].iloc[0]
        raise ValueError(f"segments: {wrong} ends before it starts")


def sides(table: Table) -> None:
    """A row a recording of a side."""
    _require(table, "sides", ("side_id", "recording_id", "order"), ("side_id", "recording_id"))


def subsets(table: Table) -> None:
    """Each recording in one of train, dev and test."""
    _require(table, "subsets", ("recording_id", "subset", "fold"), ("recording_id",))
    unknown = set(table["subset"]) - {"train", "dev", "test"}
    if unknown:
        raise ValueError(f"subsets are train, dev and test, got {', '.join(sorted(unknown))}")


def trials(table: Table) -> None:
    """Each trial once, its target 1, 0 or unknown."""
    columns = ("trial_id", "enrol_id", "test_id", "target", "subset")
    _require(table, "trials", columns, ("trial_id", "subset"))
    unknown = set(table["target"].dropna()) - {0, 1}
    if unknown:
        raise ValueError(f"trials: a target is 1, 0 or unknown, got {int(min(unknown))}")


def scores(table: Table) -> None:
    """A finite cosine for each system and trial."""
    import numpy as np

    _require(table, "scores", ("system", "trial_id", "cosine"), ())
    broken = ~np.isfinite(table["cosine"].to_numpy(float))
    if broken.any():
        row = table.loc[broken].iloc[0]
        raise ValueError(f"scores: {row['system']} scores trial {row['trial_id']} {row['cosine']}")


def examples(table: Table) -> None:
    """Each segment once, with its label and a subset; an unseen source or patient never trains."""
    columns = ("segment_id", "recording_id", "start_s", "end_s", "label", "subset", "condition")
    _require(table, "examples", (*columns, "session_id"), ("segment_id",))
    unknown = set(table["subset"]) - {"train", "dev", "test"}
    if unknown:
        raise ValueError(f"examples: a subset is train, dev or test, got {min(unknown)}")
    if table["label"].isna().any():
        wrong = table.loc[table["label"].isna(), "segment_id"].iloc[0]
        raise ValueError(f"examples: {wrong} has no label")
    for condition, what in (("unseen_source", "sources"), ("unseen_patient", "patients")):
        unseen = table[table["condition"] == condition]
        taught = table.loc[table["subset"] == "train", "session_id"]
        sides = unseen.groupby("session_id")["subset"].nunique()
        leaked = sorted({*sides.index[sides > 1], *(set(unseen["session_id"]) & set(taught))})
        if leaked:
            raise ValueError(
                f"examples: {len(leaked)} {what} lie on two sides, such as {leaked[0]}"
            )


def predictions(table: Table) -> None:
    """A class and the rank of the label for each system, segment and condition."""
    columns = ("system", "segment_id", "label", "subset", "condition", "predicted", "rank")
    _require(table, "predictions", (*columns, "probability"), ("system", "segment_id", "condition"))
    if not (table["rank"] >= 1).all():
        row = table.loc[~(table["rank"] >= 1)].iloc[0]
        raise ValueError(f"predictions: {row['system']} ranks {row['segment_id']} {row['rank']}")
