"""What the split of a few classes decided, and the rule of an ensemble, as rows ready to print."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bodysounds.corpora.base import some
from bodysounds.params.report_classes import HEARD
from bodysounds.reporting.class_words import CONDITIONS, system_label
from bodysounds.types import Metrics, Table


def clip_rows(examples: Table) -> list[dict[str, Any]]:
    """Return a row for each part (train, dev, conditions of test) and class of the examples."""
    part = examples["subset"].where(examples["subset"] != "test", examples["condition"])
    named = examples.assign(part=part, seconds=examples["end_s"] - examples["start_s"])
    known = [name for pair in HEARD.items() for name in pair]
    found = []
    for name in ("train", "dev", *known, "unknown"):
        own = named[named["part"] == name]
        for k, (label, rows_) in enumerate(own.groupby("label", sort=True)):
            found.append(
                {
                    "part": name if name in ("train", "dev") else f"test, {CONDITIONS[name]}",
                    "first": k == 0,
                    "label": str(label),
                    "groups": int(rows_["session_id"].nunique()),
                    "recordings": int(rows_["recording_id"].nunique()),
                    "clips": len(rows_),
                    "minutes": float(rows_["seconds"].sum() / 60),
                }
            )
    return found


def split_told(facts: Metrics) -> dict[str, str]:
    """Return what the split decided, as text by name: plain values, and what was left out."""
    told = {
        _words(name).capitalize(): str(value)
        for name, value in facts.items()
        if value is not None and not isinstance(value, Mapping | list)
    }
    if facts.get("filled"):
        told["Shorter than a clip"] = listed(facts["filled"])
    for reason, names in facts.get("left_out", {}).items():
        told[f"Left out ({len(names):,})"] = f"{reason}: {some(names, 10)}"
    return told


def rule_facts(rule: Mapping[str, Any]) -> dict[str, str]:
    """Return what an ensemble's rule decides, as text by name."""
    told = {
        "Answers by": system_label(rule["chosen"]),
        "Temperatures": listed(rule.get("temperatures", {})),
        "Weights": listed(rule.get("weights", {})),
        "Abstains": listed(rule.get("abstain", {})),
        "Hears": listed({k: rule[k] for k in ("clip_s", "hop_s", "sample_rate") if k in rule}),
        "Events": listed(rule.get("events", {})),
    }
    return {name: text for name, text in told.items() if text}


def listed(values: Mapping[str, Any]) -> str:
    """Return names with their values in one line, those of `_s` in seconds."""
    return ", ".join(_pair(str(name), value) for name, value in values.items() if value is not None)


def _pair(name: str, value: Any) -> str:
    number = f"{value:.4g}" if isinstance(value, float) else str(value).replace("_", " ")
    if name.endswith("_s"):  # seconds
        return f"{name[:-2].replace('_', ' ')} {number} s"
    return f"{name.replace('_', ' ')} {number}"


def _words(name: str) -> str:
    return re.sub(r"_s$", ", s", name).replace("_", " ")
