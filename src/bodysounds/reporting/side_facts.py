"""What the manifest says of each side."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.types import Table

OF_ONE_VALUE = ("subject_id", "session_id", "domain", "sex", "age")


def side_facts(
    sides: Table, manifest: Table, segments: Table, descriptors: Table | None = None
) -> Table:
    """Return a row a side (index side_id) of what is known about it.

    subject_id, session_id, domain, sex and age are those of its recordings, NaN where they are
    unknown or differ; recorded_at is its earliest known time (unix seconds), duration_s what its
    segments last, and recordings a list of the paths of its recordings in order. With
    `descriptors`, level_dbfs is the mean level of its segments, weighted by duration; NaN where
    none is known.
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
    if descriptors is not None:
        by_side = sides[["side_id", "recording_id"]]
        cut = segments[["segment_id", "recording_id"]].merge(descriptors, on="segment_id")
        rows = by_side.merge(cut, on="recording_id", how="left")
        facts["level_dbfs"] = weighted_mean(rows, "level_dbfs", rows["side_id"])
    return facts


def weighted_mean(described: Table, column: str, by: pd.Series[str]) -> pd.Series[float]:
    """Return the mean of a descriptor, weighted by duration_s, by the names in `by`.

    Values that are not finite don't count; NaN where none does.
    """
    values = described[column].replace([np.inf, -np.inf], np.nan)
    weight = described["duration_s"].fillna(0.0).where(values.notna(), 0.0)
    total = (values.fillna(0.0) * weight).groupby(by).sum()
    share = weight.groupby(by).sum()
    mean: pd.Series[float] = total / share.where(share > 0)
    return mean


def side_seconds(sides: Table, segments: Table) -> pd.Series[float]:
    """Return the seconds of each side's segments, by side_id."""
    length = (segments["end_s"] - segments["start_s"]).groupby(segments["recording_id"]).sum()
    by_recording = sides["recording_id"].map(length).fillna(0.0)
    seconds: pd.Series[float] = by_recording.groupby(sides["side_id"]).sum()
    return seconds
