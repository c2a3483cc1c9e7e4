"""Which class is taken for which, one panel a system."""

from __future__ import annotations

import numpy as np

from bodysounds.figures import style
from bodysounds.figures.class_rates import about
from bodysounds.figures.panels import framed, panels
from bodysounds.reporting.class_words import rate_label, shown_systems
from bodysounds.types import Figure, Metrics


def confusions_figure(metrics: Metrics) -> Figure:
    """Return the confusion matrix of every system but guessing, by share of a row, with counts.

    Metrics are those of `bodysounds.reporting.class_metrics.classification_metrics` of few classes.
    """
    classes, rate = list(metrics["classes"]), metrics["headline"]["rate"]
    shown = {k: v for k, v in shown_systems(metrics).items() if k != "most_frequent"}
    size = max(2.5, 0.75 * len(classes) + 0.6)
    figure, axes = panels(len(shown), size, size + 0.25, most=3)
    for panel, (system, name) in zip(axes, shown.items(), strict=True):
        entry = metrics["test"][system]
        matrix = np.asarray(entry["confusion"], dtype=float)
        total = matrix.sum(axis=1, keepdims=True)
        share = np.divide(100 * matrix, total, out=np.zeros_like(matrix), where=total > 0)
        panel.imshow(share, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
        panel.grid(visible=False)
        panel.spines[:].set_visible(False)
        panel.tick_params(length=0, labelsize=8)
        panel.set_xticks(range(len(classes)), classes, rotation=35, ha="right")
        panel.set_yticks(range(len(classes)), classes)
        for row, column in np.ndindex(matrix.shape):
            if not total[row, 0]:  # no test row is of this class
                panel.text(column, row, "-", ha="center", va="center", color=style.GREY)
                continue
            panel.text(
                column, row, f"{share[row, column]:.0f}%\n{matrix[row, column]:.0f}",
                ha="center", va="center", fontsize=8, linespacing=1.25,
                color=style.ink_on(share[row, column] / 100),
            )  # fmt: skip
        framed(panel, name, f"{rate_label(rate)} {100 * entry[rate]:.1f}%")
    told = f"{about(metrics)}\nrows are true, columns what they were taken for"
    style.title(figure, "What is taken for what", told)
    return figure
