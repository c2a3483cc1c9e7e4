"""What the metrics of breath cycles tell besides: groups, methods, runs, tasks and protocol."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_details import headline_rows
from bodysounds.reporting.class_rating import rating
from bodysounds.reporting.respiratory_groups import group_scores
from bodysounds.reporting.respiratory_runs import runs_of
from bodysounds.reporting.respiratory_tasks import tasks_of
from bodysounds.types import Metrics, Table

UNUSED = ("temperature", "abstention", "domains", "file_shortcuts", "false_alarms")
DEFINITIONS = {
    "heard_patient": "Test cycles of patients that train holds too, as the split has them.",
    "shortcuts": "Logistic regression on one property, and its square, of the cycle, its recording "
    "or its patient. Flagged where it is above naming every cycle normal, the interval widened for "
    "the number of properties audited, and at half of what ours gains over it.",
    "random_cycle": "The same cycles, dealt at random to as many folds: training then hears other "
    "cycles of each test patient, often of the same recording. What a split by cycle would claim.",
    "groups": "Cycles of the headline, by what is known of the recording. Few patients make a "
    "group: the interval says how few.",
    "runs": "Trainings that differ by their seed alone. Their standard deviation (n - 1) tells how "
    "far a seed moves a result on the same patients; the interval by patient tells how far other "
    "patients would. A difference must stand against both.",
}


def with_respiratory(
    metrics: Metrics,
    predictions: Table,
    examples: Table,
    params: ReportClassesParams,
    *,
    split_facts: Mapping[str, Any] | None = None,
    runs: Table | None = None,
    task_predictions: Table | None = None,
    task_facts: Mapping[str, Any] | None = None,
) -> Metrics:
    """Return the metrics with what a task of breath cycles tells besides.

    Parameters
    ----------
    metrics : dict
        Of `bodysounds.reporting.class_details.with_details`.
    predictions, examples : Table
        Those of the task; predictions of folds have `fold`.
    split_facts : mapping, optional
        protocol, warning, ... of the split by patient.
    runs : Table, optional
        A row a run, as `bodysounds.reporting.respiratory_runs.runs_of` takes them.
    task_predictions, task_facts : optional
        As `bodysounds.reporting.respiratory_tasks.tasks_of` takes them.

    Returns
    -------
    metrics : dict
        And `groups`, `methods` {method: {other: {difference, ci95, excludes_zero}}} (the headlined
        rate of a member minus that of each before it, paired by patient), `runs`, `tasks`,
        `protocol` {name, folds, warnings}; of the headline: unit.
    """
    head, rows = metrics["headline"], headline_rows(predictions, metrics)
    classes, groups_are = metrics["classes"], head["groups_are"]
    methods = head["members"]
    rated = rating(rows[rows["system"].isin(methods)], examples, classes, params, groups_are)
    return {
        **metrics,
        "headline": {**head, "unit": "cycle"},
        "groups": group_scores(rows, examples, classes, params, groups_are),
        "methods": {
            later: {
                other: rated.comparison(other, head["rate"], later)
                for other, one in combinations(methods, 2)
                if one == later
            }
            for later in methods[1:]
        },
        "runs": {} if runs is None or runs.empty else runs_of(runs, params.level),
        "tasks": {}
        if task_predictions is None
        else tasks_of(task_predictions, params, head["condition"], task_facts or {}),
        "protocol": protocol_of(split_facts or {}, rows),
        "definitions": _definitions(metrics),
    }


def protocol_of(facts: Mapping[str, Any], rows: Table) -> Metrics:
    """Return name, folds (how many were pooled, None of one split) and warnings of a protocol.

    In pooled folds each patient is tested once, by a network that did not hear it: what the split
    of the task warns of does not hold there.
    """
    if "fold" in rows and rows["fold"].notna().any():
        return {"name": "folds", "folds": int(rows["fold"].nunique()), "warnings": []}
    warning = facts.get("warning")
    return {
        "name": facts.get("protocol"),
        "folds": None,
        "warnings": [str(warning)] if warning else [],
    }


def _definitions(metrics: Metrics) -> dict[str, str]:
    """Return the terms that are in use here, cycles for clips."""
    told = {
        name: sentence.replace("clip", "cycle").replace("Clip", "Cycle")
        for name, sentence in metrics["definitions"].items()
        if name not in UNUSED
    }
    return {**told, **DEFINITIONS}
