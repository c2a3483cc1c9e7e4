"""Does how a recording was made tell its subject, or its class, before anything is trained?"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from bodysounds.corpora.base import one_side_each, whole_recordings
from bodysounds.metrics.verification import equal_error_rate
from bodysounds.params import ReportParams
from bodysounds.params.predict import PredictParams
from bodysounds.reporting.rating import Rating
from bodysounds.reporting.shortcuts import shortcut_audit
from bodysounds.reporting.trial_table import Selection
from bodysounds.scoring.class_baselines import PROPERTIES, logistic, property_features
from bodysounds.types import Metrics, Table

MOST_PAIRS = 20_000
DRAWS = 200
LEAST_SUBJECTS = 5
WORDS = {
    "duration": "length", "level": "level", "peak": "peak level", "noise_floor": "noise floor",
    "bandwidth": "bandwidth", "sample_rate": "sample rate", "codec": "file format",
    "domain": "device", "channel": "channel (length, level, noise floor and bandwidth together)",
    "recorded_at": "time", "duration_s": "length", "level_dbfs": "level",
    "peak_dbfs": "peak level", "clipped_share": "clipping", "noise_floor_dbfs": "noise floor",
    "bandwidth_hz": "bandwidth", "silence_share": "share of silence",
}  # fmt: skip


def subject_shortcuts(manifest: Table, descriptors: Table, seed: int = 0) -> Metrics:
    """Return the shortcut audit of pairs of the described recordings, before any training.

    As `bodysounds.reporting.shortcuts.shortcut_audit`, with `recorded_at` (how near in time two
    recordings are) where times are known, n_subjects and n_pairs; {} where fewer than 5 subjects
    have two described recordings. Targets are pairs of other sessions where sessions are known and
    5 subjects have two.
    """
    known = manifest[manifest["subject_id"].notna()]
    known = known[known["recording_id"].isin(descriptors["recording_id"])]
    known = known.sort_values("recording_id", ignore_index=True)
    pairs = _pairs(known, seed)
    subject = known["subject_id"].to_numpy(object)
    labels = subject[pairs[:, 0]] == subject[pairs[:, 1]]
    if len(set(subject[pairs[labels, 0]])) < LEAST_SUBJECTS or labels.all():
        return {}
    ids = known["recording_id"].to_numpy(object)
    chosen = Selection(
        np.arange(len(pairs)), ids[pairs[:, 0]], ids[pairs[:, 1]], labels,
        subject[pairs[:, 0]], subject[pairs[:, 1]], scores={},
    )  # fmt: skip
    rating = Rating(chosen, ReportParams(seed=seed, n_bootstrap=DRAWS), costs={})
    segments = whole_recordings(known)
    described = descriptors.rename(columns={"recording_id": "segment_id"})
    audit = shortcut_audit(rating, one_side_each(known), known, described, segments)
    times = known["recorded_at"].to_numpy(np.float64)
    apart = np.abs(times[pairs[:, 0]] - times[pairs[:, 1]])
    there = np.isfinite(apart)
    if labels[there].any() and not labels[there].all() and np.ptp(apart[there]) > 0:
        eer = equal_error_rate(labels[there], -apart[there])[0]
        audit["recorded_at"] = {"eer": float(eer), "eer_ci95": None, "flagged": eer <= 0.4}
    return {**audit, "n_subjects": len(set(subject)), "n_pairs": len(pairs)}


def _pairs(known: Table, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return pairs of rows: those of one subject, and as many others as there is room for."""
    same = [
        pair
        for rows in known.groupby("subject_id", sort=True).indices.values()
        for pair in itertools.combinations(np.asarray(rows).tolist(), 2)
    ]
    session = known["session_id"].to_numpy(object)
    across = [(a, b) for a, b in same if session[a] != session[b]]
    subject, group = (known[name].to_numpy(object) for name in ("subject_id", "group_id"))
    enough = len({subject[a] for a, _ in across}) >= LEAST_SUBJECTS
    if known["session_id"].notna().all() and enough:
        same = across
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, max(1, len(known)), (2 * MOST_PAIRS, 2))
    drawn = drawn[drawn[:, 0] < drawn[:, 1]] if len(known) else drawn[:0]
    apart = group[drawn[:, 0]] != group[drawn[:, 1]]
    apart &= subject[drawn[:, 0]] != subject[drawn[:, 1]]
    others = np.unique(drawn[apart], axis=0)
    taken = np.asarray(same[:MOST_PAIRS], dtype=np.int64).reshape(-1, 2)
    return np.concatenate([taken, others.reshape(-1, 2)])


