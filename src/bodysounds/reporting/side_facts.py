"""What the manifest says of each side."""

from __future__ import annotations

import pandas as pd

from bodysounds.types import Table

OF_ONE_VALUE = ("subject_id", "session_id", "domain", "sex", "age")


def side_facts(sides: Table, manifest: Table, segments: Table) -> Table:
    """Return a row a side (index side_id) of what is known about it.

    subject_id, session_id, domain, sex and age are those of its recordings, NaN where they are
    unknown or differ; recorded_at is its earliest known time (unix seconds), duration_s what its
    segments last, and recordings a list of the paths of its recordings in order.
    """
    columns = ["recording_id", "path", "recorded_at", *OF_ONE_VALUE]
    joined = (
        sides[["side_id", "recording_id", "order"]]
        .merge(manifest[columns], on="recording_id", how="left")
        .sort_values(["side_id", "order", "recording_id"], kind="stable")
    )
    grouped = joined.groupby("side_id", sort=True)
    told = grouped[list(OF_ONE_VALUE)]
    facts = told.first().where(told.nunique() == 1)
    facts["recorded_at"] = pd.to_numeric(grouped["recorded_at"].min())
    facts["duration_s"] = side_seconds(sides, segments)
    facts["recordings"] = grouped["path"].agg(list)
    return facts


def side_seconds(sides: Table, segments: Table) -> pd.Series[float]:
    """Return the seconds of each side's segments, by side_id."""
    length = (segments["end_s"] - segments["start_s"]).groupby(segments["recording_id"]).sum()
    by_recording = sides["recording_id"].map(length).fillna(0.0)
    seconds: pd.Series[float] = by_recording.groupby(sides["side_id"]).sum()
    return seconds
