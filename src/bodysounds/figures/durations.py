"""How the error falls with seconds of sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter

from bodysounds.figures import style
from bodysounds.types import Metrics, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "How much sound is needed"


def durations_figure(curve: Table, metrics: Metrics) -> Figure:
    """Return the EER where both sides have the same seconds, and the grid of all lengths.

    `curve` is the entry `duration_curve`; the band is its interval, and a cell that was not rated
    is left white. Where nothing was rated, the figure is empty and says so.
    """
    rated = curve[curve["eer"].notna()]
    about = style.about(metrics).splitlines()[0]
    if rated.empty:
        why = "no length has ten target and ten non-target pairs of sides so long"
        return style.empty_figure(TITLE, why, about)
    figure = Figure(figsize=(9.2, 4.6), facecolor="white")
    left, right = figure.subplots(1, 2, width_ratios=[1.1, 1.0])
    _draw_line(style.plain_axes(left), rated, metrics)
    _draw_grid(right, rated)
    style.title(
        figure, TITLE, f"{about}\neach side cut to its first seconds, shorter ones left out"
    )
    return figure


def _draw_line(axes: Axes, rated: Table, metrics: Metrics) -> None:
    same = rated[rated["enrol_s"] == rated["test_s"]].sort_values("enrol_s")
    seconds = same["enrol_s"].to_numpy()
    low, high = 100 * same["eer_low"], 100 * same["eer_high"]
    axes.fill_between(seconds, low, high, color=style.BLUE, alpha=0.16, linewidth=0)
    axes.errorbar(
        seconds, 100 * same["eer"], [100 * same["eer"] - low, high - 100 * same["eer"]],
        color=style.BLUE, marker="o", markersize=6, linewidth=1.8, elinewidth=1.0, capsize=3,
        label="both sides cut",
    )  # fmt: skip
    for x, y, n in zip(seconds, 100 * same["eer"], same["n_target"], strict=True):
        axes.annotate(
            f"{y:.1f}%\n{n:,} pairs", (x, y), (6, 5), textcoords="offset points", fontsize=8,
            color=style.INK, zorder=4, path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip
    if metrics["headline"].get("score", "cosine") == "cosine":  # as those of the curve are
        whole = 100 * metrics[metrics["headline"]["subset"]]["ours"]["eer"]
        axes.axhline(
            whole, color=style.GREY, linestyle="--", linewidth=1.2,
            label=f"whole sides: {whole:.1f}%",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(seconds, [f"{s:g}" for s in seconds])
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    axes.minorticks_off()
    axes.set_xlim(seconds[0] / 1.25, seconds[-1] * 1.6)
    axes.set_ylim(0, None)
    axes.set_xlabel("seconds of each side")
    axes.set_ylabel("equal error rate (%)")
    axes.legend(loc="best", fontsize=8.5, frameon=False)


def _draw_grid(axes: Axes, rated: Table) -> None:
    grid = rated.pivot(index="enrol_s", columns="test_s", values="eer") * 100
    values = grid.to_numpy(np.float64)
    # light to dark in grey too
    axes.imshow(values, cmap="Blues", vmin=0, vmax=max(50.0, np.nanmax(values)), origin="lower")
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        axes.text(
            column, row, f"{value:.1f}", ha="center", va="center", fontsize=9,
            color="white" if value > 30 else style.INK,
        )  # fmt: skip
    axes.set_xticks(range(len(grid.columns)), [f"{s:g}" for s in grid.columns])
    axes.set_yticks(range(len(grid.index)), [f"{s:g}" for s in grid.index])
    axes.tick_params(length=0, colors=style.INK, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("seconds of test")
    axes.set_ylabel("seconds of enrolment")
    axes.set_title("equal error rate (%)", fontsize=9.5, color=style.INK)
