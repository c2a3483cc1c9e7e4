"""What breath cycles look like that were named right, and wrong, with the most confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from bodysounds.figures import style
from bodysounds.scoring.log_mel_baseline import highest_hz, log_mel_frames, mel_hz
from bodysounds.types import Floats, Packed, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

TITLE = "Heard right and wrong, with most confidence"
ROWS = ((True, "right"), (False, "wrong"))
DEPTH_DB = 60.0
"""Below the loudest of a cycle nothing is told apart."""
TICKS_HZ = (100, 200, 400, 800, 1600)


def breath_gallery_figure(
    predictions: Table, waveforms: Packed, examples: Table, *, synthetic: bool
) -> Figure:
    """Return log-mel spectrograms of cycles, a column a class: one named right, one named wrong.

    Parameters
    ----------
    predictions : Table
        Rows of `bodysounds.scoring.classes.prediction_table` that the headline counts; those of
        `ours` are read: segment_id, label, predicted, probability.
    waveforms : Packed
        Whole cycles are drawn, however much of them the network hears.
    examples : Table
        segment_id, session_id (the patient), domain (the device).

    Each is the surest of its kind; of equally sure ones the first by segment_id. A class without
    such a cycle says so.
    """
    ours = predictions[predictions["system"] == "ours"]
    classes = sorted(set(ours["label"]))
    about = "test" + (" · SYNTHETIC sound" if synthetic else "")
    if not classes:
        return style.empty_figure(TITLE, "no cycle was classified", about)
    chosen = surest(ours, classes)
    known = examples.set_index("segment_id")
    figure = Figure(figsize=(2.9 * len(classes) + 0.8, 6.2), facecolor="white")
    grid = figure.subplots(2, len(classes), squeeze=False)
    image = None
    for row, (right, told) in enumerate(ROWS):
        for column, label in enumerate(classes):
            axes, found = grid[row, column], chosen[label, right]
            if found is None:
                axes.set_axis_off()
                axes.text(
                    0.5, 0.5, f"no {label} cycle\nwas named {told}", ha="center", va="center",
                    fontsize=9, color=style.GREY, transform=axes.transAxes,
                )  # fmt: skip
                continue
            segment, said, share = found
            image = draw_log_mel(axes, waveforms.waveform(segment), waveforms.sample_rate)
            patient, device = known.loc[segment, ["session_id", "domain"]]
            _head(axes, label, said, f"{100 * share:.0f}% sure · patient {patient} · {device}")
        drawn = [axes for axes in grid[row] if axes.axison]
        if drawn:
            drawn[0].set_ylabel(f"named {told}\nHz", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("seconds", fontsize=9)
    if image is not None:
        bar = figure.colorbar(image, ax=grid, shrink=0.6, pad=0.015)
        bar.set_label("dB below the cycle's loudest", fontsize=8.5)
        bar.ax.tick_params(labelsize=8)
    reach = highest_hz(waveforms.sample_rate)
    about += ": of each class the cycle that ours was surest of"
    style.title(figure, TITLE, f"{about}\nlog-mel spectrograms, 50 to {reach:,.0f} Hz")
    return figure


def _head(axes: Axes, label: str, said: str, told: str) -> None:
    right = label == said
    axes.set_title(
        f"{label} {'=' if right else '→'} {said}", fontsize=10, fontweight="bold", loc="left",
        pad=18, color=style.BLUE if right else style.ORANGE,
    )  # fmt: skip
    axes.text(0, 1.02, told, transform=axes.transAxes, fontsize=8, color=style.GREY, va="bottom")


def surest(
    ours: Table, classes: Sequence[str]
) -> dict[tuple[str, bool], tuple[str, str, float] | None]:
    """Return segment_id, prediction and its probability, by class and whether it is right."""
    found: dict[tuple[str, bool], tuple[str, str, float] | None] = {}
    ordered = ours.sort_values(["probability", "segment_id"], ascending=[False, True])
    for label in classes:
        own = ordered[ordered["label"] == label]
        for right in (True, False):
            part = own[(own["predicted"] == label) == right]
            found[label, right] = None
            if len(part):
                first = part.iloc[0]
                segment, said = str(first["segment_id"]), str(first["predicted"])
                found[label, right] = segment, said, float(first["probability"])
    return found


def draw_log_mel(axes: Axes, waveform: Floats, sample_rate: int) -> AxesImage:
    """Draw a waveform's log-mel spectrogram, in dB below its loudest, and return the image."""
    frames = log_mel_frames(waveform, sample_rate)
    decibels = 10 / np.log(10) * (frames - frames.max())
    seconds = len(waveform) / sample_rate
    bands = frames.shape[1]
    image = axes.imshow(
        decibels.T, origin="lower", aspect="auto", cmap="magma", vmin=-DEPTH_DB, vmax=0,
        extent=(0, seconds, 0, bands), interpolation="nearest",
    )  # fmt: skip
    middle = mel_hz(sample_rate, bands)
    shown = [hz for hz in TICKS_HZ if middle[0] <= hz <= middle[-1]]
    axes.set_yticks(np.interp(shown, middle, np.arange(bands) + 0.5).tolist(), map(str, shown))
    axes.tick_params(labelsize=8, colors=style.INK)
    return image
