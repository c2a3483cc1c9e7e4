"""The node of `report` that sets a run beside the one before it."""

from __future__ import annotations

from typing import Any

from bodysounds.params import plain
from bodysounds.types import Metrics, Table


def compare_previous(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    llrs: Table,
    metrics: Metrics,
    previous: Any,
    parameters: Metrics,
    *,
    task: str,
) -> tuple[Table, Metrics]:
    """Return what the headline's subset rated, and the comparison with the previous run."""
    from bodysounds.reporting.compare import compare_with_earlier
    from bodysounds.reporting.rated import rated_pairs
    from bodysounds.reporting.record import data_hashes, run_record
    from bodysounds.reporting.runs_on_disk import Run

    rated = rated_pairs(scores, trials, sides, manifest, metrics, llrs)
    told = {"parameters": plain(parameters.get(task, {})), "data": data_hashes(manifest)}
    run = Run(task, previous.corpus, None, metrics, run_record() | told, rated)
    return rated, compare_with_earlier(previous, run)
