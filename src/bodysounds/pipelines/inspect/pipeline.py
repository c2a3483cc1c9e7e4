"""The stage `inspect`."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.inspect.nodes import draw_inspection, write_inspection

FIGURES = (
    "figure.inspection_uses",
    "figure.inspection_subjects",
    "figure.inspection_durations",
    "figure.inspection_levels",
    "figure.inspection_channel",
)


def create_pipeline(task: str) -> Pipeline:
    """tables, descriptors, metrics, operating_point, failures -> inspection, figure.inspection_*.

    `task` is the page's name. The stage follows `report`, whose metrics and failures say where it
    fails, and shows its figure of the groups too.
    """
    tables = ("manifest", "subsets", "sides", "trials", "segments", "descriptors")
    judged = ("rejected", "metrics", "operating_point", "failures")
    return Pipeline(
        [
            Node(draw_inspection, [*tables, "raw"], list(FIGURES), name="draw_inspection"),
            Node(
                update_wrapper(partial(write_inspection, task=task), write_inspection),
                {
                    **{name: name for name in (*tables, *judged, "raw")},
                    **{name.replace(".", "_"): name for name in (*FIGURES, "figure.breakdown")},
                },
                "inspection",
                name="write_inspection",
            ),
        ],
        namespace="inspect",
        prefix_datasets_with_namespace=False,
    )
