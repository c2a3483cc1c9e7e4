"""Which of a task's pipelines made a run: what two of different kinds rate is not the same."""

from __future__ import annotations

from bodysounds.types import Metrics

PLAIN = ""
"""Of the task's own pipeline, and of its `_evaluate`, which scores the same test."""


def kind_of(task: str, record: Metrics) -> str:
    """Return `PLAIN`, or what follows the task's name in its pipeline's, such as folds.

    `record` is the entry `record`; one that names no pipeline of the task is of a plain run.
    """
    for name in (record.get("run") or {}).get("pipeline_names") or []:
        kind = str(name).removeprefix(f"{task}_")
        if kind not in (str(name), "evaluate"):
            return kind
    return PLAIN


def pipeline_of(task: str, kind: str) -> str:
    """Return the name of the pipeline that makes runs of a kind."""
    return f"{task}_{kind}" if kind else task
