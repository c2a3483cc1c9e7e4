"""Nodes of `split`."""

from __future__ import annotations

from bodysounds.params import SplitParams
from bodysounds.types import Table


def assign_subsets(manifest: Table, params: SplitParams) -> Table:
    """Return subset and fold of each recording, no group in two."""
    from bodysounds.splitting.subsets import check_disjoint, make_subsets

    subsets = make_subsets(manifest, params)
    check_disjoint(subsets, manifest)
    return subsets


def list_trials(
    sides: Table, manifest: Table, subsets: Table, listed_trials: Table, params: SplitParams
) -> Table:
    """Return the trials of dev and test."""
    from bodysounds.splitting.trials import make_trials

    return make_trials(sides, manifest, subsets, listed_trials, params)
