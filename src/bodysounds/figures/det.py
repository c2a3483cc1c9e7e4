"""The detection error trade-off.

Martin, Doddington, Kamm, Ordowski and Przybocki, "The DET curve in assessment of detection task
performance", Eurospeech 1997.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtri

from bodysounds.figures import style
from bodysounds.metrics.verification import det_curve, equal_error_rate
from bodysounds.reporting.trial_table import headline_trials
from bodysounds.types import Figure, Floats, Metrics, Table

TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
LOW, HIGH = 0.001, 0.95
LONGEST = 64
"""Characters of the longest entries that two columns of a legend have room for, added up."""


def det_figure(scores: Table, trials: Table, metrics: Metrics) -> Figure:
    """Return the DET of every system on the trials of the headline."""
    labels, by_system = headline_trials(scores, trials, metrics)
    return draw_det(labels, by_system, about=style.about(metrics))


def draw_det(labels: Any, scores: Mapping[str, Any], *, about: str = "") -> Figure:
    """Return the DET of every system on normal-deviate axes, its EER marked.

    `labels` (n_trials,) are 1 or 0, `scores` maps a system to its scores (n_trials,). Rates outside
    0.1% to 95% are drawn at the edge. Raises ValueError as `det_curve` does.
    """
    rates = {system: equal_error_rate(labels, values)[0] for system, values in scores.items()}
    told = {system: f"{style.label(system)}: EER {eer:.1%}" for system, eer in rates.items()}
    lengths, half = [len(entry) for entry in told.values()], math.ceil(len(told) / 2)
    widest = max(lengths[:half], default=0) + max(lengths[half:], default=0)
    n_columns, n_rows = (2, half) if widest <= LONGEST else (1, len(told))
    figure, axes = style.new_figure(5.6, 6.45 + 0.2 * n_rows)
    looks = style.look(scores)
    axes.plot(*[ndtri([LOW, HIGH])] * 2, color="#BBBBBB", linewidth=0.8, label="_equal")
    for system, values in scores.items():
        far, frr, _ = det_curve(labels, values)
        colour, line, marker = looks[system]
        axes.plot(
            _deviate(far), _deviate(frr), linestyle=line, color=colour, linewidth=1.8,
            label="_curve",
        )  # fmt: skip
        point = _deviate(np.array([rates[system]]))
        axes.plot(
            point, point, linestyle=line, marker=marker, color=colour, markeredgecolor="white",
            markersize=9, label=told[system], zorder=3,
        )  # fmt: skip
    named = [f"{tick * 100:g}" for tick in TICKS]
    limits = tuple(ndtri([LOW, HIGH]))
    axes.set_xticks(ndtri(TICKS), named)
    axes.set_yticks(ndtri(TICKS), named)
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    axes.set_aspect("equal")
    axes.set_xlabel("false acceptances (% of non-targets)")
    axes.set_ylabel("false rejections (% of targets)")
    figure.legend(
        loc="outside lower center", ncols=n_columns, fontsize=8.5, frameon=False, handlelength=3,
        columnspacing=1.2,
    )  # fmt: skip
    style.title(figure, "Detection error trade-off", about)
    return figure


def _deviate(rates: Floats) -> Floats:
    clipped: Floats = ndtri(np.clip(rates, LOW, HIGH))
    return clipped
