"""The stage `split_closed`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.split_closed.nodes import assign_clips, list_examples


def create_pipeline() -> Pipeline:
    """manifest, segments -> subsets, split_facts, examples."""
    return Pipeline(
        [
            Node(
                assign_clips,
                ["manifest", "params:split_closed"],
                ["subsets", "split_facts"],
                name="assign_clips",
            ),
            Node(
                list_examples,
                ["segments", "manifest", "subsets"],
                "examples",
                name="list_examples",
            ),
        ],
        namespace="split_closed",
        prefix_datasets_with_namespace=False,
    )
