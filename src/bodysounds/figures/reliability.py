"""Whether confidence means what it says, and what abstaining buys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bodysounds.figures import style
from bodysounds.figures.class_rates import about, unit_of
from bodysounds.figures.panels import framed, panels
from bodysounds.metrics.reliability import at_temperature, reliability_bins, risk_coverage
from bodysounds.reporting.class_words import shown_systems
from bodysounds.types import Array, Figure, Floats, Metrics, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_WIDTH = 5.8
"""Inches."""


def reliability_figure(rows: Table, metrics: Metrics, n_bins: int = 10) -> Figure:
    """Return a panel a system: how often it is right, by how sure it is.

    `rows` are the predictions that the headline counts. Members are drawn before their temperature
    too. Grey bars are the share of clips in a bin; bins without a clip have no mark.
    """
    shown = {k: v for k, v in shown_systems(metrics).items() if k in metrics["calibration"]}
    if not shown:
        return style.empty_figure("Reliability", "no probabilities were kept", about(metrics))
    figure, axes = panels(len(shown), 2.9, 3.1)
    # title and legend want their room beside a single panel too
    figure.set_figwidth(max(figure.get_figwidth(), LEAST_WIDTH))
    unit = unit_of(metrics)
    scaled = any(metrics["calibration"][system]["before"] for system in shown)
    for panel, (system, name) in zip(axes, shown.items(), strict=True):
        entry = metrics["calibration"][system]
        table, right = _probabilities(rows, metrics, system)
        panel.plot([0, 100], [0, 100], ":", color=style.INK, linewidth=1, label="_right")
        bins = reliability_bins(right, table.max(axis=1), n_bins)
        middles = 50 * (bins.edges[1:] + bins.edges[:-1])
        panel.bar(middles, 100 * bins.n / bins.n.sum(), width=100 / n_bins, color="#DDDDDD",
                  edgecolor="white", label="_n")  # fmt: skip
        told = f"ECE {100 * entry['ece']:.1f}%"
        if entry["before"]:
            raw = at_temperature(table, entry["temperature"])
            _line(panel, reliability_bins(right, raw.max(axis=1), n_bins), style.ORANGE, "s", "--")
            told = f"ECE {100 * entry['before']['ece']:.1f}% → {100 * entry['ece']:.1f}%"
        told += f"; calibrated {100 * entry['ece_if_calibrated']:.1f}%"
        _line(panel, bins, style.BLUE, "o", "-")
        panel.set_xlim(0, 100)
        panel.set_ylim(0, 102)
        panel.set_xlabel("confidence (%)")
        framed(panel, name, told)
    axes[0].set_ylabel(f"right, and share of {unit}s (%)")
    for label, colour, marker, line in (
        ("as it answers", style.BLUE, "o", "-"),
        *([("before its temperature", style.ORANGE, "s", "--")] if scaled else []),
    ):
        axes[0].plot([], [], line, marker=marker, color=colour, label=label,
                     markerfacecolor="white" if marker == "s" else colour)  # fmt: skip
    axes[0].bar([0], [0], color="#DDDDDD", label=f"share of {unit}s")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    told = (
        about(metrics) + "\ncalibrated: what answers of these confidences would have if they held"
    )
    style.title(figure, "Is it right as often as it says?", told)
    return figure


def risk_coverage_figure(rows: Table, metrics: Metrics) -> Figure:
    """Return the share of errors among the clips answered, the surest first, a line a system.

    The star is where ours abstains; `rows` as `reliability_figure`.
    """
    shown = {k: v for k, v in shown_systems(metrics).items() if k in metrics["calibration"]}
    if not shown:
        return style.empty_figure("Abstaining", "no probabilities were kept", about(metrics))
    figure, axes = style.new_figure(7.0, 4.9)
    looks = style.look(shown)
    for place, (system, name) in enumerate(shown.items()):
        table, right = _probabilities(rows, metrics, system)
        coverage, risk, _ = risk_coverage(right, table.max(axis=1))
        look = looks[system]
        axes.plot(
            100 * coverage, 100 * risk, color=look.colour, linestyle=look.line, label=name,
            linewidth=2.4 if system == "ours" else 1.5, zorder=3 if system == "ours" else 2,
            **style.marks(look, place),
        )  # fmt: skip
    point = metrics["abstention"]
    if point and point["kept"]:
        axes.plot(
            [100 * point["coverage"]], [100 * (1 - point["kept"]["accuracy"])], "*",
            color=style.INK, markersize=15, markeredgecolor="white", zorder=5,
            label=f"ours abstains below {point['threshold']:.2f}"
            if point["n_abstained"]
            else "ours answers all",
        )  # fmt: skip
    axes.set_xlim(0, 101)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"{unit_of(metrics)}s answered, the surest first (%)")
    axes.set_ylabel("of those, wrong (%)")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False, handlelength=3.6)
    style.title(figure, "What abstaining buys", about(metrics))
    return figure


def _probabilities(rows: Table, metrics: Metrics, system: str) -> tuple[Floats, Array]:
    own = rows[rows["system"] == system]
    table = own[[f"p_{name}" for name in metrics["classes"]]].to_numpy(np.float64)
    right: Array = (own["rank"] == 1).to_numpy()
    return table, right


def _line(axes: Axes, bins: Any, colour: str, marker: str, line: str) -> None:
    there = bins.n > 0
    x, y = 100 * bins.confidence[there], 100 * bins.accuracy[there]
    axes.plot(x, y, line, color=colour, linewidth=1.5, label="_line")
    axes.scatter(
        x, y, s=10 + 90 * bins.n[there] / bins.n.sum(), marker=marker, linewidths=1.2, zorder=3,
        facecolors="white" if marker == "s" else colour, edgecolors=colour, label="_marks",
        clip_on=False,
    )  # fmt: skip
