"""The figures of growth: seconds and memory against n, both axes logarithmic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from growth_things import THINGS, Thing
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from bodysounds.figures import style

Sizes = list[dict[str, Any]]
PANELS = {"cpu_s": "time, s", "mb": "memory added, MB"}
COLUMNS = 2
"""Of things on the page of all."""


def draw_all(found: dict[str, Any], folder: Path) -> None:
    """Save a figure a thing and a page of all, PNG and SVG, from what growth.json holds."""
    for name, sizes in found["things"].items():
        figure = Figure(figsize=(7.2, 3.6), layout="constrained", facecolor="white")
        draw_thing(figure, THINGS[name], sizes)
        style.title(figure, THINGS[name].told, told(sizes))
        save(figure, folder, f"growth_{name}")
    names = list(found["things"])
    rows = -(-len(names) // COLUMNS)
    page = Figure(figsize=(6.2 * COLUMNS, 2.7 * rows + 0.9), layout="constrained")
    page.set_facecolor("white")
    parts = np.atleast_1d(page.subfigures(rows, COLUMNS, wspace=0.03, hspace=0.04)).ravel()
    for part, name in zip(parts, names, strict=False):
        draw_thing(part, THINGS[name], found["things"][name])
        part.suptitle(THINGS[name].told, fontsize=10.5, fontweight="bold", color=style.INK)
    style.title(page, "How time and memory grow", found["machine"])
    save(page, folder, "growth")


def told(sizes: Sizes) -> str:
    """Return what the figure stands on, in a line."""
    return (
        f"SYNTHETIC data · {len(sizes)} sizes, each in a process of its own, after an overhead of "
        f"{1e3 * sizes[-1]['overhead_s']:.0f} ms"
    )


def draw_thing(figure: Any, thing: Thing, sizes: Sizes) -> None:
    """Draw seconds and memory of a thing into a figure, or a part of one."""
    for axes, key in zip(figure.subplots(1, 2), PANELS, strict=True):
        draw_panel(axes, thing, sizes, key)


def draw_panel(axes: Any, thing: Thing, sizes: Sizes, key: str) -> None:
    """Draw one quantity against n, beside the line that is its limit."""
    style.plain_axes(axes)
    n = np.array([size["n"] for size in sizes], dtype=np.float64)
    values = np.array([size[key] for size in sizes])
    values = np.maximum(values, 1e-4 if key == "cpu_s" else 1.0)
    shown = values
    square = thing.quadratic and key == "cpu_s"
    limit = n**2 if square else n * np.log(n)
    # through the middle size: what lies above it to the right grows faster
    middle = len(n) // 2 if len(n) > 2 else 0
    axes.plot(n, limit * values[middle] / limit[middle], color=style.GREY, linestyle=(0, (2, 2)),
              linewidth=1.3, label="n²" if square else "n log n")  # fmt: skip
    if key == "cpu_s":
        wall = np.maximum([size["seconds"] for size in sizes], 1e-4)
        shown = np.concatenate([values, wall])
        axes.plot(n, wall, "D", color=style.INK, markerfacecolor="none", markersize=9,
                  label="by the clock")  # fmt: skip
    axes.plot(n, values, "-o" if key == "cpu_s" else "-s",
              color=style.BLUE if key == "cpu_s" else style.ORANGE, linewidth=1.8, markersize=6,
              label="CPU seconds" if key == "cpu_s" else "measured")  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = shown.min(), shown.max()
    axes.set_ylim(low / 2.5, max(high, 10 * low) * 2.5)
    axes.set_xlim(n[0] / 1.8, n[-1] * 1.8)
    axes.set_xticks(n, [f"{size:,.0f}" for size in n])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"n: {thing.of}", fontsize=9, color=style.INK)
    axes.set_ylabel(PANELS[key], fontsize=9, color=style.INK)
    write_exponents(axes, n, values, [size[EXPONENTS[key]] for size in sizes])
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.03, 0.98), ncols=3, fontsize=7.5, frameon=False,
        borderpad=0.2, columnspacing=1.0, handletextpad=0.4, handlelength=1.8,
    )  # fmt: skip


EXPONENTS = {"cpu_s": "exponent", "mb": "exponent_mb"}


def write_exponents(axes: Any, n: Any, values: Any, found: list[float | None]) -> None:
    """Write the exponent of each step under its line."""
    for k, exponent in enumerate(found):
        if exponent is not None:
            at = np.sqrt(n[k - 1] * n[k]), np.sqrt(values[k - 1] * values[k])
            axes.annotate(
                f"$n^{{{exponent:.2f}}}$", at, xytext=(5, -5), textcoords="offset points",
                fontsize=10, color=style.INK, ha="left", va="top",
            )  # fmt: skip


def save(figure: Figure, folder: Path, name: str) -> None:
    """Save a figure as PNG and SVG, the latter without a date, so that equal numbers are equal."""
    figure.savefig(folder / f"{name}.png", dpi=150)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
