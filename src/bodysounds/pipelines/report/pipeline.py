"""The stage `report`."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.report.compare_nodes import compare_previous
from bodysounds.pipelines.report.nodes import (
    draw,
    draw_breakdown,
    draw_durations,
    list_failures,
    measure,
    search_gallery,
    submit,
    write_card,
    write_page,
)

DRAWN = ("figure.det", "figure.histogram", "figure.eer", "figure.shortcuts")
FIGURES = (*DRAWN, "figure.breakdown", "figure.gallery")


def create_pipeline(
    task: str,
    *more_figures: str,
    encoder: str = "encoder",
    submission: bool = True,
    durations: bool = True,
    previous: str = "previous",
) -> Pipeline:
    """scores, operating_point, tables -> metrics, failures, figure.*, submission, report,
    model_card.

    `task` is the page's name; `more_figures` are datasets of earlier stages that the page shows
    too; `encoder` is the one that the page describes, and where it is one of several there is no
    model_card; without `submission` the test trials need not be a challenge's, and without
    `durations` there is no duration_curve to show; `previous` is the run to compare with.
    """
    curves = ("gallery_curve", "duration_curve") if durations else ("gallery_curve",)
    figures = (*FIGURES, *(("figure.durations",) if durations else ()), *more_figures)
    joined = ["scores", "trials", "sides", "manifest"]
    rated = ["metrics", "operating_point"]
    page = update_wrapper(partial(write_page, task=task), write_page)
    card = update_wrapper(partial(write_card, task=task), write_card)
    compare = update_wrapper(partial(compare_previous, task=task), compare_previous)
    tables = ("manifest", "rejected", "subsets", "sides")
    challenge = [
        Node(submit, ["scores", "trials", "operating_point", "raw"], "submission", name="submit")
    ]
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
                    "llrs",
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
                list(DRAWN),
                name="draw",
            ),
            Node(draw_breakdown, "metrics", "figure.breakdown", name="draw_breakdown"),
            Node(
                list_failures,
                [*joined, "segments", *rated, "params:report"],
                "failures",
                name="list_failures",
            ),
            Node(
                search_gallery,
                [*joined, *rated, "params:report"],
                ["gallery_curve", "figure.gallery"],
                name="search_gallery",
            ),
            *(
                [
                    Node(
                        draw_durations,
                        ["duration_curve", "metrics"],
                        "figure.durations",
                        name="draw_durations",
                    )
                ]
                if durations
                else []
            ),
            Node(
                compare,
                [*joined, "llrs", "metrics", previous, "parameters"],
                ["rated", "comparison"],
                name="compare_previous",
            ),
            Node(
                page,
                {
                    "metrics": "metrics",
                    "comparison": "comparison",
                    "operating_point": "operating_point",
                    **{name: name for name in (*tables, "failures", *curves)},
                    "encoder": encoder,
                    "raw": "raw",
                    "parameters": "parameters",
                    "params": "params:report",
                    **{name: name for name in ("trials", "segments", "waveforms")},
                    **{name.replace(".", "_"): name for name in figures},
                },
                "report",
                name="write_page",
            ),
            *(
                [
                    Node(
                        card,
                        {n: n for n in (*rated, *tables, "gallery_curve", "encoder", "raw")},
                        "model_card",
                        name="write_card",
                    )
                ]
                if encoder == "encoder"
                else []
            ),
        ],
        namespace="report",
        prefix_datasets_with_namespace=False,
    )
