"""Rows of equal error rates with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bodysounds.figures import style
from bodysounds.types import Figure, Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def eer_figure(metrics: Metrics) -> Figure:
    """Return the EER of every system with its interval, by trial and by subject.

    `metrics` is that entry of a task; a system without an EER is left out.
    """
    systems = metrics[metrics["headline"]["subset"]]
    rated = {name: entry for name, entry in systems.items() if entry["eer"] is not None}
    figure, axes = style.new_figure(6.4, 2.0 + 0.6 * max(len(rated), 1))
    looks = style.look(systems)
    for row, (name, entry) in enumerate(rated.items()):
        colour, _, marker = looks[name]
        for part, shift, face, told in (
            (entry, -0.13, colour, "pairs weigh equally"),
            (entry["by_subject"], 0.13, "white", "subjects weigh equally"),
        ):
            draw_interval(axes, row + shift, part, colour)
            axes.plot(
                part["eer"] * 100, row + shift, marker=marker, markersize=7,
                color=colour, markerfacecolor=face, linestyle="none",
                label=told if row == 0 else f"_{told}",
            )  # fmt: skip
    name_rows(axes, [style.label(name) for name in rated])
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    style.title(figure, "Equal error rate of each system", style.about(metrics))
    return figure


def draw_interval(axes: Axes, row: float, entry: Mapping[str, Any], colour: str) -> None:
    """Draw the eer_ci95 of an entry as a line with ends, in percent; nothing where it is None."""
    interval = entry.get("eer_ci95")
    if interval and None not in interval:
        low, high = interval
        axes.plot([low * 100, high * 100], [row, row], color=colour, linewidth=1.8, label="_ci")
        for edge in (low, high):
            axes.plot([edge * 100] * 2, [row - 0.1, row + 0.1], color=colour, linewidth=1.4)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows from the top, and draw the line of chance at 50%."""
    axes.axvline(50, color=style.INK, linestyle=":", linewidth=1.2, label="_chance")
    axes.annotate(
        "chance", (50, 1), (0, 2), xycoords=("data", "axes fraction"), ha="center",
        textcoords="offset points", fontsize=8, color=style.INK,
    )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, max(62.0, axes.get_xlim()[1]))
    axes.set_xlabel("equal error rate (%), with its interval over subjects")
