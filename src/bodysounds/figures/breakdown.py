"""Error rates of groups of pairs, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from bodysounds.figures import style
from bodysounds.figures.eer import draw_interval
from bodysounds.types import Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIMENSIONS = {
    "sex": "sex",
    "nontarget_sex": "different subjects of",
    "age": "age",
    "domain": "domain",
    "session_gap": "time between",
    "duration": "shorter side",
    "duration_difference": "durations differ by",
    "level": "quieter side",
}
TITLE = "Ours by group"
AT_THRESHOLD = {
    "far": ("different subjects accepted", style.ORANGE, "s", "white", -0.14),
    "frr": ("same subject rejected", style.BLUE, "o", style.BLUE, 0.14),
}


def breakdown_figure(metrics: Metrics) -> Figure:
    """Return the EER, and the error rates at the threshold, of each group with their intervals.

    `metrics` is that entry of a task. A group without rates is named with its reason;
    where no group has any, the figure is empty and says so.
    """
    rows = [
        (dimension, name, entry)
        for dimension in DIMENSIONS
        for name, entry in metrics.get("breakdown", {}).get(dimension, {}).items()
    ]
    if all(entry["eer"] is None for _, _, entry in rows):
        why = "no group has enough pairs to be rated" if rows else "no group of pairs is known"
        return style.empty_figure(TITLE, why, style.about(metrics))
    figure = Figure(figsize=(8.6, 2.3 + 0.36 * len(rows)), facecolor="white")
    left, right = (style.plain_axes(axes) for axes in figure.subplots(1, 2, sharey=True))
    for row, (_, _, entry) in enumerate(rows):
        if entry["eer"] is None:
            left.text(1, row, str(entry["why"]), va="center", fontsize=8, color=style.GREY)
            continue
        _draw(left, row, entry, "eer", style.INK, "D", style.INK)
        for rate, (_, colour, marker, face, shift) in AT_THRESHOLD.items():
            _draw(right, row + shift, entry, rate, colour, marker, face)
    for rate, (told, colour, marker, face, _) in AT_THRESHOLD.items():
        right.plot(
            [], [], marker, color=colour, markerfacecolor=face, markersize=6, label=told, gid=rate
        )
    names = [
        f"{DIMENSIONS[dimension]}: {name}\n{_pairs(entry['n_target'])}"
        for dimension, name, entry in rows
    ]
    left.set_yticks(range(len(rows)), names, fontsize=8)
    left.set_ylim(len(rows) - 0.5, -0.5)
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
        end = max(10.0, axes.get_xlim()[1])
        axes.set_xlim(-0.02 * end, end)  # a mark at 0 is not cut
        for row in range(1, len(rows)):
            if rows[row][0] != rows[row - 1][0]:
                axes.axhline(row - 0.5, color="#BBBBBB", linewidth=0.8)
    left.set_xlabel("equal error rate (%)")
    right.set_xlabel("error rates at the threshold (%)")
    figure.legend(loc="outside lower right", ncols=2, fontsize=9, frameon=False)
    style.title(figure, TITLE, style.about(metrics))
    return figure


def _pairs(count: int) -> str:
    return f"{count:,} target pair{'' if count == 1 else 's'}"


def _draw(
    axes: Axes, row: float, entry: Mapping[str, Any], rate: str, colour: str, marker: str, face: str
) -> None:
    draw_interval(axes, row, {"eer_ci95": entry[f"{rate}_ci95"]}, colour)
    axes.plot(
        entry[rate] * 100, row, marker, color=colour, markerfacecolor=face, markersize=6,
        label=f"_{rate}", zorder=3,
    )  # fmt: skip
