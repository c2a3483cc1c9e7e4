"""The stage `train_respiratory`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.train_respiratory.nodes import draw_training, train


def create_pipeline() -> Pipeline:
    """waveforms, examples -> classifier, history, figure.training."""
    return Pipeline(
        [
            Node(
                train,
                ["waveforms", "examples", "manifest", "subsets", "params:train_respiratory"],
                ["classifier", "history"],
                name="train",
            ),
            Node(
                draw_training,
                ["history", "raw", "params:train_respiratory"],
                "figure.training",
                name="draw_training",
            ),
        ],
        namespace="train_respiratory",
        prefix_datasets_with_namespace=False,
    )
