"""Precision and recall of each class by each system, with their intervals."""

from __future__ import annotations

from bodysounds.figures import style
from bodysounds.figures.class_rates import about, unit_of
from bodysounds.figures.panels import framed, panels
from bodysounds.reporting.class_words import shown_systems
from bodysounds.types import Figure, Metrics

SHOWN = (("recall", "o", 0.14, True), ("precision", "D", -0.14, False))


def class_dots_figure(metrics: Metrics) -> Figure:
    """Return a panel a class: recall (filled) and precision (hollow), a row a system."""
    shown = {k: v for k, v in shown_systems(metrics).items() if k != "most_frequent"}
    unit = unit_of(metrics)
    figure, axes = panels(len(metrics["classes"]), 3.4, 0.9 + 0.36 * len(shown), most=3)
    for panel, name in zip(axes, metrics["classes"], strict=True):
        for row, system in enumerate(shown):
            entry = metrics["test"][system]["per_class"][name]
            colour = style.BLUE if system == "ours" else style.GREY
            for rate, marker, shift, filled in SHOWN:
                if entry[rate] is None:
                    continue
                between = entry[f"{rate}_ci95"]
                if between and None not in between:
                    panel.plot([100 * end for end in between], [row - shift] * 2, color=colour,
                               linewidth=1.4, label="_ci")  # fmt: skip
                panel.plot(
                    [100 * entry[rate]], [row - shift], marker, color=colour, markersize=6,
                    markerfacecolor=colour if filled else "white", label="_mark", zorder=3,
                    clip_on=False,
                )  # fmt: skip
        panel.set_yticks(range(len(shown)), list(shown.values()))
        panel.tick_params(axis="y", labelsize=8.5)
        panel.set_ylim(len(shown) - 0.5, -0.5)
        panel.set_xlim(-2, 102)
        panel.set_xlabel("%")
        panel.grid(axis="y", visible=False)
        ours = metrics["test"]["ours"]["per_class"][name]
        framed(panel, name, f"{ours['n']:,} {unit}s" + _f1(ours["f1"]))
    for panel in axes:
        if not panel.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            panel.set_yticklabels([])
    for rate, marker, _, filled in SHOWN:
        axes[0].plot([], [], marker, color=style.GREY, label=rate,
                     markerfacecolor=style.GREY if filled else "white")  # fmt: skip
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    told = about(metrics) + f"\nintervals resample {metrics['headline']['resampled']}"
    style.title(figure, "Recall and precision of each class", told)
    return figure


def _f1(value: float | None) -> str:
    return "" if value is None else f", F1 of ours {100 * value:.1f}%"
