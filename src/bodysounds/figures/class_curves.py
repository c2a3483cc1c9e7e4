"""Each class against the others at every threshold: ROC, and precision over recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bodysounds.figures import style
from bodysounds.figures.class_rates import about
from bodysounds.figures.panels import framed, panels
from bodysounds.metrics.class_areas import precision_recall_curve
from bodysounds.metrics.curve import det_curve
from bodysounds.reporting.class_words import shown_systems
from bodysounds.types import Array, Figure, Floats, Metrics, Table


def roc_figure(rows: Table, metrics: Metrics) -> Figure:
    """Return true over false positive rate of each class against the others, a line a system.

    `rows` are the predictions that the headline counts, with every p_<class>.
    """
    figure, axes = _panels(metrics)
    for panel, name in zip(axes, metrics["classes"], strict=True):
        panel.plot([0, 100], [0, 100], ":", color=style.INK, linewidth=1, label="_guess")
        for place, (system, look, label, target, score) in enumerate(_scores(rows, metrics, name)):
            far, frr, _ = det_curve(target, score)
            panel.plot(
                100 * far, 100 * (1 - frr), color=look.colour, linestyle=look.line, label=label,
                linewidth=2.4 if system == "ours" else 1.5,
                zorder=3 if system == "ours" else 2, **style.marks(look, place),
            )  # fmt: skip
        panel.set_xlabel("false positive rate (%)")
        framed(panel, name, _area("AUC", metrics, name, "auc"))
    axes[0].set_ylabel("true positive rate (%)")
    return _finished(figure, axes, "Each class against the others: ROC", about(metrics))


def precision_recall_figure(rows: Table, metrics: Metrics) -> Figure:
    """Return precision over recall of each class, a line a system; `rows` as `roc_figure`."""
    figure, axes = _panels(metrics)
    for panel, name in zip(axes, metrics["classes"], strict=True):
        share = None
        for place, (system, look, label, target, score) in enumerate(_scores(rows, metrics, name)):
            precision, recall = precision_recall_curve(target, score)
            share = 100 * float(np.mean(target))
            panel.step(
                np.append(0, 100 * recall), np.append(100 * precision[0], 100 * precision),
                where="pre", color=look.colour, linestyle=look.line, label=label,
                linewidth=2.4 if system == "ours" else 1.5,
                zorder=3 if system == "ours" else 2, **style.marks(look, place),
            )  # fmt: skip
        if share is not None:
            panel.axhline(share, color=style.INK, linestyle=":", linewidth=1, label="_guess")
        panel.set_xlabel("recall (%)")
        framed(panel, name, _area("average precision", metrics, name, "average_precision"))
    axes[0].set_ylabel("precision (%)")
    told = about(metrics) + "\ndotted: the class's share of them, which guessing reaches"
    return _finished(figure, axes, "Each class against the others: precision and recall", told)


def _panels(metrics: Metrics) -> tuple[Figure, list[Any]]:
    figure, axes = panels(len(metrics["classes"]), 3.4, 3.5)
    for panel in axes:
        panel.set_xlim(-1, 101)
        panel.set_ylim(-1, 102)
    return figure, axes


def _scores(
    rows: Table, metrics: Metrics, name: str
) -> list[tuple[str, style.Look, str, Array, Floats]]:
    """Return system, look, label, whether a clip is of the class, and its probability."""
    shown = {k: v for k, v in shown_systems(metrics).items() if k != "most_frequent"}
    looks = style.look(shown)
    found = []
    for system, label in shown.items():
        own = rows[rows["system"] == system]
        target: Array = (own["label"] == name).to_numpy()
        if f"p_{name}" in own and 0 < target.sum() < len(target):
            score: Floats = own[f"p_{name}"].to_numpy(np.float64)
            found.append((system, looks[system], label, target, score))
    return found


def _area(told: str, metrics: Metrics, name: str, key: str) -> str:
    entry: Mapping[str, Any] = metrics["test"]["ours"]["per_class"][name]
    return "none of it in test" if entry[key] is None else f"{told} of ours {entry[key]:.3f}"


def _finished(figure: Figure, axes: list[Any], title: str, told: str) -> Figure:
    handles = {
        label: line
        for panel in axes
        for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=9,
        frameon=False, handlelength=3.6,
    )  # fmt: skip
    style.title(figure, title, told)
    return figure
