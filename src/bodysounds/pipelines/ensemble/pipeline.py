"""The stage `ensemble`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.ensemble.nodes import ask, bundle_up, combine, learn_rule


def create_pipeline(members: Sequence[str], folds: int) -> Pipeline:
    """<member>.{fold_k, predicted, classifier}, examples, descriptors -> rule, predictions, bundle.

    `members` are the names of the branches and `folds` how many each has.
    """
    learn = partial(learn_rule, members=tuple(members), folds=folds)
    of_folds = {f"{name}_fold_{k}": f"{name}.fold_{k}" for name in members for k in range(folds)}
    predicted = {name: f"{name}.predicted" for name in members}
    return Pipeline(
        [
            Node(
                update_wrapper(learn, learn_rule),
                {
                    "examples": "examples",
                    "split": "params:split_sources",
                    "featurize": "params:featurize",
                    "params": "params:ensemble",
                    **of_folds,
                    **{f"{name}_predicted": entry for name, entry in predicted.items()},
                },
                "rule",
                name="learn_rule",
            ),
            Node(
                combine,
                {
                    "rule": "rule",
                    "examples": "examples",
                    "descriptors": "descriptors",
                    "params": "params:predict",
                    **predicted,
                },
                "predictions",
                name="combine",
            ),
            Node(
                bundle_up,
                {"rule": "rule", **{name: f"{name}.classifier" for name in members}},
                "bundle",
                name="bundle_up",
            ),
        ],
        namespace="ensemble",
        prefix_datasets_with_namespace=False,
    )


def create_evaluation() -> Pipeline:
    """bundle, waveforms, examples, descriptors -> predictions."""
    return Pipeline(
        [
            Node(
                ask,
                [
                    "bundle",
                    "waveforms",
                    "examples",
                    "descriptors",
                    "manifest",
                    "subsets",
                    "params:predict",
                ],
                "predictions",
                name="ask",
            )
        ],
        namespace="ensemble",
        prefix_datasets_with_namespace=False,
    )
