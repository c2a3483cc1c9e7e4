"""The stage `report_classes`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.report_classes import detail_nodes
from bodysounds.pipelines.report_classes.compare_nodes import compare_previous
from bodysounds.pipelines.report_classes.nodes import draw, measure, write_page

FIGURES = ("figure.systems", "figure.confusion", "figure.classes", "figure.shortcuts")
DETAIL_FIGURES = (
    "figure.systems", "figure.confusion", "figure.classes", "figure.roc",
    "figure.precision_recall", "figure.reliability", "figure.risk_coverage", "figure.shortcuts",
)  # fmt: skip

DRAWN = {"figure.groups": detail_nodes.draw_groups, "figure.runs": detail_nodes.draw_runs}


def create_pipeline(task: str, *more_figures: str, classes_are: str = "classes") -> Pipeline:
    """predictions, examples, classifier -> metrics, confusions, figure.*, report,
    model_card.

    `task` is the page's name, `classes_are` what it calls the classes, and `more_figures` are
    datasets of earlier stages that the page shows too.
    """
    tables = ("confusions", "manifest", "rejected", "subsets", "split_facts", "classifier", "raw")
    return _stage(
        task,
        Node(
            _named(measure, classes_are=classes_are),
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
            _named(write_page, task=task),
            _page({name: name for name in tables}, (*FIGURES, *more_figures)),
            "report",
            name="write_page",
        ),
        _card(task, "classifier"),
    )


def create_details(
    task: str,
    *more_figures: str,
    model: str = "classifier",
    classes_are: str = "classes",
    groups_are: str = "sources",
    tables: tuple[str, ...] = (),
    drawn: tuple[str, ...] = (),
    previous: str = "previous",
) -> Pipeline:
    """The same for few classes, each rate by class with an interval, and what confidence means.

    `model` is the dataset of an ensemble, of a classifier, or of the rule of several runs, and
    `groups_are` what session_id names and intervals resample. `tables` are what the metrics of
    breath cycles take besides (split_facts, runs, task_predictions, task_facts), and `drawn` the
    figures of these metrics that the page shows too: figure.groups, figure.runs. `previous` is
    the run to compare with.
    """
    shown = ("confusions", "manifest", "rejected", "examples", "split_facts", "raw")
    return _stage(
        task,
        Node(
            _named(detail_nodes.measure, classes_are=classes_are, groups_are=groups_are),
            {
                **{name: name for name in ("predictions", "examples", "manifest", "raw", *tables)},
                "model": model,
                "params": "params:report_classes",
            },
            ["metrics", "confusions"],
            name="measure",
        ),
        Node(
            detail_nodes.draw,
            ["predictions", "metrics", "params:report_classes"],
            list(DETAIL_FIGURES),
            name="draw",
        ),
        *(
            Node(DRAWN[name], "metrics", name, name=f"draw_{name.removeprefix('figure.')}")
            for name in drawn
        ),
        Node(
            _named(detail_nodes.write_page, task=task),
            _page(
                {**{n: n for n in shown}, "model": model}, (*DETAIL_FIGURES, *more_figures, *drawn)
            ),
            "report",
            name="write_page",
        ),
        # a rule stands for several models, none of which is the one to describe
        *([_card(task, model)] if model != "rule" else []),
        previous=previous,
    )


def _stage(task: str, *nodes: Node, previous: str = "previous") -> Pipeline:
    compare = Node(
        _named(compare_previous, task=task),
        ["predictions", "examples", "manifest", "metrics", previous, "parameters"],
        ["rated", "comparison"],
        name="compare_previous",
    )
    return Pipeline(
        [*nodes, compare], namespace="report_classes", prefix_datasets_with_namespace=False
    )


def _named(function: Callable[..., Any], **given: Any) -> Callable[..., Any]:
    return update_wrapper(partial(function, **given), function)


def _card(task: str, model: str) -> Node:
    shown = ("metrics", "manifest", "rejected", "examples", "split_facts", "raw")
    return Node(
        _named(detail_nodes.write_card, task=task),
        {**{name: name for name in shown}, "model": model},
        "model_card",
        name="write_card",
    )


def _page(datasets: dict[str, str], figures: tuple[str, ...]) -> dict[str, str]:
    return {
        "metrics": "metrics",
        **datasets,
        "comparison": "comparison",
        "params": "params:report_classes",
        "parameters": "parameters",
        "predictions": "predictions",
        "waveforms": "waveforms",
        **{name.replace(".", "_"): name for name in figures},
    }
