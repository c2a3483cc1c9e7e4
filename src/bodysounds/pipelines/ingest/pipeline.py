"""The stage `ingest`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.ingest.nodes import read_corpus


def create_pipeline() -> Pipeline:
    """raw -> manifest, rejected, segments, sides, listed_trials."""
    return Pipeline(
        [
            Node(
                read_corpus,
                ["raw", "params:ingest"],
                ["manifest", "rejected", "segments", "sides", "listed_trials"],
                name="read_corpus",
            )
        ],
        namespace="ingest",
        prefix_datasets_with_namespace=False,
    )
