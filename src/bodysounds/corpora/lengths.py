"""Segments that a table lists, against how long their recordings turn out to be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from bodysounds.corpora.base import Listing, some
from bodysounds.types import Table

logger = logging.getLogger(__name__)

ROUNDING_S = 0.1
"""A segment may end that much later than its recording; more is no rounding, but a wrong file."""


class Last(NamedTuple):
    """The segment of a recording that ends last."""

    segment_id: str
    end_s: float


def last_segments(listing: Listing) -> Mapping[str, Last]:
    """Return the segment that ends last, by the recording's path; empty where nothing is cut."""
    if listing.segments is None:
        return {}
    last = listing.segments.sort_values("end_s").drop_duplicates("recording_id", keep="last")
    path = listing.recordings.set_index("recording_id")["path"]
    rows = zip(last["recording_id"].map(path), last["segment_id"], last["end_s"], strict=True)
    return {path: Last(name, float(end)) for path, name, end in rows}


def past_the_end(path: str, last: Last | None, duration_s: float) -> str:
    """Return why a recording is rejected whose segments go past its end, or nothing."""
    if last is None or last.end_s <= duration_s + ROUNDING_S:
        return ""
    return (
        f"{path} lasts {duration_s:.3f} s, but its segment {last.segment_id} ends at "
        f"{last.end_s:.3f} s: more than {ROUNDING_S:g} s past the end is no rounding; correct the "
        "annotation, or bring the whole recording"
    )


def cut_to_length(segments: Table, manifest: Table) -> Table:
    """Return segments (seconds) that end with their recordings at the latest.

    What is left of a segment must last longer than the rounding that is forgiven, 0.1 s, or the
    segment goes; both are logged.
    """
    duration = segments["recording_id"].map(manifest.set_index("recording_id")["duration_s"])
    late = segments["end_s"] > duration
    if not late.any():
        return segments.reset_index(drop=True)
    cut = segments.assign(end_s=segments["end_s"].where(~late, duration))
    gone = late & (cut["end_s"] - cut["start_s"] <= ROUNDING_S)
    logger.info(
        "%d of %d segments ended up to %g s after their recordings, and end with them",
        int(late.sum()), len(segments), ROUNDING_S,
    )  # fmt: skip
    if gone.any():
        logger.warning(
            "%d segments lie behind the end of their recordings, and are left out: %s",
            int(gone.sum()), some(cut.loc[gone, "segment_id"]),
        )  # fmt: skip
    return cut[~gone].reset_index(drop=True)
