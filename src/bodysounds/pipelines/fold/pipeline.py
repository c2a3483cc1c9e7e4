"""One fold: its subsets, trials, encoder and scores; and the pool of all folds' scores."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines import score_pairs, train_embedding
from bodysounds.pipelines.fold.nodes import pool, subsets_of_fold, trials_of_fold

SHARED = ("raw", "manifest", "segments", "sides", "listed_trials", "waveforms", "descriptors")


def create_pipeline(number: int, n_folds: int) -> Pipeline:
    """Shared tables -> fold_<number>.{subsets, trials, encoder, history, embeddings, scores}."""
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
            score_pairs.create_pipeline(),
        ],
        namespace=f"fold_{number}",
        inputs={**{name: name for name in SHARED}, "all_subsets": "subsets"},
        parameters={
            name: name for name in ("params:split", "params:train_embedding", "params:score_pairs")
        },
    )


def create_pool(n_folds: int) -> Pipeline:
    """fold_*.scores, fold_*.trials -> scores, trials."""
    tables = [f"fold_{k}.{name}" for k in range(n_folds) for name in ("scores", "trials")]
    return Pipeline(
        [Node(pool, tables, ["scores", "trials"], name="pool")],
        namespace="pool",
        prefix_datasets_with_namespace=False,
    )
