"""Other questions asked of the same embeddings: abnormal or not, and what a patient has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_rating import ClassRating
from bodysounds.types import Metrics, Table

NEGATIVES = {"binary": "normal", "diagnosis": "healthy"}
"""The class without a finding, of each task."""
BESIDE = ("balanced_accuracy", "balanced_accuracy_ci95")
"""What is told of systems other than ours."""


def tasks_of(
    table: Table,
    params: ReportClassesParams,
    condition: str = "all",
    facts: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Metrics]:
    """Return the rates of each task, intervals by patient.

    Parameters
    ----------
    table : Table
        Of `bodysounds.scoring.downstream.task_predictions`: task, system, unit_id (a cycle or a
        patient), patient, condition, label, predicted and p_<class>, NaN for the classes of other
        tasks.
    condition : str
        Units that count, where there are some: those of the headline.
    facts : mapping, optional
        {task: {skipped, left_out, ...}} of the fits.

    Returns
    -------
    tasks : dict
        {task: {classes, n_groups (patients), chance (of balanced accuracy), fit (its facts),
        ...}}, and what `bodysounds.reporting.class_rating.ClassRating.entry` gives, with the rates
        of the ICBHI Score, of which the class without a finding is the negative; beside {system:
        balanced_accuracy, its interval, and ours_minus, the paired difference}. Of a task that was
        skipped: skipped, a sentence, alone.
    """
    told = {task: dict(own) for task, own in (facts or {}).items()}
    own = table[table["condition"] == condition]
    tested = own if len(own) else table
    found: dict[str, Metrics] = {
        name: {"skipped": own["skipped"]} for name, own in told.items() if own.get("skipped")
    }
    for task, part in tested.groupby("task", sort=False):
        ranked = part.sort_values("unit_id").dropna(axis="columns")
        ranked["rank"] = np.where(ranked["label"] == ranked["predicted"], 1, 2)
        systems = {str(name): own.reset_index(drop=True) for name, own in ranked.groupby("system")}
        rows = systems["ours"]
        classes = sorted(n.removeprefix("p_") for n in map(str, rows.columns) if n.startswith("p_"))
        rated = ClassRating(
            systems,
            rows["patient"].to_numpy(object),
            classes,
            replace(params, headline="balanced_accuracy", negative=NEGATIVES.get(str(task))),
        )
        found[str(task)] = {
            "classes": classes,
            "chance": 1 / rows["label"].nunique(),
            "fit": told.get(str(task), {}),
            **rated.entry("ours"),
            "beside": {
                name: {
                    **{key: rated.entry(name)[key] for key in BESIDE},
                    "ours_minus": rated.comparison(name, "balanced_accuracy"),
                }
                for name in systems
                if name != "ours"
            },
        }
    return found
