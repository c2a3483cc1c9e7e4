"""The stage `threshold`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.threshold.nodes import calibrate, choose_operating_point, decide


def create_calibration() -> Pipeline:
    """scores, trials -> llrs, calibration."""
    return Pipeline(
        [
            Node(
                calibrate,
                ["scores", "trials", "sides", "manifest", "segments", "params:threshold"],
                ["llrs", "calibration"],
                name="calibrate",
            )
        ],
        namespace="threshold",
        prefix_datasets_with_namespace=False,
    )


def create_choice() -> Pipeline:
    """scores, trials, llrs, calibration -> operating_point, decisions."""
    return Pipeline(
        [
            Node(
                choose_operating_point,
                ["scores", "trials", "sides", "manifest", "calibration", "params:threshold"],
                "operating_point",
                name="choose_operating_point",
            ),
            Node(
                decide,
                ["scores", "trials", "operating_point", "llrs"],
                "decisions",
                name="decide",
            ),
        ],
        namespace="threshold",
        prefix_datasets_with_namespace=False,
    )


def create_pipeline() -> Pipeline:
    """scores, trials -> llrs, calibration, operating_point, decisions."""
    return create_calibration() + create_choice()
