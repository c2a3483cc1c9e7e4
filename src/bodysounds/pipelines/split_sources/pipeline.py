"""The stage `split_sources`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.split_sources.nodes import assign_sources, cut_windows


def create_pipeline() -> Pipeline:
    """raw, manifest -> windows, subsets, split_facts, examples."""
    return Pipeline(
        [
            Node(
                cut_windows,
                ["raw", "manifest", "params:split_sources"],
                "windows",
                name="cut_windows",
            ),
            Node(
                assign_sources,
                ["manifest", "windows", "params:split_sources"],
                ["subsets", "split_facts", "examples"],
                name="assign_sources",
            ),
        ],
        namespace="split_sources",
        prefix_datasets_with_namespace=False,
    )
