"""One run of several: a method trained with a seed on a split, and what it says of the rest."""

from __future__ import annotations

import logging
from dataclasses import replace

from bodysounds.audio.packed import Packed
from bodysounds.params.runs import RunsParams
from bodysounds.params.split_patients import SplitPatientsParams
from bodysounds.params.train_respiratory import TrainRespiratoryParams
from bodysounds.scoring.member_predictions import member_table
from bodysounds.scoring.run_tables import KEPT, best_method, no_run
from bodysounds.splitting.patient_folds import of_fold
from bodysounds.training.respiratory import train_respiratory
from bodysounds.types import Table

log = logging.getLogger(__name__)


def fold_run(
    packed: Packed,
    examples: Table,
    split: SplitPatientsParams,
    params: TrainRespiratoryParams,
    runs: RunsParams,
    fold: int,
    method: str,
) -> Table:
    """Return what a method says of a fold of patients, and of the inner dev that chose its epoch.

    A table of `one_run`; empty where `runs.methods` lists another.
    """
    if method not in runs.methods:
        log.info("runs.methods lists no %s: fold %d is not trained by it", method, fold)
        return no_run()
    log.info("fold %d of %d, from 0:", fold, split.folds)
    return one_run(packed, of_fold(examples, fold, split), params, method, runs.seed)


def fold_run_by_cycle(
    packed: Packed,
    examples: Table,
    split: SplitPatientsParams,
    params: TrainRespiratoryParams,
    runs: RunsParams,
    fold: int,
    tables: dict[str, Table],
) -> Table:
    """Return the same for cycles dealt at random, by the method that the fold's inner dev chose.

    `tables` are those of `fold_run` of this fold, by method. Empty where `runs.by_cycle` is false.
    """
    if not runs.by_cycle:
        log.info("runs.by_cycle is false: fold %d is not dealt by cycle", fold)
        return no_run()
    method = best_method(tables, params.negative)
    log.info("fold %d of %d, from 0, its cycles dealt at random:", fold, split.folds)
    return one_run(packed, of_fold(examples, fold, split, by_cycle=True), params, method, runs.seed)


def seed_run(
    packed: Packed,
    examples: Table,
    params: TrainRespiratoryParams,
    runs: RunsParams,
    number: int,
    method: str,
) -> Table:
    """Return what run `number` of a method, from 0, says of dev and test.

    Empty where `runs.methods` lists another, and from `runs.n_seeds` on.
    """
    if method not in runs.methods or number >= runs.n_seeds:
        log.info("runs lists no %s of seed %d: it is not trained", method, number)
        return no_run()
    return one_run(packed, examples, params, method, runs.seed + number)


def one_run(
    packed: Packed, examples: Table, params: TrainRespiratoryParams, method: str, more_seed: int
) -> Table:
    """Return `KEPT`, method and p_<class> of dev and test, by a network that train taught."""
    own = replace(params, method=method, seed=params.seed + more_seed)
    log.info("%s, seed %d", method, own.seed)
    classifier, _ = train_respiratory(packed, examples, own)
    rest = examples[examples["subset"] != "train"]
    told = [name for name in KEPT if name not in ("segment_id", "label")]
    return member_table(classifier, packed, rest, told, own.device).assign(method=method)
