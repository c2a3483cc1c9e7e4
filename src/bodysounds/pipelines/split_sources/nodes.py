"""Nodes of `split_sources`."""

from __future__ import annotations

from bodysounds.params.split_sources import SplitSourcesParams
from bodysounds.types import Corpus, Metrics, Table


def cut_windows(raw: Corpus, manifest: Table, params: SplitSourcesParams) -> Table:
    """Return the windows of every recording, all of one length."""
    from bodysounds.splitting.windows import cut_windows

    return cut_windows(raw, manifest, params)


def assign_sources(
    manifest: Table, windows: Table, params: SplitSourcesParams
) -> tuple[Table, Metrics, Table]:
    """Return subset and condition of each recording, what was decided, and the windows to learn."""
    from bodysounds.splitting.sources import split_sources

    return split_sources(manifest, windows, params)
