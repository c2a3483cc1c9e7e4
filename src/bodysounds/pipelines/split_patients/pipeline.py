"""The stage `split_patients`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.split_patients.nodes import assign_patients


def create_pipeline() -> Pipeline:
    """manifest, segments -> subsets, split_facts, examples."""
    return Pipeline(
        [
            Node(
                assign_patients,
                ["manifest", "segments", "params:split_patients"],
                ["subsets", "split_facts", "examples"],
                name="assign_patients",
            )
        ],
        namespace="split_patients",
        prefix_datasets_with_namespace=False,
    )
