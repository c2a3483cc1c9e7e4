"""What the recordings of a corpus are like, before anything is learnt from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from bodysounds.figures import style
from bodysounds.types import Figure, Floats, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

MOST_BINS = 30
MOST_NAMED = 6
"""Subjects or domains that have a mark of their own."""


class SubsetLook(NamedTuple):
    """How a subset is drawn: line and marker tell it apart in grey too."""

    colour: str
    line: str
    marker: str


LOOKS = {
    "train": SubsetLook(style.GREY, ":", "^"),
    "dev": SubsetLook(style.ORANGE, "--", "s"),
    "test": SubsetLook(style.BLUE, "-", "o"),
}
MARKS = (
    (style.BLUE, "o"), (style.ORANGE, "s"), (style.GREEN, "^"), ("#CC79A7", "D"),
    ("#E69F00", "v"), ("#000000", "X"),
)  # fmt: skip


def uses_figure(recordings: Table, about: str) -> Figure:
    """Return how many recordings are named by how many pairs, for the subsets that have pairs.

    `recordings` is `bodysounds.reporting.inspection.recording_table`, `about` the small print.
    """
    paired = [(name, part["n_trials"].to_numpy(float)) for name, part in _subsets(recordings)]
    paired = [(name, counts) for name, counts in paired if counts.any()]
    title = "How often a recording is compared"
    if not paired:
        return style.empty_figure(title, "no recording is in any pair", about)
    figure, axes = style.new_figure(6.4, 3.4)
    most = max(counts.max() for _, counts in paired)
    edges = np.linspace(-0.5, most + 0.5, int(min(MOST_BINS, most + 1)) + 1)
    _steps(axes, paired, edges)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("pairs that name the recording")
    return _finished(figure, title, about)


def subjects_figure(recordings: Table, about: str) -> Figure:
    """Return the recordings of each known subject against their seconds."""
    title = "What each subject has"
    known = recordings[recordings["subject_id"].notna()]
    if known.empty:
        return style.empty_figure(title, "no subject is known", about)
    figure, axes = style.new_figure(6.4, 3.8)
    rng = np.random.default_rng(0)
    for name, part in _subsets(known):
        grouped = part.groupby("subject_id")
        count, seconds = grouped.size().to_numpy(float), grouped["duration_s"].sum().to_numpy()
        apart = count * rng.uniform(0.93, 1.07, len(count))  # equal counts are not one dot
        look = LOOKS[name]
        axes.plot(
            apart, seconds, look.marker, color=look.colour, markersize=5, alpha=0.6,
            markerfacecolor="white" if name == "train" else look.colour,
            label=f"{name} ({len(count):,} subjects)",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_log(axes)
    axes.set_xlabel("recordings of a subject")
    axes.set_ylabel("seconds of a subject")
    return _finished(figure, title, about)


def seconds_figure(recordings: Table, about: str) -> Figure:
    """Return the durations of the recordings of each subset, on a logarithmic axis."""
    parts = [(name, part["duration_s"].to_numpy(float)) for name, part in _subsets(recordings)]
    parts = [(name, values[values > 0]) for name, values in parts]
    title = "Seconds of a recording"
    everything = np.concatenate([values for _, values in parts]) if parts else np.empty(0)
    if not len(everything):
        return style.empty_figure(title, "no recording has a duration", about)
    figure, axes = style.new_figure(6.4, 3.4)
    low, high = everything.min(), everything.max()
    edges = np.geomspace(low * 0.98, max(high, low * 1.05) * 1.02, _n_bins(parts) + 1)
    _steps(axes, parts, edges)
    axes.set_xscale("log")
    _plain_log(axes, y=False)
    axes.set_xlabel("seconds")
    return _finished(figure, title, about)


def levels_figure(recordings: Table, about: str) -> Figure:
    """Return level and peak of the recordings of each subset, in dB full scale."""
    from matplotlib.figure import Figure as New

    figure = New(figsize=(9.2, 3.6), facecolor="white")
    left, right = (style.plain_axes(axes) for axes in figure.subplots(1, 2, sharey=True))
    for axes, column, told in (
        (left, "level_dbfs", "level, dBFS (root mean square)"),
        (right, "peak_dbfs", "peak, dBFS"),
    ):
        parts = [(name, _finite(part[column])) for name, part in _subsets(recordings)]
        known = np.concatenate([values for _, values in parts]) if parts else np.empty(0)
        if len(known):
            edges = np.linspace(known.min() - 0.5, known.max() + 0.5, _n_bins(parts) + 1)
            _steps(axes, parts, edges, labelled=axes is left)
        axes.set_xlabel(told)
    right.set_ylabel("")
    return _finished(figure, "How loud the recordings are", about)


def channel_figure(recordings: Table, about: str) -> Figure:
    """Return noise floor against bandwidth, a mark a recording.

    The domains with most recordings have marks of their own, or, where fewer than two domains are
    known, the subjects that have most.
    """
    title = "The microphone's fingerprint"
    shown = recordings[
        np.isfinite(recordings["noise_floor_dbfs"]) & np.isfinite(recordings["bandwidth_hz"])
    ]
    if shown.empty:
        return style.empty_figure(title, "no noise floor is known", about)
    kind = "domain" if shown["domain"].nunique() > 1 else "subject_id"
    counts = shown[kind].value_counts()
    named = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:MOST_NAMED]
    figure, axes = style.new_figure(6.8, 5.0)
    others = shown[~shown[kind].isin([name for name, _ in named])]
    axes.plot(
        others["noise_floor_dbfs"], others["bandwidth_hz"] / 1000, ".", color="#B5B5B5",
        markersize=4, label=f"others ({len(others):,})", gid="others", zorder=2,
    )  # fmt: skip
    prefix = "" if kind == "domain" else "subject "
    for (name, count), (colour, marker) in zip(named, MARKS, strict=False):
        own = shown[shown[kind] == name]
        axes.plot(
            own["noise_floor_dbfs"], own["bandwidth_hz"] / 1000, marker, color=colour,
            markersize=6, markeredgecolor="white", markeredgewidth=0.5, gid=str(name), zorder=3,
            label=f"{prefix}{_short(str(name))} ({count:,})",
        )  # fmt: skip
    axes.set_xlabel("noise floor, dBFS (10th percentile of the frames' levels)")
    axes.set_ylabel("bandwidth, kHz (95% of the energy lies below)")
    return _finished(figure, title, about)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def _subsets(recordings: Table) -> Iterator[tuple[str, Table]]:
    for name in LOOKS:
        part = recordings[recordings["subset"] == name]
        if len(part):
            yield name, part


def _finite(column: Any) -> Floats:
    values: Floats = np.asarray(column, dtype=np.float64)
    return values[np.isfinite(values)]


def _n_bins(parts: list[tuple[str, Floats]]) -> int:
    """Return how many bins the values of the subsets allow, 8 to 30."""
    each = sum(len(values) for _, values in parts) / len(parts)
    return int(np.clip(2 * np.sqrt(each), 8, MOST_BINS))


def _steps(
    axes: Axes, parts: list[tuple[str, Floats]], edges: Floats, labelled: bool = True
) -> None:
    """Draw the shares of each subset in bins, as lines that tell them apart in grey too."""
    for name, values in parts:
        if not len(values):
            continue
        look = LOOKS[name]
        heights = 100 * np.histogram(values, edges)[0] / len(values)
        told = f"{name} ({len(values):,} recordings)" if labelled else f"_{name}"
        axes.stairs(
            heights, edges, color=look.colour, linestyle=look.line, linewidth=1.6, label=told,
            gid=name,
        )  # fmt: skip
        if name == "test":
            axes.stairs(heights, edges, fill=True, color=look.colour, alpha=0.14, label="_fill")
    # a second panel that shares the axis may reach higher
    axes.set_ylim(0, None, auto=True)
    axes.set_ylabel("share of the subset (%)")


def _plain_log(axes: Axes, y: bool = True) -> None:
    for axis in (axes.xaxis, axes.yaxis) if y else (axes.xaxis,):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def _finished(figure: Figure, title: str, about: str) -> Figure:
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    style.title(figure, title, about)
    return figure
