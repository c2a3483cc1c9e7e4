"""Small multiples: one panel a system or a class, all alike."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from bodysounds.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def panels(n: int, width: float, height: float, most: int = 4) -> tuple[Figure, list[Axes]]:
    """Return a figure with n plain panels of a size in inches, at most so many beside each other.

    Rows are of equal length as far as that goes; what is left over stays empty.
    """
    rows = math.ceil(n / most)
    columns = math.ceil(n / rows)
    figure = Figure(figsize=(width * columns, height * rows + 1.1), facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = [style.plain_axes(one) for one in grid.ravel()]
    for spare in axes[n:]:
        spare.set_axis_off()
    return figure, axes[:n]


def framed(axes: Axes, title: str, told: str = "") -> None:
    """Write the name of a panel above it, in up to two lines, then what it shows in numbers."""
    title = "\n".join(wrap(title, 26, max_lines=2, placeholder=" …"))
    axes.set_title(title, fontsize=10, fontweight="bold", color=style.INK, loc="left", pad=18)
    axes.text(0, 1.02, told, transform=axes.transAxes, fontsize=8.5, color=style.GREY, va="bottom")
