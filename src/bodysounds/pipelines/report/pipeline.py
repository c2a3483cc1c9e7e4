"""The stage `report`."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.report.nodes import draw, measure, submit, write_page

FIGURES = ("figure.det", "figure.histogram", "figure.eer", "figure.shortcuts")


def create_pipeline(
    task: str, *more_figures: str, encoder: str = "encoder", submission: bool = True
) -> Pipeline:
    """scores, operating_point, tables -> metrics, figure.*, submission, report.

    `task` is the page's name; `more_figures` are datasets of earlier stages that the page shows
    too; `encoder` is the one that its model card describes; without `submission` the test trials
    need not be a challenge's.
    """
    figures = (*FIGURES, *more_figures)
    page = update_wrapper(partial(write_page, task=task), write_page)
    tables = ("manifest", "rejected", "subsets", "sides")
    challenge = [Node(submit, ["scores", "trials", "raw"], "submission", name="submit")]
    return Pipeline(
        [
            *(challenge if submission else []),
            Node(
                measure,
                [
                    "scores",
                    "trials",
                    "sides",
                    "manifest",
                    "descriptors",
                    "segments",
                    "operating_point",
                    "subsets",
                    "raw",
                    "params:report",
                ],
                "metrics",
                name="measure",
            ),
            Node(
                draw,
                ["scores", "trials", "metrics", "operating_point"],
                list(FIGURES),
                name="draw",
            ),
            Node(
                page,
                {
                    "metrics": "metrics",
                    "operating_point": "operating_point",
                    **{name: name for name in tables},
                    "encoder": encoder,
                    "raw": "raw",
                    "parameters": "parameters",
                    **{name.replace(".", "_"): name for name in figures},
                },
                "report",
                name="write_page",
            ),
        ],
        namespace="report",
        prefix_datasets_with_namespace=False,
    )
