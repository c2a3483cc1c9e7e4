"""What the intervals of a classification resample."""

from __future__ import annotations

import pandas as pd

from bodysounds.types import Table

NAMED_WITHIN_CLASS = "sessions"
"""Groups of this kind are numbered anew in each class; any other name means one group."""


def groups_of(
    predictions: Table, examples: Table, groups_are: str = NAMED_WITHIN_CLASS
) -> pd.Series[str]:
    """Return the session_id of each prediction, or else its recording.

    Sessions are told apart by class; a source, or whatever else `groups_are`, may be of several.
    """
    told = examples.set_index("segment_id").loc[predictions["segment_id"]]
    session = told["session_id"].astype(object)
    own = session.where(session.notna(), "")
    if groups_are == NAMED_WITHIN_CLASS:
        own = told["label"].astype(object) + "\n" + own
    groups = own.where(session.notna(), told["recording_id"].astype(object))
    return pd.Series(groups.to_numpy(object), predictions.index)


def resampled(predictions: Table, examples: Table, groups_are: str = NAMED_WITHIN_CLASS) -> str:
    """Return what `groups_of` are, as text."""
    chosen = examples["segment_id"].isin(predictions["segment_id"])
    known = examples.loc[chosen, "session_id"].notna()
    if known.all():
        return groups_are
    return f"{groups_are}, and recordings where unknown" if known.any() else "recordings"
