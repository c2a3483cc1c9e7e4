"""The stage `score_pairs`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.score_pairs.nodes import score_trials


def create_pipeline() -> Pipeline:
    """encoder, waveforms, trials -> embeddings, embeddings_index, scores."""
    return Pipeline(
        [
            Node(
                score_trials,
                [
                    "encoder",
                    "waveforms",
                    "segments",
                    "sides",
                    "manifest",
                    "subsets",
                    "trials",
                    "descriptors",
                    "params:score_pairs",
                ],
                ["embeddings", "embeddings_index", "scores"],
                name="score_trials",
            )
        ],
        namespace="score_pairs",
        prefix_datasets_with_namespace=False,
    )
