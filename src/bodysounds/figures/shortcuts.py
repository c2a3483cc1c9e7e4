"""The shortcut audit beside the result."""

from __future__ import annotations

from collections.abc import Mapping

from bodysounds.figures import style
from bodysounds.figures.eer import draw_interval, name_rows
from bodysounds.types import Figure, Metrics


def shortcuts_figure(metrics: Metrics) -> Figure:
    """Return the EER that each property of a recording reaches alone, below that of ours.

    Bars end at the EER; a flagged property is hatched; properties that were skipped are named
    without a bar.
    """
    shortcuts, ours = metrics["shortcuts"], metrics[metrics["headline"]["subset"]]["ours"]
    audited = {name: entry for name, entry in shortcuts.items() if isinstance(entry, Mapping)}
    rows = {"ours": ours, **audited}
    figure, axes = style.new_figure(6.4, 1.7 + 0.34 * len(rows))
    for row, (name, entry) in enumerate(rows.items()):
        if entry["eer"] is None:
            reason = str(entry.get("skipped", "no number")).split(":")[0]
            axes.text(0.8, row, f"skipped: {reason}", va="center", fontsize=8.5, color=style.GREY)
            continue
        flagged = bool(entry.get("flagged"))
        colour = style.BLUE if name == "ours" else style.ORANGE if flagged else "#C9C9C9"
        axes.barh(
            row, entry["eer"] * 100, height=0.62, color=colour, edgecolor=style.INK, linewidth=0.6,
            hatch="///" if flagged else None, label=f"_{name}",
        )  # fmt: skip
        draw_interval(axes, row, entry, style.INK)
    name_rows(axes, [name.replace("_", " ") for name in rows])
    axes.get_yticklabels()[0].set_fontweight("bold")
    style.title(figure, "What a recording's properties reach alone", style.about(metrics))
    return figure
