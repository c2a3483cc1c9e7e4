"""Takes rejected recordings out of segments, sides and trials."""

from __future__ import annotations

import logging

from bodysounds.corpora.base import Listing, some, whole_recordings
from bodysounds.corpora.lengths import cut_to_length
from bodysounds.types import Table

logger = logging.getLogger(__name__)


def drop_lost(listing: Listing, manifest: Table) -> tuple[Table, Table, Table]:
    """Return (segments, sides, listed_trials) without what lost its recordings.

    A side keeps the recordings that are left; a trial goes when one of its sides has none. What is
    lost is logged. Where the corpus cuts nothing, each recording is one segment; where it does, a
    segment ends with its recording at the latest.
    """
    kept = set(manifest["recording_id"])
    if listing.segments is None:
        segments = whole_recordings(manifest)
    else:
        there = listing.segments["recording_id"].isin(kept)
        segments = cut_to_length(listing.segments[there], manifest)
    sides = listing.sides[listing.sides["recording_id"].isin(kept)].reset_index(drop=True)
    names = set(sides["side_id"])
    lost = sorted(set(listing.sides["side_id"]) - names)
    trials = listing.listed_trials
    whole = trials["enrol_id"].isin(names) & trials["test_id"].isin(names)
    if lost:
        logger.warning("%d sides have no recording left: %s", len(lost), some(lost))
    if not whole.all():
        logger.warning(
            "%d of %d listed trials are left out, their sides have no recording left: %s",
            int((~whole).sum()),
            len(trials),
            some(trials.loc[~whole, "trial_id"]),
        )
    return segments, sides, trials[whole].reset_index(drop=True)


def warn_of_single_sides(sides: Table, manifest: Table) -> None:
    """Log which subjects have one side only, and what follows from it."""
    subject = manifest.set_index("recording_id")["subject_id"]
    pairs = sides[["side_id"]].assign(subject_id=sides["recording_id"].map(subject))
    counts = pairs.drop_duplicates().dropna().groupby("subject_id").size()
    single = sorted(counts.index[counts == 1])
    if single:
        logger.warning(
            "%d of %d subjects have one side only (one recording or session): %s; "
            "they make no target pair and serve training and non-target pairs",
            len(single),
            len(counts),
            some(single),
        )
