"""Accuracies of a classification: by system, by class, and of each property alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from bodysounds.figures import style
from bodysounds.reporting.class_audit import known_pair
from bodysounds.reporting.class_words import (
    CONDITIONS,
    property_label,
    rate_label,
    rate_title,
    shown_systems,
)
from bodysounds.types import Figure, Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def about(metrics: Metrics) -> str:
    """Return what the headline's numbers stand on, in a line; synthetic sound is named."""
    head = metrics["headline"]
    synthetic = " · SYNTHETIC sound" if head["synthetic"] else ""
    where = CONDITIONS.get(head["condition"], head["condition"])
    return (
        f"test, {where}: {head['n']:,} {unit_of(metrics)}s of "
        f"{head['n_classes_tested']:,} {head['classes_are']}{synthetic}"
    )


def unit_of(metrics: Metrics) -> str:
    """Return what a row of the test is called: clip, or cycle."""
    return str(metrics["headline"].get("unit", "clip"))


def systems_figure(metrics: Metrics) -> Figure:
    """Return the headlined rate of every system, heard groups beside those not heard."""
    head = metrics["headline"]
    shown, rate = shown_systems(metrics), head["rate"]
    pair = known_pair(head["condition"], metrics["subgroups"]) if head["unheard"] else None
    heard = metrics["subgroups"][pair[1]] if pair else {}
    heard = {name: entry for name, entry in heard.items() if entry[rate] is not None}
    figure, axes = style.new_figure(7.0, 1.75 + 0.55 * len(shown))
    for row, name in enumerate(shown):
        colour = style.BLUE if name == "ours" else style.GREY
        _mark(axes, row - (0.13 if heard else 0), metrics["test"][name], rate, colour, colour)
        if name in heard:
            _mark(axes, row + 0.13, heard[name], rate, colour, "white")
    _guessing(axes, head)
    _rows(axes, list(shown.values()), head)
    axes.plot([], [], "o", color=style.GREY, markersize=7, label=CONDITIONS[head["condition"]])
    if pair and heard:
        axes.plot([], [], "o", color=style.GREY, markerfacecolor="white", markersize=7,
                  label=CONDITIONS[pair[1]])  # fmt: skip
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    style.title(figure, f"{_named(rate)} of each system", about(metrics))
    return figure


def classes_figure(metrics: Metrics) -> Figure:
    """Return how many classes reach which share of right clips, by ours."""
    head = metrics["headline"]
    edges = [10.0 * k for k in range(11)]
    figure, axes = style.new_figure(7.0, 3.9)
    shares = recalls(metrics["test"]["ours"])
    axes.hist(shares, edges, color=style.BLUE, edgecolor="white", alpha=0.85,
              label=CONDITIONS.get(head["condition"], head["condition"]))  # fmt: skip
    pair = known_pair(head["condition"], metrics["subgroups"]) if head["unheard"] else None
    if pair:
        heard = metrics["subgroups"][pair[1]]["ours"]
        axes.hist(recalls(heard), edges, histtype="step", color=style.INK, linewidth=1.6,
                  linestyle="--", label=CONDITIONS[pair[1]])  # fmt: skip
    # white beneath, since it may cross bars as dark as itself
    axes.axvline(float(np.median(shares)), color="white", linewidth=4.0, label="_beneath")
    axes.axvline(float(np.median(shares)), color=style.ORANGE, linewidth=1.8, linestyle="-.",
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
    """Return what each property of a recording reaches alone, below the rate of ours.

    Those of the original files, where they were audited, stand below, in dots.
    """
    head = metrics["headline"]
    rate = head["rate"]
    audit = {k: v for k, v in metrics["shortcuts"].items() if isinstance(v, Mapping)}
    original = {f"file_{k}": v for k, v in metrics.get("file_shortcuts", {}).items()}
    title = "What a recording's properties reach alone"
    if not audit and not original:
        return style.empty_figure(title, "no property was audited", about(metrics))
    rows = {"ours": metrics["test"]["ours"], **audit, **original}
    figure, axes = style.new_figure(7.0, 1.6 + 0.34 * len(rows))
    for row, (name, entry) in enumerate(rows.items()):
        flagged = bool(entry.get("flagged"))
        colour = style.BLUE if name == "ours" else style.ORANGE if flagged else "#C9C9C9"
        hatch = "///" if flagged else "..." if name in original else None
        axes.barh(
            row, 100 * entry[rate], height=0.62, color="white" if name in original else colour,
            edgecolor=style.INK, linewidth=0.6, hatch=hatch, label=f"_{name}",
        )  # fmt: skip
        _interval(axes, row, entry, rate, style.INK)
    _guessing(axes, head)
    names = {
        **{name: property_label(name) for name in rows},
        **{
            f"file_{k}": f"original file: {file_label(k)}"
            for k in metrics.get("file_shortcuts", {})
        },
    }
    _rows(axes, list(names.values()), head)
    axes.get_yticklabels()[0].set_fontweight("bold")
    style.title(figure, title, about(metrics))
    return figure


def file_label(name: str) -> str:
    """Return the name of a property of the original files."""
    return {"duration_s": "length", "together": "all of these"}.get(name, property_label(name))


def _named(rate: str) -> str:
    return "Top-1 accuracy" if rate == "accuracy" else rate_title(rate)


def _guessing(axes: Axes, head: Metrics) -> None:
    chance = 100 * head["chance"]
    axes.axvline(chance, color=style.INK, linestyle=":", linewidth=1.2, label="_chance")
    axes.annotate(
        "all named normal" if head["rate"] == "score" else "guessing", (chance, 1), (0, 2),
        xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8, ha="center",
        color=style.INK,
    )  # fmt: skip


def _rows(axes: Axes, names: list[str], head: Metrics) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 102)
    over = f"over {head['groups_are']}"
    over += " or recordings" if head["groups_are"] == "sessions" else ""
    rate = "top-1 accuracy" if head["rate"] == "accuracy" else rate_label(head["rate"])
    axes.set_xlabel(f"{rate} (%), with its interval {over}")


def _mark(
    axes: Axes, row: float, entry: Mapping[str, Any], rate: str, colour: str, face: str
) -> None:
    _interval(axes, row, entry, rate, colour)
    axes.plot(
        [100 * entry[rate]], [row], "o", color=colour, markerfacecolor=face, markersize=7,
        label="_mark", zorder=3, clip_on=False,
    )  # fmt: skip


def _interval(axes: Axes, row: float, entry: Mapping[str, Any], rate: str, colour: str) -> None:
    between = entry.get(f"{rate}_ci95")
    if between and None not in between:
        low, high = (100 * end for end in between)
        axes.plot([low, high], [row, row], color=colour, linewidth=1.8, label="_ci")
        for edge in (low, high):
            axes.plot([edge] * 2, [row - 0.1, row + 0.1], color=colour, linewidth=1.4, label="_e")
