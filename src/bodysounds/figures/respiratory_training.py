"""How the training of a classifier of breath cycles went: its losses apart, and dev's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bodysounds.figures import style
from bodysounds.types import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = {
    "loss_contrastive": ("classes", style.ORANGE, "--"),
    "loss_metadata": ("metadata", style.GREEN, ":"),
}


def respiratory_training_figure(history: Table, synthetic: bool, method: str) -> Figure:
    """Return the contrastive losses, where there are some, cross-entropy, and dev, by epoch.

    `history` is that of `bodysounds.training.respiratory.train_respiratory`; of two stages each has
    its own epochs on its axes. Raises ValueError for an empty history.
    """
    if history.empty:
        raise ValueError("the training history has no epoch: train at least one")
    contrastive = history[history["loss_contrastive"].notna()]
    named = history[history["loss_cross_entropy"].notna()]
    n = 3 if len(contrastive) else 2
    figure = Figure(figsize=(3.6 * n, 3.9), facecolor="white")
    panels = [style.plain_axes(axes) for axes in figure.subplots(1, n)]
    if len(contrastive):
        for column, (told, colour, line) in LINES.items():
            if contrastive[column].notna().any():
                _line(panels[0], contrastive, column, f"train, {told}", colour, line)
        two_stages = contrastive[contrastive["stage"] == "contrastive"]
        if len(two_stages):
            _line(panels[0], two_stages, "dev_loss", "dev", style.BLUE, "-")
        _finish(panels[0], "contrastive (nats)", contrastive)
    _line(panels[-2], named, "loss_cross_entropy", "train", style.ORANGE, "--")
    _line(panels[-2], named, "dev_loss", "dev", style.BLUE, "-")
    _finish(panels[-2], "cross-entropy (nats)", named)
    share = named.assign(**{name: 100 * named[name] for name in ("train_accuracy", "dev_score")})
    _line(panels[-1], share, "train_accuracy", "train accuracy", style.ORANGE, "--")
    if share["dev_score"].notna().any():
        _line(panels[-1], share, "dev_score", "dev Score", style.BLUE, "-")
    chosen = share[share["chosen"].to_numpy(bool)]
    if len(chosen) and np.isfinite(chosen["dev_score"].iloc[0]):
        row = chosen.iloc[0]
        panels[-1].plot(
            [row["epoch"]], [row["dev_score"]], "*", color=style.INK, markersize=14,
            markeredgecolor="white", zorder=4, label=f"epoch {int(row['epoch'])}, kept",
        )  # fmt: skip
    _finish(panels[-1], "right (%)", share)
    panels[-1].set_ylim(0, 102)
    told = "train: while learning, on changed cycles; dev: on the start of each cycle"
    sound = " · SYNTHETIC sound" if synthetic else ""
    style.title(figure, f"Training by {method}", told + sound)
    return figure


def _line(axes: Axes, table: Table, column: str, told: str, colour: str, line: str) -> None:
    marker = "o" if len(table) == 1 else None
    values = table[column].to_numpy(np.float64)
    epoch = table["epoch"].to_numpy()
    axes.plot(epoch, values, line, marker=marker, color=colour, linewidth=1.8, label=told)


def _finish(axes: Axes, title: str, table: Table) -> None:
    axes.set_title(title, fontsize=10, color=style.INK)
    axes.set_xlabel("epoch")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(table) == 1:
        epoch = table["epoch"].iloc[0]
        axes.set_xlim(epoch - 0.5, epoch + 0.5)
    axes.legend(fontsize=8, frameon=False)
