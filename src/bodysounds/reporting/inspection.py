"""What a corpus holds, before anybody is told how well it works: recordings, copies and pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bodysounds.reporting.captions import rows
from bodysounds.reporting.cards import SUBSET_ORDER
from bodysounds.reporting.side_facts import side_facts, weighted_mean
from bodysounds.types import Array, Floats, Metrics, Table

DESCRIBED = (
    "level_dbfs", "peak_dbfs", "clipped_share", "noise_floor_dbfs", "bandwidth_hz",
    "voiced_share", "silence_share",
)  # fmt: skip
QUIET_DBFS = -40.0
CLIPPED_SHARE = 0.001
LEAST_SECONDS = (1.0, 10.0)
"""Subjects with less sound than these are counted."""
MOST_ROWS = 10


def recording_table(
    manifest: Table,
    subsets: Table,
    sides: Table,
    trials: Table,
    segments: Table,
    descriptors: Table,
) -> Table:
    """Return a row a recording: the manifest's, with subset, descriptors and n_trials.

    duration_s is that of its segments. Of the descriptors, which are a row a segment, it has the
    means weighted by duration, but the highest peak; NaN where none is finite. n_trials is how
    often the trials name its sides.
    """
    cut = segments[["segment_id", "recording_id"]].merge(descriptors, on="segment_id")
    cut = cut.sort_values(["recording_id", "segment_id"], kind="stable")
    by = cut["recording_id"]
    measured = pd.DataFrame({"duration_s": cut["duration_s"].groupby(by).sum()})
    for name in (name for name in DESCRIBED if name in cut):
        measured[name] = weighted_mean(cut, name, by)
    measured["peak_dbfs"] = cut["peak_dbfs"].groupby(by).max()
    columns = ["recording_id", "subject_id", "session_id", "path", "domain", "sex", "sha256"]
    table = manifest[columns].merge(subsets[["recording_id", "subset"]], on="recording_id")
    table = table.merge(measured.reset_index(), on="recording_id", how="left")
    named = pd.concat([trials["enrol_id"], trials["test_id"]]).value_counts()
    uses = sides["side_id"].map(named).fillna(0).groupby(sides["recording_id"]).sum()
    table["n_trials"] = table["recording_id"].map(uses).fillna(0).astype(np.int64)
    return table.sort_values("recording_id", ignore_index=True)


def of_subsets(recordings: Table) -> list[tuple[str, Table]]:
    """Return name and recordings of each subset that has any."""
    parts = [(name, recordings[recordings["subset"] == name]) for name in SUBSET_ORDER]
    return [(name, part) for name, part in parts if len(part)]


def uses(recordings: Table) -> list[dict[str, Any]]:
    """Return, for each subset with trials, how often they name a recording."""
    found = []
    for name, part in of_subsets(recordings):
        counts = part["n_trials"].to_numpy()
        if counts.any():
            least, median, most = np.quantile(counts, [0, 0.5, 1], method="inverted_cdf")
            found.append(
                {"subset": name, "recordings": len(part), "unused": int((counts == 0).sum()),
                 "least": int(least), "median": int(median), "most": int(most)}
            )  # fmt: skip
    return found


def most_used(recordings: Table) -> list[dict[str, Any]]:
    """Return the recordings that most trials name, ties by id; subsets named alike left out."""
    named = recordings[recordings["n_trials"] > 0]
    varied = named.groupby("subset")["n_trials"].transform("nunique") > 1
    named = named[varied]
    ranked = named.sort_values(["n_trials", "recording_id"], ascending=[False, True])
    return known_rows(ranked[["path", "subject_id", "subset", "n_trials"]].head(MOST_ROWS))


def subject_rows(recordings: Table) -> list[dict[str, Any]]:
    """Return, for each subset with known subjects, what a subject has: recordings and seconds."""
    found = []
    for name, part in of_subsets(recordings[recordings["subject_id"].notna()]):
        grouped = part.groupby("subject_id")
        count, seconds = grouped.size().to_numpy(), grouped["duration_s"].sum().to_numpy()
        found.append(
            {
                "subset": name,
                "subjects": len(count),
                "recordings": _spread(count),
                "seconds": _spread(seconds),
                "single": int((count == 1).sum()),
                **{f"under_{least:g}": int((seconds < least).sum()) for least in LEAST_SECONDS},
            }
        )
    return found


def sound_rows(recordings: Table) -> list[dict[str, Any]]:
    """Return durations, levels, peaks, clipping, silence and voice of each subset."""
    found = []
    for name, part in of_subsets(recordings):
        level, clipped = part["level_dbfs"], part.get("clipped_share")
        found.append(
            {
                "subset": name,
                "recordings": len(part),
                "duration": _spread(part["duration_s"]),
                "level": _spread(level),
                "peak": _spread(part["peak_dbfs"]),
                "quiet": int((level < QUIET_DBFS).sum()),
                "clipped": None if clipped is None else int((clipped > CLIPPED_SHARE).sum()),
                "silence": _median(part, "silence_share"),
                "voiced": _median(part, "voiced_share"),
            }
        )
    return found


def duplicates(recordings: Table, rejected: Table) -> Metrics:
    """Return groups of recordings of equal content, and how many copies were dropped.

    `{"groups", "recordings", "across" (groups of several known subjects), "dropped", "shown"}`;
    shown are the paths and subjects of the first groups, those across subjects before others.
    """
    table = recordings[recordings["sha256"].notna()]
    copies = table[table["sha256"].duplicated(keep=False)]
    shown = [
        {"paths": part["path"].tolist(), "subjects": sorted(part["subject_id"].dropna().unique())}
        for _, part in copies.groupby("sha256", sort=False)
    ]
    dropped = rejected["reason"].astype("str").str.contains("equal sha256", regex=False)
    shown.sort(key=lambda group: (-len(group["subjects"]), group["paths"]))
    return {
        "groups": len(shown),
        "recordings": len(copies),
        "across": sum(len(group["subjects"]) > 1 for group in shown),
        "dropped": int(dropped.sum()),
        "shown": shown[:MOST_ROWS],
    }


def trial_rows(trials: Table, sides: Table, manifest: Table, segments: Table) -> list[Metrics]:
    """Return, for each subset, what its pairs are: a share is None where nothing is known of it.

    targets is the share among the labelled pairs, same_sex that among pairs of which both sexes are
    known; apart_target and apart_nontarget are median differences of the durations in seconds, and
    apart that of all pairs.
    """
    facts = side_facts(sides, manifest, segments)[["duration_s", "sex"]]
    found = []
    for name in ("dev", "test"):
        part = trials[trials["subset"] == name]
        if part.empty:
            continue
        enrol, test = facts.reindex(part["enrol_id"]), facts.reindex(part["test_id"])
        apart = np.abs(enrol["duration_s"].to_numpy(float) - test["duration_s"].to_numpy(float))
        target = part["target"].astype("float64").to_numpy()
        first, second = (side["sex"].to_numpy(object) for side in (enrol, test))
        sexes = ~(pd.isna(first) | pd.isna(second))
        other = sexes & (target == 0)
        found.append(
            {
                "subset": name,
                "pairs": len(part),
                "sides": len({*part["enrol_id"], *part["test_id"]}),
                "unlabelled": int(np.isnan(target).sum()),
                "targets": _share(target == 1, ~np.isnan(target)),
                "same_sex": _share(first == second, sexes),
                "same_sex_nontarget": _share(first == second, other),
                "apart": _middle(apart),
                "apart_target": _middle(apart[target == 1]),
                "apart_nontarget": _middle(apart[target == 0]),
            }
        )
    return found


def known_rows(table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table, unknown values as None."""
    return rows(table.astype(object).where(table.notna(), None))


def _share(mask: Array, among: Array) -> float | None:
    return float(mask[among].mean()) if among.any() else None


def _middle(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _median(part: Table, column: str) -> float | None:
    return _middle(part[column].to_numpy(np.float64)) if column in part else None


def _spread(values: Any) -> dict[str, float] | None:
    """Return least, median and most of the finite values, None where there are none."""
    numbers = np.asarray(values, dtype=np.float64)
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return None
    return {"least": float(known.min()), "median": float(np.median(known)),
            "most": float(known.max())}  # fmt: skip
