"""The scores of targets and non-targets, with the threshold between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.figures import style
from bodysounds.metrics.arrays import check_trials
from bodysounds.reporting.trial_table import headline_trials
from bodysounds.types import Figure, Metrics, Table

BINS = 40


def histogram_figure(
    scores: Table, trials: Table, metrics: Metrics, operating_point: Metrics
) -> Figure:
    """Return the distribution of the scores of ours on the trials of the headline."""
    labels, by_system = headline_trials(scores, trials, metrics)
    threshold = operating_point["threshold"]
    name = "cosine of the two embeddings"
    if metrics["headline"]["score"] == "normalised":
        name = "cosine of the two embeddings, normalised (AS-norm)"
    return draw_histogram(
        labels, by_system["ours"], threshold, name=name, about=style.about(metrics)
    )


def draw_histogram(
    labels: Any, scores: Any, threshold: float, *, name: str = "score", about: str = ""
) -> Figure:
    """Return the distribution of the scores of each class, as shares of the class.

    `labels` (n_trials,) are 1 or 0; the threshold is a dashed line, `name` the axis. Raises
    ValueError for bad labels or scores.
    """
    target, values, _ = check_trials(labels, scores)
    figure, axes = style.new_figure()
    ends = min(values.min(), threshold), max(values.max(), threshold)
    edges = np.linspace(ends[0], ends[1] if ends[1] > ends[0] else ends[0] + 1, BINS + 1).tolist()
    for mask, kind, colour, hatch in (
        (~target, "different subjects", style.ORANGE, "///"),
        (target, "same subject", style.BLUE, None),
    ):
        axes.hist(
            values[mask], edges, weights=np.full(mask.sum(), 100 / mask.sum()), color=colour,
            alpha=0.45, hatch=hatch, edgecolor=colour, linewidth=0.0,
            label=f"{kind} ({mask.sum():,} pairs)",
        )  # fmt: skip
        axes.hist(
            values[mask], edges, weights=np.full(mask.sum(), 100 / mask.sum()), color=colour,
            histtype="step", linewidth=1.4, label=f"_{kind}",
        )  # fmt: skip
    axes.axvline(
        threshold,
        color=style.INK,
        linestyle="--",
        linewidth=1.4,
        label=f"threshold {threshold:.3f}",
    )
    axes.set_xlabel(name)
    axes.set_ylabel("share of the pairs (%)")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    style.title(figure, "Scores of ours", about)
    return figure
