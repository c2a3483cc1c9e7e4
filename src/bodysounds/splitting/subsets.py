"""Train, dev and test, and folds: dealt by group, never by recording."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.corpora.base import SUBSETS, some
from bodysounds.params import SplitParams
from bodysounds.splitting.checks import check_disjoint, refuse_conflicting_hints
from bodysounds.splitting.units import units
from bodysounds.types import Ints, Table

__all__ = ["check_disjoint", "make_subsets", "take_fold"]


def make_subsets(manifest: Table, params: SplitParams) -> Table:
    """Return recording_id, subset (train, dev, test) and fold (int64), a row a recording.

    Groups are dealt, and groups that share a file (sha256) are dealt as one. A given subset_hint is
    honoured; the rest is drawn with the seed, whatever the order of the rows. Folds 0 ..
    n_folds - 1 hold about as many recordings each; fewer groups have a fold each. Recordings of
    unknown subjects without a hint serve training only: subset train, fold -1. Raises ValueError
    for hints that contradict each other within a group or between equal files.
    """
    refuse_conflicting_hints(manifest)
    unit = units(manifest)
    known = manifest["subject_id"].notna().groupby(unit).any()
    hint = manifest["subset_hint"].groupby(unit).first()
    size = unit.groupby(unit).size()
    dealt = known | hint.notna()
    names = size.index[dealt].sort_values()
    rng = np.random.default_rng(params.seed)
    subset = hint.copy()
    free = names[hint[names].isna()]
    drawn = rng.permutation(np.asarray(free, dtype=object))
    n_dev, n_test = (round(share * len(free)) for share in (params.dev_share, params.test_share))
    if params.dev_share > 0 and len(free) >= 8:
        # one alone makes no pair of different subjects, by which dev could choose
        n_dev = max(n_dev, 2)
    subset[drawn[:n_dev]] = "dev"
    subset[drawn[n_dev : n_dev + n_test]] = "test"
    subset = subset.fillna("train")
    fold = pd.Series(-1, size.index, dtype="int64")
    fold[names] = _deal(size[names].to_numpy(), params.n_folds, rng)
    subsets = pd.DataFrame(
        {
            "recording_id": manifest["recording_id"],
            "subset": unit.map(subset).astype("str"),
            "fold": unit.map(fold).astype("int64"),
        }
    )
    check_disjoint(subsets, manifest)
    return subsets.reset_index(drop=True)


def take_fold(subsets: Table, fold: int, n_folds: int) -> Table:
    """Return subsets of one round of cross-validation: that fold tests, the next one is dev.

    All others train, fold -1 too. Raises ValueError for a fold that is not there.
    """
    there = sorted(set(subsets["fold"]) - {-1})
    if n_folds < 3 or not 0 <= fold < n_folds or there != list(range(n_folds)):
        raise ValueError(
            f"fold {fold} of {n_folds} cannot be taken: the recordings were dealt into the folds "
            f"{some(there, 10) or 'of nobody'}, and three are needed to train, choose and test; "
            f"cross-validation in {n_folds} takes split.n_folds = {n_folds} and at least two "
            "subjects a fold"
        )
    names = np.full(n_folds + 1, SUBSETS[0], dtype=object)
    names[fold], names[(fold + 1) % n_folds] = "test", "dev"
    # fold -1 is the last of the names, and trains
    subset = pd.Series(names[subsets["fold"].to_numpy()], subsets.index, dtype="str")
    return subsets.assign(subset=subset)


def _deal(sizes: Ints, n_folds: int, rng: np.random.Generator) -> Ints:
    """Return a fold for each unit: the largest first, each to the emptiest fold."""
    shuffled = rng.permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    load = np.zeros((n_folds, 2), dtype=np.int64)  # recordings, then units
    fold = np.empty(len(sizes), dtype=np.int64)
    for at in order:
        fold[at] = np.lexsort((load[:, 1], load[:, 0]))[0]
        load[fold[at]] += sizes[at], 1
    return fold
