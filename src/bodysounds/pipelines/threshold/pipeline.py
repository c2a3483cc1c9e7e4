"""The stage `threshold`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.threshold.nodes import choose_operating_point, decide


def create_pipeline() -> Pipeline:
    """scores, trials -> operating_point, decisions."""
    return Pipeline(
        [
            Node(
                choose_operating_point,
                ["scores", "trials", "sides", "manifest", "params:threshold"],
                "operating_point",
                name="choose_operating_point",
            ),
            Node(decide, ["scores", "trials", "operating_point"], "decisions", name="decide"),
        ],
        namespace="threshold",
        prefix_datasets_with_namespace=False,
    )
