"""Nodes of `runs`."""

from __future__ import annotations

from collections.abc import Sequence

from bodysounds.params.predict import PredictParams
from bodysounds.params.runs import RunsParams
from bodysounds.params.split_patients import SplitPatientsParams
from bodysounds.params.train_respiratory import TrainRespiratoryParams
from bodysounds.types import Metrics, Packed, Table


def train_fold(
    waveforms: Packed,
    examples: Table,
    split: SplitPatientsParams,
    params: TrainRespiratoryParams,
    runs: RunsParams,
    *,
    fold: int,
    method: str,
) -> Table:
    """Return what a method says of the patients of a fold, which it was not taught."""
    from bodysounds.devices import share_cores
    from bodysounds.training.runs import fold_run

    share_cores()
    return fold_run(waveforms, examples, split, params, runs, fold, method)


def train_by_cycle(
    waveforms: Packed,
    examples: Table,
    split: SplitPatientsParams,
    params: TrainRespiratoryParams,
    runs: RunsParams,
    *,
    fold: int,
    **methods: Table,
) -> Table:
    """Return what the fold's best method says of as many cycles, dealt at random."""
    from bodysounds.devices import share_cores
    from bodysounds.training.runs import fold_run_by_cycle

    share_cores()
    return fold_run_by_cycle(waveforms, examples, split, params, runs, fold, methods)


def fit_baselines(
    waveforms: Packed,
    examples: Table,
    descriptors: Table,
    split: SplitPatientsParams,
    params: PredictParams,
    runs: RunsParams,
    *,
    fold: int,
) -> Table:
    """Return what the baselines say of a fold."""
    from bodysounds.scoring.run_baselines import fold_baselines

    return fold_baselines(waveforms, examples, descriptors, split, params, runs, fold)


def pool(
    examples: Table,
    params: TrainRespiratoryParams,
    predict: PredictParams,
    *,
    methods: Sequence[str],
    folds: int,
    **tables: Table,
) -> tuple[Table, Metrics]:
    """Return the predictions of every patient, each tested once, and what was chosen by fold."""
    from bodysounds.scoring.run_tables import fold_rule, pool_folds
    from bodysounds.training.classifier_start import heard_at_start

    runs = [{name: tables[f"{name}_{k}"] for name in methods} for k in range(folds)]
    by_cycle, baselines = (
        [tables[f"{name}_{k}"] for k in range(folds)] for name in ("by_cycle", "baselines")
    )
    negative, most = params.negative, predict.most_columns
    predictions = pool_folds(examples, runs, by_cycle, baselines, negative, most)
    return predictions, fold_rule(runs, negative) | {"heard": heard_at_start(params)}


def train_seed(
    waveforms: Packed,
    examples: Table,
    params: TrainRespiratoryParams,
    runs: RunsParams,
    *,
    number: int,
    method: str,
) -> Table:
    """Return what a run of a method says of dev and test."""
    from bodysounds.devices import share_cores
    from bodysounds.training.runs import seed_run

    share_cores()
    return seed_run(waveforms, examples, params, runs, number, method)


def gather(
    waveforms: Packed,
    examples: Table,
    descriptors: Table,
    params: TrainRespiratoryParams,
    predict: PredictParams,
    runs: RunsParams,
    *,
    methods: Sequence[str],
    seeds: int,
    **tables: Table,
) -> tuple[Table, Table, Metrics]:
    """Return a row a run, the predictions of each method's mean probability, and who is ours."""
    from bodysounds.scoring.run_baselines import split_baselines
    from bodysounds.scoring.run_tables import gather_seeds, seed_rule
    from bodysounds.training.classifier_start import heard_at_start

    of_seeds = [{name: tables[f"{name}_{k}"] for name in methods} for k in range(seeds)]
    baselines = split_baselines(waveforms, examples, descriptors, predict)
    first = params.seed + runs.seed
    table, predictions = gather_seeds(
        of_seeds, baselines, params.negative, predict.most_columns, first
    )
    return table, predictions, seed_rule(of_seeds, table) | {"heard": heard_at_start(params)}
