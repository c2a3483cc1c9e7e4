"""The stage `featurize`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.featurize.nodes import describe_segments, pack_waveforms


def create_pipeline() -> Pipeline:
    """raw, manifest, segments -> waveforms, descriptors."""
    return Pipeline(
        [
            Node(
                pack_waveforms,
                ["raw", "manifest", "segments", "params:featurize"],
                "waveforms",
                name="pack_waveforms",
            ),
            Node(
                describe_segments,
                ["waveforms", "params:featurize"],
                "descriptors",
                name="describe_segments",
            ),
        ],
        namespace="featurize",
        prefix_datasets_with_namespace=False,
    )