def label_shortcuts(manifest: Table, descriptors: Table, seed: int = 0) -> Metrics:
    """Return the balanced accuracy of each property alone at telling the classes, unheard sources.

    {property: {"balanced_accuracy", "flagged"}, "chance", "n"}: logistic regression on one half of
    the groups, tested on the other, and the other way round. Flagged is what comes half of the way
    from chance to 100%. {} where fewer than two classes have 10 described recordings each.
    """
    known = manifest[manifest["label"].notna()][["recording_id", "group_id", "label"]]
    rows = known.merge(descriptors, on="recording_id").sort_values("recording_id")
    counts = rows["label"].value_counts()
    rows = rows[rows["label"].isin(counts.index[counts >= 10])].reset_index(drop=True)
    classes = sorted(rows["label"].unique())
    if len(classes) < 2:
        return {}
    names = np.asarray(sorted(rows["group_id"].unique()), dtype=object)
    first = set(np.random.default_rng(seed).permutation(names)[: len(names) // 2])
    half = rows["group_id"].isin(first).to_numpy()
    if any(rows["label"][part].nunique() < len(classes) for part in (half, ~half)):
        return {}
    chance = 1 / len(classes)
    found: Metrics = {"chance": chance, "n": len(rows)}
    for name in PROPERTIES:
        if rows[name].nunique() > 1:
            rate = _balanced_accuracy(rows, name, half, classes, seed)
            flagged = rate >= (1 + chance) / 2
            found[name] = {"balanced_accuracy": rate, "flagged": bool(flagged)}
    return found


def _balanced_accuracy(
    rows: Table, name: str, half: np.ndarray[tuple[int], np.dtype[np.bool_]], classes: list[str],
    seed: int,
) -> float:  # fmt: skip
    examples = rows[["recording_id", "label"]].rename(columns={"recording_id": "segment_id"})
    params = PredictParams(seed=seed, balanced=True)
    said = pd.Series("", rows.index, dtype="str")
    for train in (half, ~half):
        dealt = examples.assign(subset=np.where(train, "train", "test"))
        wanted = dealt[~train]
        features = property_features(rows, [name], train)
        with np.errstate(divide="ignore"):  # the logarithm of a class that is ruled out
            told = logistic(features, dealt, wanted, classes, params)
        said[~train] = np.asarray(classes, dtype=object)[told.argmax(axis=1)]
    hit = said == rows["label"]
    return float(hit.groupby(rows["label"]).mean().mean())


def sentences(of_subjects: Metrics, of_labels: Metrics) -> list[str]:
    """Return what the shortcuts mean, in plain words."""
    told = []
    numbers = {
        name: entry
        for name, entry in of_subjects.items()
        if isinstance(entry, dict) and entry["eer"] is not None
    }
    flagged = {name: entry for name, entry in numbers.items() if entry["flagged"]}
    for name, entry in sorted(flagged.items(), key=lambda one: one[1]["eer"]):
        what = f"each subject has its own {WORDS[name]}"
        if name == "recorded_at":
            what = "a subject's recordings lie near each other in time"
        told.append(f"{what}: the EER of that alone is {entry['eer']:.0%}, where 50% is guessing")
    if numbers and not flagged:
        told.append(
            "none of " + ", ".join(WORDS[name] for name in numbers) + " tells subjects apart"
        )
    rates = {name: entry for name, entry in of_labels.items() if isinstance(entry, dict)}
    for name, entry in sorted(rates.items(), key=lambda one: -one[1]["balanced_accuracy"]):
        if entry["flagged"]:
            told.append(
                f"each class has its own {WORDS[name]}: it alone names the right one for "
                f"{entry['balanced_accuracy']:.0%} (balanced), where guessing has "
                f"{of_labels['chance']:.0%}"
            )
    if rates and not any(entry["flagged"] for entry in rates.values()):
        best = max(rates, key=lambda name: rates[name]["balanced_accuracy"])
        told.append(
            f"no property alone tells the classes well: the best, {WORDS[best]}, has a balanced "
            f"accuracy of {rates[best]['balanced_accuracy']:.0%}"
        )
    return told
