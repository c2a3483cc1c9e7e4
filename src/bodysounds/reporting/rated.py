"""What a headline stands on, row by row: the table that lets a later run be compared with this."""

from __future__ import annotations

import hashlib

import pandas as pd

from bodysounds.reporting.class_audit import RANDOM_CYCLE
from bodysounds.reporting.class_groups import groups_of
from bodysounds.reporting.trial_table import trial_table
from bodysounds.types import Metrics, Table

PAIR = ("trial_id", "target", "enrol_sha256", "test_sha256")
"""What makes two rated pairs the same: their name, their label and both sides' recordings."""
CLIP = ("segment_id", "label", "sha256")
"""What makes two rated clips the same."""
DIGITS = 16
"""Hexadecimal digits kept of a sha256: enough to tell recordings under one name apart."""


def rated_pairs(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    metrics: Metrics,
    llrs: Table | None = None,
) -> Table:
    """Return the labelled pairs of the headline's subset, with what ours says of them.

    trial_id, condition, target (1 or 0), enrol_subject, test_subject, enrol_sha256, test_sha256
    (the first digits, over the recordings of the side), score (the one that decides), llr (natural
    log; NaN where ours is not calibrated). Arguments are those entries of the task.
    """
    head = metrics["headline"]
    joined = trial_table(scores, trials, sides, manifest, head["score"], llrs)
    chosen = joined.select(head["subset"], "all")
    table = joined.table.iloc[chosen.rows].reset_index(drop=True)
    digests = _digests(sides, manifest)
    return pd.DataFrame(
        {
            "trial_id": table["trial_id"],
            "condition": table["condition"],
            "target": chosen.labels.astype("int8"),
            "enrol_subject": chosen.enrol.astype(str),
            "test_subject": chosen.test.astype(str),
            "enrol_sha256": table["enrol_id"].map(digests),
            "test_sha256": table["test_id"].map(digests),
            "score": chosen.scores["ours"],
            "llr": chosen.llrs.get("ours", float("nan")),
        }
    )


def rated_clips(
    predictions: Table,
    examples: Table,
    manifest: Table,
    metrics: Metrics,
) -> Table:
    """Return the clips of test, with what ours says of them.

    segment_id, condition, label, group (what intervals resample), sha256 (the first digits, of the
    recording and of where the clip lies in it), predicted, rank. Arguments are those entries of
    the task.
    """
    head = metrics["headline"]
    mine = (predictions["system"] == head["system"]) & (predictions["subset"] == head["subset"])
    chosen = predictions[mine & (predictions["condition"] != RANDOM_CYCLE)].reset_index(drop=True)
    places = examples.set_index("segment_id").loc[chosen["segment_id"]].reset_index()
    content = manifest.set_index("recording_id")["sha256"]
    told = zip(places["recording_id"].map(content), places["start_s"], places["end_s"], strict=True)
    return pd.DataFrame(
        {
            "segment_id": chosen["segment_id"],
            "condition": chosen["condition"],
            "label": chosen["label"].astype(str),
            "group": groups_of(chosen, examples, head["groups_are"]),
            "sha256": [_digest(f"{sha256} {start:.3f} {end:.3f}") for sha256, start, end in told],
            "predicted": chosen["predicted"].astype(str),
            "rank": chosen["rank"],
        }
    )


def what_was_rated(rated: Table) -> Metrics:
    """Return `sha256` and `n` of what was rated, whatever a system says of it and in any order."""
    key = PAIR if "trial_id" in rated else CLIP
    columns = [map(str, rated[name].tolist()) for name in key]
    rows = sorted(map(" ".join, zip(*columns, strict=True)))
    return {"sha256": hashlib.sha256("\n".join(rows).encode()).hexdigest(), "n": len(rated)}


def _digests(sides: Table, manifest: Table) -> dict[str, str]:
    """Return, by side, the digest of the recordings that it consists of."""
    ordered = sides.sort_values(["side_id", "order", "recording_id"], kind="stable")
    content = ordered["recording_id"].map(manifest.set_index("recording_id")["sha256"])
    joined = (
        content.astype(str).groupby(ordered["side_id"].to_numpy(object), sort=False).agg(" ".join)
    )
    return {str(side): _digest(text) for side, text in joined.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
