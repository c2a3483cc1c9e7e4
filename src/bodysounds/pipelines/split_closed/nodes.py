"""Nodes of `split_closed`."""

from __future__ import annotations

from bodysounds.params.split_closed import SplitClosedParams
from bodysounds.types import Metrics, Table


def assign_clips(manifest: Table, params: SplitClosedParams) -> tuple[Table, Metrics]:
    """Return subset and condition of each recording, and what was decided."""
    from bodysounds.splitting.closed_set import closed_split, split_seed

    return closed_split(manifest, params, split_seed(params))


def list_examples(segments: Table, manifest: Table, subsets: Table) -> Table:
    """Return the segments to classify, with their speaker."""
    from bodysounds.splitting.closed_set import list_examples

    return list_examples(segments, manifest, subsets)
