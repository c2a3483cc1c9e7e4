"""The stage `train_classifier`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.train_classifier.nodes import draw_training, train


def create_pipeline() -> Pipeline:
    """waveforms, examples -> classifier, encoder, history, figure.training."""
    return Pipeline(
        [
            Node(
                train,
                ["waveforms", "examples", "manifest", "subsets", "params:train_classifier"],
                ["classifier", "encoder", "history"],
                name="train",
            ),
            Node(draw_training, ["history", "raw"], "figure.training", name="draw_training"),
        ],
        namespace="train_classifier",
        prefix_datasets_with_namespace=False,
    )
