"""What ICBHI 2017 is when it is whole, and what a folder of it holds."""

from __future__ import annotations

import logging

import pandas as pd

from bodysounds.corpora._icbhi_cycles import LABELS
from bodysounds.types import Metrics, Table

logger = logging.getLogger(__name__)

CLASSES = tuple(LABELS.values())
SUBSETS = ("train", "test")
INVARIANTS: Metrics = {
    "recordings": 920,
    "patients": 126,
    "cycles": 6898,
    "labels": {"normal": 3642, "crackle": 1864, "wheeze": 886, "both": 506},
    "split_recordings": {"train": 539, "test": 381},
    "split_patients": {"train": 79, "test": 49},
    "split_labels": {
        "train": {"normal": 2063, "crackle": 1215, "wheeze": 501, "both": 363},
        "test": {"normal": 1579, "crackle": 649, "wheeze": 385, "both": 143},
    },
    "patients_on_both_sides": ["156", "218"],
}
"""The published corpus; the split is the challenge's."""


def icbhi_facts(recordings: Table, segments: Table) -> Metrics:
    """Return the numbers of `INVARIANTS` as a folder of ICBHI 2017 has them, and some more.

    `recordings` is the manifest (recording_id, subject_id, subset_hint, domain, sex, age_group and
    label are read), `segments` has recording_id and label. The rest: `on_both_sides` {patient:
    {train, test: recordings}}, `split_devices` {device: {train, test: recordings}}, `unknown`
    {sex, age_group, label (the diagnosis), subset_hint: recordings without it}, `complete` (as many
    recordings as published) and `differences` (a sentence for each number that is none of the
    published ones; empty where the corpus is not complete).
    """
    hint = recordings["subset_hint"]
    labels = segments.assign(
        side=segments["recording_id"].map(recordings.set_index("recording_id")["subset_hint"])
    )
    sides = pd.crosstab(recordings["subject_id"], hint).reindex(columns=list(SUBSETS), fill_value=0)
    both = sides[(sides > 0).all(axis=1)].sort_index()
    facts: Metrics = {
        "recordings": len(recordings),
        "patients": int(recordings["subject_id"].nunique()),
        "cycles": len(segments),
        "labels": _counts(segments["label"]),
        "split_recordings": {side: int((hint == side).sum()) for side in SUBSETS},
        "split_patients": {side: int((sides[side] > 0).sum()) for side in SUBSETS},
        "split_labels": {
            side: _counts(labels.loc[labels["side"] == side, "label"]) for side in SUBSETS
        },
        "patients_on_both_sides": [str(patient) for patient in both.index],
        "on_both_sides": {str(who): _sides(row) for who, row in both.iterrows()},
        "split_devices": {
            str(device): _sides(row)
            for device, row in pd.crosstab(recordings["domain"], hint)
            .reindex(columns=list(SUBSETS), fill_value=0)
            .iterrows()
        },
        "unknown": {
            name: int(recordings[name].isna().sum())
            for name in ("sex", "age_group", "label", "subset_hint")
        },
        "complete": len(recordings) == INVARIANTS["recordings"],
    }
    return {**facts, "differences": differences(facts) if facts["complete"] else []}


def differences(facts: Metrics) -> list[str]:
    """Return a sentence for each of the published numbers that the facts contradict."""
    return [
        f"{name.replace('_', ' ')}: {facts[name]} here, {published} published"
        for name, published in INVARIANTS.items()
        if facts[name] != published
    ]


def tell_differences(recordings: Table, segments: Table, n_found: int) -> None:
    """Log, where a folder holds as many recordings as the whole corpus, how it differs from it."""
    if n_found < INVARIANTS["recordings"]:
        return
    wrong = differences(icbhi_facts(recordings, segments))
    if wrong:
        logger.warning(
            "%d recordings are there, but this is not ICBHI 2017 as published, and no figure can "
            "be set beside a published one: %s",
            n_found, "; ".join(wrong),
        )  # fmt: skip
    else:
        logger.info("ICBHI 2017 is whole: 920 recordings, 126 patients, 6,898 cycles as published")


def _counts(labels: pd.Series[str]) -> dict[str, int]:
    return {name: int((labels == name).sum()) for name in CLASSES}


def _sides(row: pd.Series[int]) -> dict[str, int]:
    return {side: int(row[side]) for side in SUBSETS}
