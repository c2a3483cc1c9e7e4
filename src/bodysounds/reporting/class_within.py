"""Rates within one corpus, of the original files alone, and of nothing to be heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_audit import audited
from bodysounds.reporting.class_calibration import KEPT
from bodysounds.reporting.class_rating import rating
from bodysounds.scoring.classes import prediction_table
from bodysounds.scoring.classify import ALONE
from bodysounds.scoring.events import EventRules
from bodysounds.scoring.false_alarms import false_alarms
from bodysounds.scoring.file_properties import file_predictions
from bodysounds.types import Metrics, Table


def domains(
    rows: Table,
    examples: Table,
    classes: Sequence[str],
    params: ReportClassesParams,
    groups_are: str,
) -> Metrics:
    """Return the rates within each corpus, the part of `domain` before a colon.

    {corpus: {classes {class: {n, n_groups}}, systems {system: entry}, shortcuts}}; shortcuts, None
    of one class, as `bodysounds.reporting.class_audit.audited` with the guess among its classes.
    """
    if "domain" not in examples or examples["domain"].isna().all():
        return {}
    named = examples.assign(domain=examples["domain"].astype(object).fillna("unknown"))
    corpus = named.set_index("segment_id")["domain"].str.partition(":")[0]
    own = rows["segment_id"].map(corpus)
    found = {}
    for name, part in rows.groupby(own, sort=True):
        audit = part["system"].str.startswith(ALONE)
        rated = rating(part[~audit], examples, classes, params, groups_are)
        entries = {
            system: {k: v for k, v in rated.entry(system).items() if k in KEPT}
            for system in rated.systems
        }
        labels = rated.systems["ours"]["label"].to_numpy(object)
        several = len(set(labels)) > 1
        alone = rating(part[audit], examples, classes, params, groups_are)
        found[str(name)] = {
            "classes": {
                label: {
                    "n": int((labels == label).sum()),
                    "n_groups": len(set(rated.groups[labels == label])),
                }
                for label in classes
                if (labels == label).any()
            },
            "systems": entries,
            "shortcuts": audited(alone, entries, 1 / len(set(labels)), who=False)
            if several
            else None,
        }
    return found


def files(
    examples: Table,
    rows: Table,
    manifest: Table,
    classes: Sequence[str],
    params: ReportClassesParams,
    groups_are: str,
) -> Metrics:
    """Return the rates that each property of the original files reaches alone on those rows."""
    chosen = examples["segment_id"].isin(rows["segment_id"])
    wanted = examples[chosen].sort_values("segment_id", ignore_index=True)
    said = file_predictions(examples, wanted, manifest, classes, params.seed)
    if not said:
        return {}
    table = pd.concat(
        [
            prediction_table(name, wanted, found, classes, len(classes))
            for name, found in said.items()
        ]
    )
    rated = rating(table, examples, classes, params, groups_are)
    entries = {name: rated.entry(name) for name in rated.systems}
    return {
        name: {key: entry[key] for key in KEPT if key != "per_class"}
        for name, entry in entries.items()
    }


def alarms(
    rows: Table, examples: Table, params: ReportClassesParams, rule: Mapping[str, Any]
) -> Metrics:
    """Return the false alarms an hour of each system, as `bodysounds.scoring.false_alarms` counts.

    {system: {n_events, hours, per_hour, per_hour_ci95, by_label, ...}}; empty without rules of
    events, and where no clip is of the quiet label.
    """
    if not rule.get("events"):
        return {}
    rules = EventRules(**rule["events"])
    quiet = rows[(rows["label"] == rules.quiet) & ~rows["system"].str.startswith(ALONE)]
    found = {}
    for system, part in quiet.groupby("system", sort=False):
        own = part if system == "ours" else part.drop(columns="abstained", errors="ignore")
        counted = false_alarms(own, examples, rules, level=params.level, seed=params.seed)
        between = counted.pop(f"per_hour_ci{100 * params.level:g}")
        found[str(system)] = {**counted, "per_hour_ci95": between}
    return found
