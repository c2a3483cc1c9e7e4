"""The shortcut audit: how far the properties of a recording alone tell its subject.

A verification system may recognise the microphone, the level or the file format in place of the
subject. Each property is scored by itself on the trials of the headline, without any training.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.metrics.verification import equal_error_rate
from bodysounds.reporting.plain import eer_interval, plain
from bodysounds.reporting.rating import Rating
from bodysounds.reporting.side_facts import weighted_mean
from bodysounds.types import Floats, Metrics, Table

NUMERIC = {
    "duration": "duration_s",
    "level": "level_dbfs",
    "peak": "peak_dbfs",
    "noise_floor": "noise_floor_dbfs",
    "bandwidth": "bandwidth_hz",
}
"""Name in the report, and column of the descriptors."""
CATEGORIES = ("sample_rate", "codec", "domain")
FLAG_EER = 0.4
"""A property is flagged at this EER or below, if its interval also stays below 0.5, widened so that
one of N_AUDITED without any meaning is flagged as seldom as one alone would be (Bonferroni)."""
N_AUDITED = len(NUMERIC) + len(CATEGORIES) + 1


def side_properties(
    sides: Table, manifest: Table, descriptors: Table, segments: Table
) -> tuple[Table, Table]:
    """Return numeric and categorical properties, one row a side (index side_id).

    A side's duration is the sum of its segments' and its other numbers are their means weighted by
    duration; values that are not finite don't count, and a side without any takes the mean of the
    other sides (NaN where no side has one). Its category is that of its recordings.
    """
    cut = segments[["segment_id", "recording_id"]].merge(descriptors, on="segment_id")
    rows = sides[["side_id", "recording_id"]].merge(cut, on="recording_id", how="left")
    order = pd.Index(sides["side_id"].unique(), name="side_id")
    by_side = rows["side_id"]
    duration = rows["duration_s"].fillna(0.0)
    numeric = pd.DataFrame(index=order)
    for name, column in NUMERIC.items():
        if name == "duration":
            numeric[name] = duration.groupby(by_side).sum().reindex(order)
            continue
        mean = weighted_mean(rows, column, by_side).reindex(order)
        numeric[name] = mean.fillna(mean.mean())
    about = sides[["side_id", "recording_id"]].merge(manifest, on="recording_id", how="left")
    categories = pd.DataFrame(index=order)
    for name in CATEGORIES:
        categories[name] = _distinct(about[name], about["side_id"]).reindex(order).fillna("")
    return numeric, categories


def _distinct(values: pd.Series[str], by: pd.Series[str]) -> pd.Series[str]:
    """Return the different values of each name in `by`, sorted and joined by +, but for missing."""
    told = pd.DataFrame({"by": by, "value": values}).dropna(subset=["value"])
    told["value"] = told["value"].map(str)
    told = told.drop_duplicates().sort_values(["by", "value"])
    several = told["by"].duplicated(keep=False)
    # nearly all have one, and no function is called for those
    joined = told[several].groupby("by")["value"].agg("+".join)
    found: pd.Series[str] = pd.concat([told[~several].set_index("by")["value"], joined])
    return found


def channel_distance(numeric: Table, train_ids: set[str]) -> Table:
    """Return the numeric properties in standard deviations of the train sides.

    All sides give mean and deviation where fewer than two are known to be train; a property that
    does not vary is left out.
    """
    among = numeric[numeric.index.isin(list(train_ids))]
    if len(among) < 2:
        among = numeric
    deviation = among.std(ddof=0)
    varying = deviation.index[deviation > 0]
    return (numeric[varying] - among[varying].mean()) / deviation[varying]


def shortcut_audit(
    rating: Rating,
    sides: Table,
    manifest: Table,
    descriptors: Table,
    segments: Table,
    subsets: Table | None = None,
) -> Metrics:
    """Return {property: {eer, eer_ci95, flagged}}, and `verdict`, a sentence.

    A numeric property scores a trial by the negative difference of its sides, a category by whether
    they are equal, and `channel` by the negative Euclidean distance of all numeric properties,
    standardised. A property is *flagged* where the widened interval's end is below 0.5 and the EER
    is at most 0.4. One that cannot tell any trial from another has null numbers, and `skipped`, the
    reason.
    """
    numeric, categories = side_properties(sides, manifest, descriptors, segments)
    chosen = rating.selection
    enrol = numeric.index.get_indexer(pd.Index(chosen.enrol_id))
    test = numeric.index.get_indexer(pd.Index(chosen.test_id))
    audit: Metrics = {}
    for name in NUMERIC:
        values = numeric[name].to_numpy(np.float64)
        audit[name] = _rated(rating, -np.abs(values[enrol] - values[test]))
    for name in CATEGORIES:
        codes = categories[name].to_numpy(object)
        if len(set(codes)) < 2:
            audit[name] = _skipped(f"constant: every side has {codes[0] or 'no value'}")
            continue
        audit[name] = _rated(rating, (codes[enrol] == codes[test]).astype(np.float64))
    scaled = channel_distance(numeric, _train_sides(sides, subsets)).to_numpy(np.float64)
    audit["channel"] = _rated(rating, -np.linalg.norm(scaled[enrol] - scaled[test], axis=1))
    return audit | {"verdict": verdict(audit)}


def _train_sides(sides: Table, subsets: Table | None) -> set[str]:
    if subsets is None:
        return set()
    train = subsets.loc[subsets["subset"] == "train", "recording_id"]
    known = sides.loc[sides["recording_id"].isin(train), "side_id"]
    return set(known)


def _skipped(reason: str) -> Metrics:
    return {"eer": None, "eer_ci95": None, "flagged": False, "skipped": reason}


def _rated(rating: Rating, scores: Floats) -> Metrics:
    chosen = rating.selection
    if not chosen.rateable:
        return _skipped("no labelled target and non-target pairs")
    if not np.isfinite(scores).all():
        return _skipped("unknown: no side has a finite value")
    if np.ptp(scores) == 0:
        return _skipped("constant: the sides of every trial are equally far apart")
    eer = equal_error_rate(chosen.labels, scores)[0]
    draws = rating.draws_of(scores, "trial")
    level = rating.params.level
    between = eer_interval(eer, draws, chosen.counts, level)
    wide = eer_interval(eer, draws, chosen.counts, 1 - (1 - level) / N_AUDITED)
    high = wide[1] if wide else None
    flagged = high is not None and high < 0.5 and eer <= FLAG_EER
    return {"eer": plain(eer), "eer_ci95": between, "flagged": bool(flagged)}


def verdict(audit: Metrics) -> str:
    """Return a sentence that names the flagged properties, or says that none is."""
    flagged = {name: entry["eer"] for name, entry in audit.items() if entry["flagged"]}
    rated = [name for name, entry in audit.items() if entry["eer"] is not None]
    if not rated:
        return "No property could be audited: there are no labelled trials in which one varies."
    if not flagged:
        return (
            f"None of the {len(rated)} properties audited tells subjects apart by itself: no "
            f"interval stays below 50% with an EER of {FLAG_EER:.0%} or less."
        )
    ranked = sorted(flagged.items(), key=lambda item: item[1])
    told = [f"{name.replace('_', ' ')} ({eer:.1%})" for name, eer in ranked]
    named = " and ".join(", ".join(told).rsplit(", ", 1))
    return (
        f"Warning: {named} alone {'tells' if len(flagged) == 1 else 'tell'} subjects apart, "
        "so part of the result may rest on how a recording was made rather than on who is heard."
    )
