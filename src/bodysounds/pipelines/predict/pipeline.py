"""The stage `predict`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.predict.nodes import predict_classes


def create_pipeline() -> Pipeline:
    """classifier, waveforms, examples, descriptors -> predictions."""
    return Pipeline(
        [
            Node(
                predict_classes,
                [
                    "classifier",
                    "waveforms",
                    "examples",
                    "descriptors",
                    "manifest",
                    "subsets",
                    "params:predict",
                ],
                "predictions",
                name="predict_classes",
            )
        ],
        namespace="predict",
        prefix_datasets_with_namespace=False,
    )
