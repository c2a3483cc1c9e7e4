"""The stage `tasks`."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.tasks.nodes import draw_gallery, draw_map, embed, probe


def create_pipeline() -> Pipeline:
    """classifier, waveforms, examples -> embeddings, task_predictions, task_facts, a figure."""
    return Pipeline(
        [
            Node(
                embed,
                ["classifier", "waveforms", "examples", "params:tasks"],
                "embeddings",
                name="embed",
            ),
            Node(
                probe,
                ["embeddings", "waveforms", "examples", "params:tasks"],
                ["task_predictions", "task_facts"],
                name="probe",
            ),
            Node(
                draw_map,
                ["embeddings", "examples", "raw", "params:tasks"],
                "figure.embedding_map",
                name="draw_map",
            ),
        ],
        namespace="tasks",
        prefix_datasets_with_namespace=False,
    )


def create_gallery() -> Pipeline:
    """predictions, metrics, waveforms, examples -> figure.breath_right_wrong.

    It lies in the room of the report, whose metrics it reads.
    """
    return Pipeline(
        [
            Node(
                draw_gallery,
                ["predictions", "metrics", "waveforms", "examples", "raw"],
                "figure.breath_right_wrong",
                name="draw_gallery",
            )
        ],
        namespace="report_classes",
        prefix_datasets_with_namespace=False,
    )
