"""How far a method's result moves from one seed to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from bodysounds.figures import style
from bodysounds.figures.class_rates import about
from bodysounds.reporting.class_words import system_label
from bodysounds.types import Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Each run of each method"
RATES = {
    "score": ("ICBHI Score", style.BLUE, "o"),
    "se": ("sensitivity", style.ORANGE, "s"),
    "sp": ("specificity", style.GREEN, "^"),
}
PANELS = (("score",), ("se", "sp"))
STEP = 0.26


def runs_figure(metrics: Metrics) -> Figure:
    """Return a dot a run by method, with mean and std: the Score, and beside it its two halves.

    `metrics` is that entry of a task; its `runs` are those of
    `bodysounds.reporting.respiratory_runs.runs_of`. The bar is the mean, the line one standard
    deviation to each side: how a seed moves the result on the same patients, not what other
    patients would. Without runs the figure is empty and says so.
    """
    methods = metrics.get("runs", {}).get("methods", {})
    if not methods:
        return style.empty_figure(TITLE, "no method was trained more than once", about(metrics))
    figure = Figure(figsize=(8.8, 2.2 + 0.62 * len(methods)), facecolor="white")
    panels = [style.plain_axes(axes) for axes in figure.subplots(1, 2, sharey=True)]
    for axes, rates in zip(panels, PANELS, strict=True):
        for row, entry in enumerate(methods.values()):
            for k, rate in enumerate(rates):
                _draw(axes, row + STEP * (k - (len(rates) - 1) / 2), rate, entry[rate])
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.12)
    left, right = panels
    for told, colour, marker in RATES.values():
        right.plot([], [], marker, color=colour, markersize=6, label=told)
    names = [f"{system_label(name)}\n{_summary(entry)}" for name, entry in methods.items()]
    left.set_yticks(range(len(names)), names, fontsize=8.5)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.axvline(50, color=style.INK, linestyle=":", linewidth=1.2, label="_chance")
    left.annotate(
        "all named normal", (50, 1), (0, 2), xycoords=("data", "axes fraction"),
        ha="center", textcoords="offset points", fontsize=8, color=style.INK,
    )  # fmt: skip
    left.set_xlabel("ICBHI Score (%)")
    right.set_xlabel("its two halves (%)")
    figure.legend(loc="outside lower right", ncols=3, fontsize=9, frameon=False)
    # unlike the headline, a run counts the cycles of heard patients too, as published tables do
    synthetic = " · SYNTHETIC sound" if metrics["headline"]["synthetic"] else ""
    told = "a dot a run, a bar their mean, a line one standard deviation"
    style.title(figure, TITLE, f"all test cycles{synthetic}\n{told}")
    return figure


def _draw(axes: Axes, at: float, rate: str, told: Metrics) -> None:
    """Draw the runs of one rate, in percent."""
    _, colour, marker = RATES[rate]
    each = [100 * value for value in told["each"]]
    axes.plot(each, [at] * len(each), marker, color=colour, markersize=5.5, alpha=0.5,
              markeredgewidth=0, label=f"_{rate}")  # fmt: skip
    mean = 100 * told["mean"]
    axes.plot([mean] * 2, [at - 0.11, at + 0.11], color=colour, linewidth=2.6, label="_mean")
    if told["std"] is not None:
        ends = [mean - 100 * told["std"], mean + 100 * told["std"]]
        axes.plot(ends, [at, at], color=colour, linewidth=1.2, label="_std")


def _summary(entry: Metrics) -> str:
    score = entry["score"]
    std = "" if score["std"] is None else f" ({100 * score['std']:.2f})"
    runs = f"{entry['n']} run{'' if entry['n'] == 1 else 's'}"
    return f"{100 * score['mean']:.2f}{std}, {runs}"
