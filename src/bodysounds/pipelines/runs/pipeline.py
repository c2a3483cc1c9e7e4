"""The branches of folds and of seeds, a node a method, and what gathers them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.runs.nodes import (
    fit_baselines,
    gather,
    pool,
    train_by_cycle,
    train_fold,
    train_seed,
)

METHODS = ("sl", "scl", "hybrid", "mscl")
OF_FOLD = (*METHODS, "by_cycle", "baselines")
SHARED = ("examples", "waveforms", "descriptors")


def create_fold(fold: int) -> Pipeline:
    """Shared tables -> fold_<k>.run.{sl, scl, hybrid, mscl, by_cycle, baselines}."""
    split, train, runs = "params:split_patients", "params:train_respiratory", "params:runs"
    given = {
        "waveforms": "waveforms",
        "examples": "examples",
        "split": split,
        "params": train,
        "runs": runs,
    }
    return Pipeline(
        [
            *(
                Node(_named(train_fold, fold=fold, method=name), given, f"run.{name}", name=name)
                for name in METHODS
            ),
            Node(
                _named(train_by_cycle, fold=fold),
                {**given, **{name: f"run.{name}" for name in METHODS}},
                "run.by_cycle",
                name="by_cycle",
            ),
            Node(
                _named(fit_baselines, fold=fold),
                ["waveforms", "examples", "descriptors", split, "params:predict", runs],
                "run.baselines",
                name="baselines",
            ),
        ],
        namespace=f"fold_{fold}",
        inputs={name: name for name in SHARED},
        parameters={name: name for name in (split, train, runs, "params:predict")},
    )


def create_pool(folds: int) -> Pipeline:
    """fold_*.run.*, examples -> predictions, rule."""
    of_folds = {f"{name}_{k}": f"fold_{k}.run.{name}" for name in OF_FOLD for k in range(folds)}
    return Pipeline(
        [
            Node(
                _named(pool, methods=METHODS, folds=folds),
                {
                    "examples": "examples",
                    "params": "params:train_respiratory",
                    "predict": "params:predict",
                    **of_folds,
                },
                ["predictions", "rule"],
                name="pool_folds",
            )
        ],
        namespace="pool",
        prefix_datasets_with_namespace=False,
    )


def create_seed(number: int) -> Pipeline:
    """waveforms, examples -> seed_<k>.run.{sl, scl, hybrid, mscl}."""
    given = ["waveforms", "examples", "params:train_respiratory", "params:runs"]
    return Pipeline(
        [
            Node(_named(train_seed, number=number, method=name), given, f"run.{name}", name=name)
            for name in METHODS
        ],
        namespace=f"seed_{number}",
        inputs={name: name for name in ("waveforms", "examples")},
        parameters={name: name for name in given if name.startswith("params:")},
    )


def create_gathering(seeds: int) -> Pipeline:
    """seed_*.run.*, waveforms, examples, descriptors -> runs, predictions, rule."""
    of_seeds = {f"{name}_{k}": f"seed_{k}.run.{name}" for name in METHODS for k in range(seeds)}
    return Pipeline(
        [
            Node(
                _named(gather, methods=METHODS, seeds=seeds),
                {
                    **{name: name for name in SHARED},
                    "params": "params:train_respiratory",
                    "predict": "params:predict",
                    "runs": "params:runs",
                    **of_seeds,
                },
                ["runs", "predictions", "rule"],
                name="gather_seeds",
            )
        ],
        namespace="gather",
        prefix_datasets_with_namespace=False,
    )


def _named(function: Callable[..., Any], **given: Any) -> Callable[..., Any]:
    return update_wrapper(partial(function, **given), function)
