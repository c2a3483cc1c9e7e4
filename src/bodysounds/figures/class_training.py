"""How a classifier's training went: each loss on its own axes, train accuracy beside dev."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bodysounds.figures import style
from bodysounds.reporting.class_words import system_label
from bodysounds.types import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CENTER = "loss_contrastive_center"


def class_training_figure(history: Table, synthetic: bool = False, name: str = "") -> Figure:
    """Return cross-entropy, contrastive-center loss where it was used, and accuracy by epoch.

    `history` is that entry of a classification task. The losses have axes of their own, because
    their sizes differ by orders of magnitude. `name` is that of the network, where there are
    several. Raises ValueError for an empty history.
    """
    if history.empty:
        raise ValueError("the training history has no epoch: train at least one")
    has_center = CENTER in history and history[CENTER].notna().any()
    n = 3 if has_center else 2
    figure = Figure(figsize=(3.6 * n, 3.9), facecolor="white")
    panels = [style.plain_axes(axes) for axes in figure.subplots(1, n)]
    epoch = history["epoch"].to_numpy()
    marker = "o" if len(epoch) == 1 else None
    _draw(panels[0], epoch, history, "loss_cross_entropy", "dev_loss", marker)
    panels[0].set_title("cross-entropy (nats)", fontsize=10, color=style.INK)
    top = float(np.nanmax(history[["loss_cross_entropy", "dev_loss"]].to_numpy(np.float64)))
    panels[0].set_ylim(0, 1.08 * top if top > 0 else 1)
    if has_center:
        values = history[CENTER].to_numpy(np.float64)
        panels[1].plot(epoch, values, "-", marker=marker, color=style.ORANGE, label="_center")
        panels[1].set_title("contrastive-center, before its weight", fontsize=10, color=style.INK)
        if np.nanmin(values) > 0 and np.nanmax(values) > 30 * np.nanmin(values):
            panels[1].set_yscale("log")
        else:
            panels[1].set_ylim(bottom=0)
    percent = history.assign(
        train_accuracy=100 * history["train_accuracy"], dev_accuracy=100 * history["dev_accuracy"]
    )
    _draw(panels[-1], epoch, percent, "train_accuracy", "dev_accuracy", marker)
    panels[-1].set_title("accuracy (%)", fontsize=10, color=style.INK)
    panels[-1].set_ylim(0, 102)
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if len(epoch) == 1:
            axes.set_xlim(epoch[0] - 0.5, epoch[0] + 0.5)
    chosen = percent[percent["chosen"].to_numpy(bool)]
    if len(chosen):
        row = chosen.iloc[0]
        panels[-1].plot(
            [row["epoch"]], [row["dev_accuracy"]], "*", color=style.INK, markersize=14,
            markeredgecolor="white", zorder=4,
            label=f"chosen: epoch {int(row['epoch'])}, {row['dev_accuracy']:.1f}%",
        )  # fmt: skip
    figure.legend(
        *panels[-1].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9,
        frameon=False,
    )  # fmt: skip
    told = "train: while learning, on changed crops; dev: on the start of each clip"
    named = f"Training of {system_label(name)}" if name else "Training"
    style.title(figure, named, told + (" · SYNTHETIC sound" if synthetic else ""))
    return figure


def _draw(
    axes: Axes, epoch: object, table: Table, train: str, dev: str, marker: str | None
) -> None:
    for name, told, colour, line in (
        (train, "train", style.ORANGE, "--"),
        (dev, "dev", style.BLUE, "-"),
    ):
        axes.plot(epoch, table[name], line, marker=marker, color=colour, linewidth=1.8, label=told)  # type: ignore[arg-type]
