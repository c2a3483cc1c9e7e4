"""How training went: loss and dev EER, epoch by epoch."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from bodysounds.figures import style
from bodysounds.types import Figure, Table

LOSS_LINES = ("--", ":", "-.")
VALIDATION = (0, (9, 2, 1, 2, 1, 2))


def training_figure(history: Table, synthetic: bool = False) -> Figure:
    """Return the losses (left axis) and the dev EER (right axis) against the epoch.

    `history` has a row an epoch: epoch, loss, loss_<name>..., validation_loss where there is one,
    dev_eer, chosen. The chosen epoch is marked, or those whose weights were averaged. Raises
    ValueError for an empty history.
    """
    if history.empty:
        raise ValueError("the training history has no epoch: train at least one")
    figure, axes = style.new_figure()
    epoch = history["epoch"].to_numpy()
    marker = "o" if len(epoch) == 1 else None
    parts = [name for name in history.columns if name.startswith("loss_")]
    axes.plot(epoch, history["loss"], "-", marker=marker, color=style.ORANGE, label="loss")
    if len(parts) > 1:
        for name, line in zip(parts, LOSS_LINES * len(parts), strict=False):
            axes.plot(
                epoch, history[name], line, marker=marker, color=style.ORANGE, linewidth=1.1,
                label=f"loss: {name.removeprefix('loss_')}",
            )  # fmt: skip
    if "validation_loss" in history:
        axes.plot(
            epoch, history["validation_loss"], linestyle=VALIDATION, marker=marker,
            color=style.GREEN, label="validation loss",
        )  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=min(0.0, float(np.nanmin(history["loss"]))))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(epoch) == 1:
        axes.set_xlim(epoch[0] - 0.5, epoch[0] + 0.5)
    right = axes.twinx()
    right.spines[["top"]].set_visible(False)
    right.tick_params(colors=style.INK, labelsize=9)
    percent = history["dev_eer"].to_numpy(np.float64) * 100
    right.plot(epoch, percent, "-", marker="s", markersize=4, color=style.BLUE, label="dev EER")
    right.set_ylim(0, max(5.0, float(np.nanmax(percent, initial=0.0)) * 1.15))
    right.set_ylabel("dev EER (%)")
    chosen = np.flatnonzero(history["chosen"].to_numpy(bool))
    if len(chosen):
        one = f"chosen: epoch {epoch[chosen[0]]}, {percent[chosen[0]]:.1f}%"
        right.plot(
            epoch[chosen], percent[chosen], "*", color=style.INK, markersize=14,
            markeredgecolor="white", label=one if len(chosen) == 1 else "chosen: the mean of these",
        )  # fmt: skip
    handles = [axes.get_legend_handles_labels(), right.get_legend_handles_labels()]
    joined = [[*first, *second] for first, second in zip(*handles, strict=True)]
    figure.legend(*joined, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    style.title(figure, "Training", "SYNTHETIC sound" if synthetic else "")
    return figure
