"""The node of `report_classes` that sets a run beside the one before it."""

from __future__ import annotations

from typing import Any

from bodysounds.params.plain import plain
from bodysounds.types import Metrics, Table


def compare_previous(
    predictions: Table,
    examples: Table,
    manifest: Table,
    metrics: Metrics,
    previous: Any,
    parameters: Metrics,
    *,
    task: str,
) -> tuple[Table, Metrics]:
    """Return the test clips with what ours says, and the comparison with the previous run."""
    from bodysounds.reporting.compare import compare_with_earlier
    from bodysounds.reporting.rated import rated_clips
    from bodysounds.reporting.record import data_hashes, run_record
    from bodysounds.reporting.runs_on_disk import Run

    rated = rated_clips(predictions, examples, manifest, metrics)
    told = {"parameters": plain(parameters.get(task, {})), "data": data_hashes(manifest)}
    run = Run(task, previous.corpus, None, metrics, run_record() | told, rated)
    return rated, compare_with_earlier(previous, run)
