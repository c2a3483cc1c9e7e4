"""The stage `train_embedding`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.train_embedding.nodes import draw_training, train


def create_pipeline() -> Pipeline:
    """waveforms and tables -> encoder, dev_encoder, history, figure.training."""
    return Pipeline(
        [
            Node(
                train,
                [
                    "waveforms",
                    "segments",
                    "sides",
                    "manifest",
                    "subsets",
                    "trials",
                    "params:train_embedding",
                ],
                ["encoder", "dev_encoder", "history"],
                name="train",
            ),
            Node(draw_training, ["history", "raw"], "figure.training", name="draw_training"),
        ],
        namespace="train_embedding",
        prefix_datasets_with_namespace=False,
    )
