"""One fold: its subsets, trials, encoder and scores; and the pool of all folds' scores."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines import score_pairs, threshold, train_embedding
from bodysounds.pipelines.fold.nodes import (
    list_calibrations,
    pool,
    subsets_of_fold,
    trials_of_fold,
)

SHARED = ("raw", "manifest", "segments", "sides", "listed_trials", "waveforms", "descriptors")


def create_pipeline(number: int, n_folds: int) -> Pipeline:
    """Shared tables -> fold_<number>.{subsets, trials, encoder, history, scores, llrs}."""
    choose = update_wrapper(partial(subsets_of_fold, fold=number, n_folds=n_folds), subsets_of_fold)
    return Pipeline(
        [
            Node(choose, "all_subsets", "subsets", name="subsets_of_fold"),
            Node(
                trials_of_fold,
                ["sides", "manifest", "subsets", "listed_trials", "params:split"],
                "trials",
                name="trials_of_fold",
            ),
            train_embedding.create_pipeline(),
            score_pairs.create_pipeline(durations=False),
            threshold.create_calibration(),
        ],
        namespace=f"fold_{number}",
        inputs={**{name: name for name in SHARED}, "all_subsets": "subsets"},
        parameters={
            f"params:{name}": f"params:{name}"
            for name in ("split", "train_embedding", "score_pairs", "threshold")
        },
    )


def create_pool(n_folds: int) -> Pipeline:
    """fold_*.{scores, trials, llrs, calibration} -> scores, trials, llrs, calibration."""

    def of_folds(name: str) -> list[str]:
        return [f"fold_{k}.{name}" for k in range(n_folds)]

    trials = Node(pool, of_folds("trials"), "trials", name="pool_trials")
    rest = [
        *(Node(pool, of_folds(name), name, name=f"pool_{name}") for name in ("scores", "llrs")),
        Node(list_calibrations, of_folds("calibration"), "calibration", name="list_calibrations"),
    ]
    # a room that took in scores and gave out trials would turn the layers of kedro-viz in a circle
    return Pipeline(
        [trials], namespace="pool_trials", prefix_datasets_with_namespace=False
    ) + Pipeline(rest, namespace="pool", prefix_datasets_with_namespace=False)
