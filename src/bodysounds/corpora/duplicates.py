"""Recordings that are copies of others: one is kept."""

from __future__ import annotations

import logging
from collections.abc import Collection

import pandas as pd

from bodysounds.corpora.base import Listing, some
from bodysounds.types import Table

logger = logging.getLogger(__name__)


def tested_recordings(listing: Listing) -> set[str]:
    """Return the recordings of all sides that a listed trial names."""
    trials, sides = listing.listed_trials, listing.sides
    named = sides["side_id"].isin({*trials["enrol_id"], *trials["test_id"]})
    return set(sides["recording_id"][named])


def drop_duplicates(manifest: Table, spared: Collection[str] = ()) -> tuple[Table, Table]:
    """Return the manifest without copies, in its order, and path and reason of what was dropped.

    Of recordings of equal sha256 the first by recording_id is kept, a spared one before others and
    one of a known subject before one of nobody; spared ones are never dropped. The reason names the
    kept one, and its subject where that is another: then one of the two labels must be wrong, and
    somebody should look.

    Parameters
    ----------
    manifest : Table
        recording_id, subject_id, path, sha256.
    spared : collection of str
        recording_id.
    """
    is_spared = manifest["recording_id"].isin(set(spared))
    ranked = manifest.assign(other=~is_spared, nobody=manifest["subject_id"].isna())
    ranked = ranked.sort_values(["other", "nobody", "recording_id"])
    first = ranked.groupby("sha256")["recording_id"].transform("first").reindex(manifest.index)
    kept = manifest.set_index("recording_id").loc[first].reset_index().set_index(manifest.index)
    copy = (manifest["recording_id"] != kept["recording_id"]) & ~is_spared
    dropped, of = manifest[copy], kept[copy]
    apart = (dropped["subject_id"] != of["subject_id"]) & (
        dropped["subject_id"].notna() & of["subject_id"].notna()
    )
    reason = "is a copy of " + of["path"] + " (equal sha256), which is kept"
    whose = ", though of subject " + dropped["subject_id"] + " and that one of " + of["subject_id"]
    reason = dropped["path"] + " " + reason + whose.where(apart, "")
    if len(dropped):
        logger.warning(
            "%d of %d recordings are copies of others (equal sha256), left out by "
            "ingest.duplicates = drop and listed in `rejected`: %s",
            len(dropped),
            len(manifest),
            some(sorted(dropped["path"])),
        )
    if apart.any():
        logger.warning(
            "%d of these copies are filed under another subject than what is kept (%s): one of the "
            "two is misfiled; listen to them",
            int(apart.sum()),
            some(sorted(dropped["path"][apart])),
        )
    rejected = pd.DataFrame({"path": dropped["path"], "reason": reason}).astype("str")
    return manifest[~copy].reset_index(drop=True), rejected.sort_values("path", ignore_index=True)
