"""How figures look: readable in grey and by colour-blind readers (palette of Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bodysounds.types import Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#5A5A5A"
INK = "#222222"

LABELS = {
    "ours": "ours",
    "unfiltered": "ours, without the filter by sex",
    "averaged": "ours, averaged over shuffles",
    "whole": "ours, sides heard whole",
    "windows": "ours, mean of short windows",
    "loud": "ours, loud part of sides",
    "first": "ours, first seconds of sides",
    "plain": "ours, without its backend",
    "network": "ours, its network's part alone",
    "statistics": "ours, its statistics alone",
    "pretrained": "pretrained, frozen",
    "untrained": "untrained network",
    "mfcc": "MFCC mean and deviation",
    "random": "random",
}


class Look(NamedTuple):
    """How a system is drawn: line and marker tell it apart in grey too."""

    colour: str
    line: Any
    """What matplotlib takes as a line style: a name, or (offset, dashes)."""
    marker: str


LOOKS = {
    "ours": Look(BLUE, "-", "o"),
    "averaged": Look("#56B4E9", (0, (9, 2)), "p"),
    "unfiltered": Look("#332288", (0, (5, 1.5)), "o"),
    "whole": Look("#117733", (0, (12, 2, 2, 2)), "h"),
    "windows": Look("#882255", (0, (7, 2, 1, 2)), "H"),
    "loud": Look("#A6761D", (0, (4, 1, 1, 1)), "8"),
    "first": Look("#999933", (0, (2, 2, 6, 2)), "d"),
    "plain": Look("#44AA99", (0, (10, 1, 1, 1)), "p"),
    "network": Look("#88419D", (0, (5, 2, 1, 2)), "h"),
    "statistics": Look("#661100", (0, (1, 1, 5, 1)), "d"),
    "pretrained": Look("#CC79A7", (0, (6, 1, 1, 1, 1, 1)), "v"),
    "untrained": Look(ORANGE, "--", "s"),
    "mfcc": Look(GREEN, "-.", "^"),
    "random": Look(GREY, ":", "D"),
    "yamnet": Look(ORANGE, (0, (5, 2)), "s"),
    "wav2vec2": Look("#CC79A7", (0, (6, 1.5, 1, 1.5, 1, 1.5)), "v"),
    "average": Look("#56B4E9", (0, (11, 2)), "p"),
    "weighted": Look("#E69F00", (0, (1, 1)), "8"),
    "vote": Look("#332288", (0, (3, 1, 1, 1)), "d"),
    "meta": Look("#882255", (0, (9, 2, 3, 2)), "h"),
    "recording": Look(GREY, (0, (1, 3)), "X"),
    "sl": Look(ORANGE, (0, (5, 2)), "s"),
    "scl": Look("#56B4E9", (0, (11, 2)), "p"),
    "hybrid": Look("#CC79A7", (0, (6, 1.5, 1, 1.5, 1, 1.5)), "v"),
    "mscl": Look("#332288", (0, (3, 1, 1, 1)), "d"),
    "log_mel": Look("#E69F00", (0, (2, 1)), "P"),
}
# for any other system; the palette's yellow is too pale for lines on white
OTHER_COLOURS = ("#E69F00", "#000000")
OTHER_LINES = ((0, (3, 1, 1, 1)), (0, (2, 1)), (0, (8, 1, 3, 1)))
OTHER_MARKERS = ("P", "X", "*", "<", ">")


def label(system: str) -> str:
    """Return a system's name as readers see it."""
    return LABELS.get(system, system.replace("_", " "))


def look(systems: Iterable[str]) -> dict[str, Look]:
    """Return the look of each system: its own where it has one, else the next that is free.

    The same systems in the same order look the same in every figure.
    """
    systems = list(systems)
    others = [name for name in systems if name not in LOOKS]
    free = {
        name: Look(
            OTHER_COLOURS[k % len(OTHER_COLOURS)],
            OTHER_LINES[k % len(OTHER_LINES)],
            OTHER_MARKERS[k % len(OTHER_MARKERS)],
        )
        for k, name in enumerate(others)
    }
    return {name: LOOKS.get(name) or free[name] for name in systems}


def new_figure(width: float = 6.4, height: float = 4.6) -> tuple[Figure, Axes]:
    """Return a figure of a size in inches with one plain pair of axes, apart from pyplot."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    return figure, plain_axes(figure.add_subplot())


def plain_axes(axes: Axes) -> Axes:
    """Return the axes without top and right edges, over a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    return axes


def ink_on(share: float, colours: str = "Blues") -> str:
    """Return white or ink, whichever is read more easily on a colour map at a share in [0, 1]."""
    from matplotlib import colormaps

    under = luminance(colormaps[colours](share)[:3])
    on_white, on_ink = (1.05) / (under + 0.05), (under + 0.05) / (luminance(to_rgb(INK)) + 0.05)
    return "white" if on_white > on_ink else INK


def luminance(colour: Sequence[float]) -> float:
    """Return the relative luminance of an sRGB colour in [0, 1], as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def marks(look: Look, place: int) -> dict[str, Any]:
    """Return what gives a curve of many points a few marks of its look.

    `place` is the curve's number, so that the marks of curves that run together alternate.
    """
    return {"marker": look.marker, "markevery": (0.05 + 0.03 * (place % 8), 0.3), "markersize": 4.5,
            "markeredgecolor": "white", "markeredgewidth": 0.4}  # fmt: skip


def empty_figure(text: str, why: str, told: str) -> Figure:
    """Return a small figure that says why there is nothing to draw."""
    figure, axes = new_figure(6.4, 1.8)
    axes.set_axis_off()
    axes.text(0.0, 0.5, why, fontsize=10, color=INK, va="center", transform=axes.transAxes)
    title(figure, text, told)
    return figure


def title(figure: Figure, text: str, about: str = "") -> None:
    """Write a title over `about`, lines in small type, at the top left of the figure."""
    height = figure.get_figheight()
    used = 0.42 + 0.19 * len(about.splitlines())  # inches
    figure.text(0.02, 1 - 0.1 / height, text, fontsize=12.5, fontweight="bold", color=INK, va="top")
    figure.text(0.02, 1 - 0.36 / height, about, fontsize=9, color=GREY, va="top", linespacing=1.35)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - used / height))


def about(metrics: Metrics) -> str:
    """Return what the headline's numbers stand on, in two lines; synthetic sound is named."""
    head = metrics["headline"]
    counts = metrics[head["subset"]]["ours"]
    where = f"{head['subset']}, {head['condition'].replace('_', ' ')}"
    synthetic = " · SYNTHETIC sound" if head["synthetic"] else ""
    return (
        f"{where}{synthetic}\n{counts['n_target']:,} target pairs of "
        f"{counts['n_target_subjects']:,} subjects, {counts['n_nontarget']:,} non-target pairs"
    )
