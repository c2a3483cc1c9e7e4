"""Accuracies of a classification: by system, by class, and of each property alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from bodysounds.figures import style
from bodysounds.reporting.class_words import CONDITIONS, property_label, system_label
from bodysounds.types import Figure, Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def about(metrics: Metrics) -> str:
    """Return what the headline's numbers stand on, in a line; synthetic sound is named."""
    head = metrics["headline"]
    synthetic = " · SYNTHETIC sound" if head["synthetic"] else ""
    where = CONDITIONS.get(head["condition"], head["condition"])
    return (
        f"test, {where}: {head['n']:,} clips of {head['n_classes_tested']:,} {head['classes_are']}"
        f"{synthetic}"
    )


def systems_figure(metrics: Metrics) -> Figure:
    """Return the top-1 accuracy of every system, heard sessions beside those not heard."""
    head = metrics["headline"]
    systems = metrics["test"]
    heard = metrics["subgroups"].get("same_session", {})
    both = head["condition"] == "across_sessions" and bool(heard)
    figure, axes = style.new_figure(7.0, 1.75 + 0.55 * len(systems))
    for row, (name, entry) in enumerate(systems.items()):
        colour = style.BLUE if name == "ours" else style.GREY
        _mark(axes, row - (0.13 if both else 0), entry, colour, colour)
        if both:
            _mark(axes, row + 0.13, heard[name], colour, "white")
    axes.axvline(100 * head["chance"], color=style.INK, linestyle=":", linewidth=1.2, label="_c")
    axes.annotate(
        "guessing", (100 * head["chance"], 1), (0, 2), xycoords=("data", "axes fraction"),
        textcoords="offset points", fontsize=8, ha="center", color=style.INK,
    )  # fmt: skip
    _rows(axes, [system_label(name) for name in systems])
    where = CONDITIONS.get(head["condition"], head["condition"])
    axes.plot([], [], "o", color=style.GREY, markersize=7, label=where)
    if both:
        axes.plot([], [], "o", color=style.GREY, markerfacecolor="white", markersize=7,
                  label=CONDITIONS["same_session"])  # fmt: skip
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    style.title(figure, "Top-1 accuracy of each system", about(metrics))
    return figure


def classes_figure(metrics: Metrics) -> Figure:
    """Return how many classes reach which share of right clips, by ours."""
    head = metrics["headline"]
    edges = [10.0 * k for k in range(11)]
    figure, axes = style.new_figure(7.0, 3.9)
    shares = recalls(metrics["test"]["ours"])
    axes.hist(shares, edges, color=style.BLUE, edgecolor="white", alpha=0.85,
              label=CONDITIONS.get(head["condition"], head["condition"]))  # fmt: skip
    heard = metrics["subgroups"].get("same_session")
    if heard and head["condition"] == "across_sessions":
        axes.hist(recalls(heard["ours"]), edges, histtype="step", color=style.INK, linewidth=1.6,
                  linestyle="--", label=CONDITIONS["same_session"])  # fmt: skip
    axes.axvline(float(np.median(shares)), color=style.ORANGE, linewidth=1.8,
                 label=f"median {np.median(shares):.0f}%")  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of a class's clips that are right (%)")
    axes.set_ylabel(f"number of {head['classes_are']}")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    style.title(figure, f"Is it the same for all {head['classes_are']}?", about(metrics))
    return figure


def recalls(entry: Metrics) -> list[float]:
    """Return the recall of each class that has clips, in percent."""
    rates = [part["recall"] for part in (entry["per_class"] or {}).values()]
    return [100 * rate for rate in rates if rate is not None]


def audit_figure(metrics: Metrics) -> Figure:
    """Return the accuracy that each property of a recording reaches alone, below that of ours."""
    audit = {k: v for k, v in metrics["shortcuts"].items() if isinstance(v, Mapping)}
    title = "What a recording's properties reach alone"
    if not audit:
        return style.empty_figure(title, "no property was audited", about(metrics))
    rows = {"ours": metrics["test"]["ours"], **audit}
    figure, axes = style.new_figure(7.0, 1.6 + 0.34 * len(rows))
    for row, (name, entry) in enumerate(rows.items()):
        flagged = bool(entry.get("flagged"))
        colour = style.BLUE if name == "ours" else style.ORANGE if flagged else "#C9C9C9"
        axes.barh(
            row, 100 * entry["accuracy"], height=0.62, color=colour, edgecolor=style.INK,
            linewidth=0.6, hatch="///" if flagged else None, label=f"_{name}",
        )  # fmt: skip
        _interval(axes, row, entry, style.INK)
    chance = 100 * metrics["headline"]["chance"]
    axes.axvline(chance, color=style.INK, linestyle=":", linewidth=1.2, label="_chance")
    axes.annotate(
        "guessing", (chance, 1), (0, 2), xycoords=("data", "axes fraction"),
        textcoords="offset points", fontsize=8, ha="center", color=style.INK,
    )  # fmt: skip
    _rows(axes, [property_label(name) for name in rows])
    axes.get_yticklabels()[0].set_fontweight("bold")
    style.title(figure, title, about(metrics))
    return figure


def _rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 102)
    axes.set_xlabel("top-1 accuracy (%), with its interval over sessions or recordings")


def _mark(axes: Axes, row: float, entry: Mapping[str, Any], colour: str, face: str) -> None:
    _interval(axes, row, entry, colour)
    axes.plot(
        [100 * entry["accuracy"]], [row], "o", color=colour, markerfacecolor=face, markersize=7,
        label="_mark", zorder=3,
    )  # fmt: skip


def _interval(axes: Axes, row: float, entry: Mapping[str, Any], colour: str) -> None:
    between = entry.get("accuracy_ci95")
    if between and None not in between:
        low, high = (100 * end for end in between)
        axes.plot([low, high], [row, row], color=colour, linewidth=1.8, label="_ci")
        for edge in (low, high):
            axes.plot([edge] * 2, [row - 0.1, row + 0.1], color=colour, linewidth=1.4, label="_e")
