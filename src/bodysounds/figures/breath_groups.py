"""The ICBHI Score by device, place on the chest, age group and sex."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from bodysounds.figures import style
from bodysounds.figures.class_rates import about
from bodysounds.figures.eer import draw_interval
from bodysounds.types import Metrics

TITLE = "Ours by group of recordings"
PARTS = (
    ("se", "sensitivity", style.ORANGE, "s", "white", -0.14),
    ("sp", "specificity", style.BLUE, "o", style.BLUE, 0.14),
)
NAMES = {"domain": "device", "age_group": "age"}


def breath_groups_figure(metrics: Metrics) -> Figure:
    """Return Score, sensitivity and specificity of ours in each group, with their intervals.

    `metrics` is that entry of a task; its `groups` are those of
    `bodysounds.reporting.respiratory_groups.group_scores`. A group without a Score says why. Where
    there is no group at all the figure is empty and says so.
    """
    rows = [
        (column, value, entry)
        for column, values in metrics.get("groups", {}).items()
        for value, entry in values.items()
    ]
    if not rows:
        why = "nothing is known of the recordings that groups could be made by"
        return style.empty_figure(TITLE, why, about(metrics))
    figure = Figure(figsize=(8.8, 2.2 + 0.38 * len(rows)), facecolor="white")
    left, right = (style.plain_axes(axes) for axes in figure.subplots(1, 2, sharey=True))
    for row, (_, _, entry) in enumerate(rows):
        ours = entry["ours"]
        if ours["score"] is None:
            left.text(2, row, _why(entry), va="center", fontsize=8, color=style.GREY)
        else:
            draw_interval(left, row, {"eer_ci95": ours["score_ci95"]}, style.INK)
            left.plot([100 * ours["score"]], [row], "D", color=style.INK, markersize=6,
                      label="_score", zorder=3)  # fmt: skip
        for rate, _, colour, marker, face, shift in PARTS:
            if ours[rate] is None:
                continue
            draw_interval(right, row + shift, {"eer_ci95": ours[f"{rate}_ci95"]}, colour)
            right.plot([100 * ours[rate]], [row + shift], marker, color=colour,
                       markerfacecolor=face, markersize=6, label=f"_{rate}", zorder=3)  # fmt: skip
    for rate, told, colour, marker, face, _ in PARTS:
        right.plot([], [], marker, color=colour, markerfacecolor=face, markersize=6, label=told,
                   gid=rate)  # fmt: skip
    _lines(left, metrics)
    names = [
        f"{NAMES.get(column, column)}: {value}\n{entry['n']:,} cycles, {_patients(entry)}"
        for column, value, entry in rows
    ]
    left.set_yticks(range(len(rows)), names, fontsize=8)
    left.set_ylim(len(rows) - 0.5, -0.5)
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
        axes.set_xlim(-2, 102)
        for row in range(1, len(rows)):
            if rows[row][0] != rows[row - 1][0]:
                axes.axhline(row - 0.5, color="#BBBBBB", linewidth=0.8)
    left.set_xlabel("ICBHI Score (%)")
    right.set_xlabel("its two halves (%)")
    figure.legend(loc="outside lower right", ncols=2, fontsize=9, frameon=False)
    told = f"{about(metrics)}\nintervals resample {metrics['headline']['resampled']}"
    style.title(figure, TITLE, told)
    return figure


def _lines(axes: Any, metrics: Metrics) -> None:
    """Draw what naming every cycle normal scores, and what ours scores on all of them."""
    for value, told, line in (
        (0.5, "all normal", ":"),
        (metrics["test"]["ours"].get("score"), "all groups", "--"),
    ):
        if value is not None:
            axes.axvline(100 * value, color=style.GREY, linestyle=line, linewidth=1.2,
                         label=f"_{told}")  # fmt: skip
            axes.annotate(
                told, (100 * value, 1), (0, 2 if line == ":" else 11), ha="center", fontsize=8,
                xycoords=("data", "axes fraction"), textcoords="offset points", color=style.GREY,
            )  # fmt: skip


def _why(entry: Mapping[str, Any]) -> str:
    return "no Score: " + ("no normal cycle" if not entry["n_negative"] else "all cycles normal")


def _patients(entry: Mapping[str, Any]) -> str:
    return f"{entry['n_groups']:,} patient{'' if entry['n_groups'] == 1 else 's'}"
