"""The stage `split`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.split.nodes import assign_subsets, list_trials


def create_pipeline(with_trials: bool = True) -> Pipeline:
    """manifest, sides, listed_trials -> subsets and, unless each fold lists its own, trials."""
    nodes = [Node(assign_subsets, ["manifest", "params:split"], "subsets", name="assign_subsets")]
    if with_trials:
        nodes.append(
            Node(
                list_trials,
                ["sides", "manifest", "subsets", "listed_trials", "params:split"],
                "trials",
                name="list_trials",
            )
        )
    return Pipeline(nodes, namespace="split", prefix_datasets_with_namespace=False)
