"""Nodes of `fold`."""

from __future__ import annotations

import logging

from bodysounds.params import SplitParams
from bodysounds.types import Metrics, Table

logger = logging.getLogger(__name__)


def subsets_of_fold(subsets: Table, fold: int, n_folds: int) -> Table:
    """Return the subsets in which this fold is test and the next one dev."""
    from bodysounds.splitting.subsets import take_fold

    return take_fold(subsets, fold, n_folds)


def trials_of_fold(
    sides: Table, manifest: Table, subsets: Table, listed_trials: Table, params: SplitParams
) -> Table:
    """Return all pairs of the fold's dev and test; the corpus listed its own for other subsets."""
    from bodysounds.splitting.trials import make_trials

    tested = subsets["fold"][subsets["subset"] == "test"]
    if len(listed_trials) and (tested == 0).any():  # once, in the first fold
        logger.warning(
            "the corpus lists %d trials, which are of other subsets than the folds': they are left "
            "out, and every pair of a fold is compared instead",
            len(listed_trials),
        )
    return make_trials(sides, manifest, subsets, listed_trials.iloc[:0], params)


def pool(*tables: Table) -> Table:
    """Return the rows of all folds.

    A pair may be a dev trial of one fold and a test trial of the next, so the fold stands
    before its trial_id.
    """
    import pandas as pd

    return pd.concat(
        [part.assign(trial_id=f"fold_{k}:" + part["trial_id"]) for k, part in enumerate(tables)],
        ignore_index=True,
    )


def list_calibrations(*calibrations: Metrics) -> Metrics:
    """Return what each fold's own dev taught its calibrations, by fold and system."""
    return {f"fold_{k}": calibration for k, calibration in enumerate(calibrations)}
