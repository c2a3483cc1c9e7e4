"""The stage `bundle`."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.bundle.nodes import bundle_up


def create_pipeline(task: str) -> Pipeline:
    """encoder, operating_point, calibration, metrics, model_card, tables -> bundle.

    `task` is the name that the bundle gives itself.
    """
    return Pipeline(
        [
            Node(
                update_wrapper(partial(bundle_up, task=task), bundle_up),
                [
                    "encoder",
                    "operating_point",
                    "calibration",
                    "metrics",
                    "model_card",
                    "waveforms",
                    "segments",
                    "sides",
                    "manifest",
                    "subsets",
                    "raw",
                    "params:score_pairs",
                    "params:bundle",
                ],
                "bundle",
                name="bundle_up",
            )
        ],
        namespace="bundle",
        prefix_datasets_with_namespace=False,
    )
