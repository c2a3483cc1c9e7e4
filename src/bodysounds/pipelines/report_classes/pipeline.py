"""The stage `report_classes`."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.report_classes.nodes import draw, measure, write_page

FIGURES = ("figure.systems", "figure.confusion", "figure.classes", "figure.shortcuts")


def create_pipeline(task: str, *more_figures: str, classes_are: str = "classes") -> Pipeline:
    """predictions, examples, classifier -> metrics, confusions, figure.*, report.

    `task` is the page's name, `classes_are` what it calls the classes, and `more_figures` are
    datasets of earlier stages that the page shows too.
    """
    named = partial(measure, classes_are=classes_are)
    page = partial(write_page, task=task)
    tables = ("confusions", "manifest", "rejected", "subsets", "split_facts", "classifier", "raw")
    return Pipeline(
        [
            Node(
                update_wrapper(named, measure),
                ["predictions", "examples", "classifier", "raw", "params:report_classes"],
                ["metrics", "confusions"],
                name="measure",
            ),
            Node(
                draw,
                ["predictions", "metrics", "params:report_classes"],
                list(FIGURES),
                name="draw",
            ),
            Node(
                update_wrapper(page, write_page),
                {
                    "metrics": "metrics",
                    **{name: name for name in tables},
                    "params": "params:report_classes",
                    "parameters": "parameters",
                    **{name.replace(".", "_"): name for name in (*FIGURES, *more_figures)},
                },
                "report",
                name="write_page",
            ),
        ],
        namespace="report_classes",
        prefix_datasets_with_namespace=False,
    )
