"""What the page of a task of breath cycles says besides: patients, devices, captions, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.metrics.respiratory import SCORE_RATES
from bodysounds.reporting.cards import value_counts
from bodysounds.reporting.class_audit import known_pair
from bodysounds.reporting.class_words import CONDITIONS, system_label
from bodysounds.reporting.respiratory_groups import COLUMNS, UNKNOWN
from bodysounds.reporting.words import percent
from bodysounds.types import Metrics, Table

WIDE = ("breath_right_wrong", "embedding_map", "groups", "runs")
CAPTIONS = {
    "breath_right_wrong": "Log-mel spectrograms of test cycles of each class, right and wrong, "
    "chosen by rule and not by hand.",
    "embedding_map": "Embeddings of test cycles in two dimensions, by class and by device: clouds "
    "of one device are what a network may hear instead of the breath.",
    "groups": "ICBHI Score of each group with its interval by patient; dotted, naming every cycle "
    "normal.",
    "runs": "Each run of each method, with their mean and standard deviation.",
}
PARTS = {"train": "train", "dev": "dev", **{k: CONDITIONS[k] for k in CONDITIONS if "patient" in k}}
INTENDED = (
    "Research on telling crackles and wheezes apart in recordings like those above, with the error "
    "rates given."
)
LIMITS = (
    "It is no medical device and diagnoses nobody: most of what it takes for abnormal, or misses, "
    "is in the tables above. Other stethoscopes, places on the chest, ages and diseases are "
    "untested; cycles were cut by experts, and nothing here finds them."
)


def page_values(
    metrics: Metrics, split_facts: Mapping[str, Any], rule: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the templates of breath cycles print besides the metrics, ready to print.

    Of tasks without breath cycles the same names, with nothing behind them.
    """
    head = metrics["headline"]
    breath = head.get("unit") == "cycle"
    pair = known_pair(head["condition"], metrics["subgroups"])
    heard = CONDITIONS[pair[1]] if pair else f"heard {head['groups_are']}"
    claim = f"what a split by {head.get('unit', 'clip')} would have claimed"
    if breath and pair and pair[1] == "heard_patient":
        claim = "what patients in both halves add"
    conditions = {**CONDITIONS, "all": "all test cycles"} if breath else CONDITIONS
    devices, parts = _devices(split_facts) if breath else ({}, [])
    return {
        "conditions": conditions,
        "heard_name": heard,
        "heard_claim": claim,
        "system_rates": tuple(rate for rate in SCORE_RATES if rate != "se_any")
        if breath
        else ("balanced_accuracy", "accuracy", "macro_f1"),
        "run_rates": SCORE_RATES,
        "breath_columns": COLUMNS,
        "choices": rule.get("choices", []),
        "device_rows": devices,
        "device_parts": parts,
    }


def dealt(
    metrics: Metrics, examples: Table, facts: Mapping[str, Any]
) -> tuple[Table, dict[str, Any]]:
    """Return examples and facts of the split as the data card tells them.

    The warning stands above. Where folds were pooled every cycle is test, and what the one split
    of the task decided says nothing of it.
    """
    told = {name: value for name, value in facts.items() if name != "warning"}
    if facts.get("corpus"):
        told["the_corpus"] = corpus_told(facts["corpus"])
    if metrics.get("protocol", {}).get("folds") is None:
        return examples, told
    kept = ("by", "seed", "folds", "folds_from", "left_out", "the_corpus")
    return (
        examples.assign(subset="test", condition="unseen_patient"),
        {name: told[name] for name in kept if name in told},
    )


def corpus_told(corpus: Mapping[str, Any]) -> str:
    """Return how a folder compares with ICBHI 2017 as published, in a sentence.

    `corpus` is as `bodysounds.corpora.icbhi_facts.icbhi_facts` gives.
    """
    size = (
        f"{corpus['recordings']:,} recordings of {corpus['patients']:,} patients, "
        f"{corpus['cycles']:,} cycles"
    )
    both = corpus["patients_on_both_sides"]
    halves = f"; in both halves of the split: {', '.join(both)}" if both else ""
    if not corpus["complete"]:
        return f"{size}: not the 920 of ICBHI 2017{halves}"
    if corpus["differences"]:
        return f"{size}, not ICBHI 2017 as published: {'; '.join(corpus['differences'])}"
    return f"{size}: ICBHI 2017 as published{halves}"


def breath_facts(manifest: Table) -> dict[str, str]:
    """Return devices, rates, places, sexes, ages and diagnoses, as text by name.

    Recordings are counted, but for sexes, ages and diagnoses, of which patients are.
    """
    facts = {}
    for column, name, unit in (
        ("domain", "Devices (recordings)", ""), ("sample_rate", "Sample rates", " Hz"),
        ("codec", "Files", ""), ("location", "Places on the chest", ""), ("mode", "Modes", ""),
    ):  # fmt: skip
        if column in manifest and manifest[column].notna().any():
            facts[name] = value_counts(manifest, column, unit)
    patients = manifest.sort_values("recording_id").drop_duplicates("subject_id")
    for column, name in (("sex", "Sexes (patients)"), ("label", "Diagnoses (patients)")):
        if column in patients and patients[column].notna().any():
            facts[name] = value_counts(patients, column)
    ages = _ages(patients)
    return {**facts, "Ages (patients)": ages} if ages else facts


def alt_texts(metrics: Metrics) -> dict[str, str]:
    """Return the text in place of the figures of breath cycles, numbers included."""
    groups = "; ".join(
        f"{COLUMNS[column]} {value} {percent(entry['ours']['score'])}"
        for column, values in metrics.get("groups", {}).items()
        for value, entry in values.items()
    )
    runs = "; ".join(
        f"{system_label(name)} {percent(entry['score']['mean'])}"
        + (f" (std {percent(entry['score']['std'], 2)})" if entry["n"] > 1 else "")
        for name, entry in metrics.get("runs", {}).get("methods", {}).items()
    )
    return {
        "breath_right_wrong": "Spectrograms of right and wrong test cycles of each class.",
        "embedding_map": "Map of the embeddings of test cycles, by class and by device.",
        "groups": f"ICBHI Scores by group: {groups or 'no group is known'}.",
        "runs": f"ICBHI Scores of the runs by method: {runs or 'no run'}.",
    }


def _devices(facts: Mapping[str, Any]) -> tuple[dict[str, list[int]], list[str]]:
    """Return cycles by device for each part that has some, and the parts' names."""
    counts: Mapping[str, Mapping[str, int]] = facts.get("domains", {})
    if not counts or set(counts) == {UNKNOWN}:
        return {}, []
    parts = [part for part in PARTS if any(own.get(part) for own in counts.values())]
    rows = {device: [int(own.get(part, 0)) for part in parts] for device, own in counts.items()}
    return rows, [PARTS[part] for part in parts]


def _ages(patients: Table) -> str:
    """Return ages as range and median, by age group where it is known; empty where none is."""
    years = pd.to_numeric(patients["age"], errors="coerce").to_numpy(np.float64)
    if np.isnan(years).all():
        return ""
    group = patients["age_group"] if "age_group" in patients else pd.Series("", patients.index)
    told = []
    for name, own in pd.Series(years, patients.index).groupby(group):
        known = own.dropna()
        if len(known):
            label = f"{name} ({len(known):,})" if name else f"{len(known):,} known"
            told.append(f"{label} {known.min():g} to {known.max():g}, median {known.median():g}")
    missing = int(np.isnan(years).sum())
    return "; ".join(told) + (f"; unknown ({missing:,})" if missing else "")
