"""Cuts recordings into windows of one length, whatever their class."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from bodysounds.audio.parallel import ordered_map
from bodysounds.audio.read import decode, to_mono
from bodysounds.corpora.base import Corpus
from bodysounds.params.split_sources import SplitSourcesParams
from bodysounds.progress import track
from bodysounds.types import Array, Floats, Table

logger = logging.getLogger(__name__)

FRAME_S = 0.02
"""What `loudest` compares the places of a window by."""
SLACK_S = 0.001
"""So much less than a window is no shortage: formats disagree about a few samples."""


def cut_windows(corpus: Corpus, manifest: Table, params: SplitSourcesParams) -> Table:
    """Return the windows of every recording, all of `params.window_s` seconds.

    Returns
    -------
    windows : Table
        segment_id (`<recording_id>#<k>`, k in the order of time), recording_id, start_s, end_s,
        label and fill: how what the recording lacks at the window's end is filled, `zeros` or
        `repeat`. A short recording has one window from its start, or none (`short: drop`).

    `choose: loudest` decodes the recordings that are longer than a window, in threads; ingest has
    decoded each of them before. Raises ValueError where no recording is as long as a window and
    shorter ones are dropped.
    """
    length = manifest["duration_s"].to_numpy(np.float64)
    short = length < params.window_s - SLACK_S
    _tell_short(manifest, short, params)
    searched = manifest["path"][length >= params.window_s + FRAME_S].tolist()
    energies: dict[str, Floats] = {}
    if params.choose == "loudest":
        found = ordered_map(lambda path: _energies(corpus, path), searched, params.workers)
        levels = track(found, "measuring", total=len(searched))
        energies = dict(zip(searched, levels, strict=True))
    rows = [
        (f"{recording}#{k}", recording, start, start + params.window_s, label)
        for recording, path, label, seconds, is_short in zip(
            manifest["recording_id"], manifest["path"], manifest["label"], length, short,
            strict=True,
        )
        if not (is_short and params.short == "drop")
        for k, start in enumerate(window_starts(seconds, params, energies.get(path)))
    ]  # fmt: skip
    columns = ["segment_id", "recording_id", "start_s", "end_s", "label"]
    table = pd.DataFrame(rows, columns=columns)
    table["fill"] = "zeros" if params.short == "zeros" else "repeat"
    text = dict.fromkeys(("segment_id", "recording_id", "label", "fill"), "str")
    return table.astype(text)


def window_starts(
    duration_s: float, params: SplitSourcesParams, energies: Floats | None = None
) -> list[float]:
    """Return where the windows of a recording start (seconds), in the order of time.

    `energies` are those of `frame_energies`; without them `loudest` takes the first window. Starts
    are at least `params.hop_s` apart, and every window lies within the recording; one shorter than
    a window has it from its start.
    """
    room = max(0.0, duration_s - params.window_s)
    n = 1 + int(room / params.hop_s + 1e-9)
    n = min(n, params.at_most or n)
    if params.choose == "first":
        return [k * params.hop_s for k in range(n)]
    if params.choose == "spread":
        return [room / 2] if n == 1 else np.linspace(0.0, room, n).tolist()
    if energies is None:
        return [0.0]
    return _loudest(energies, room, params, n)


def _loudest(energies: Floats, room: float, params: SplitSourcesParams, n: int) -> list[float]:
    width = max(1, round(params.window_s / FRAME_S))
    total = np.concatenate([[0.0], np.cumsum(energies)])
    places = min(int(room / FRAME_S + 1e-9) + 1, len(total) - 1)
    ends = np.minimum(np.arange(places) + width, len(total) - 1)
    left = total[ends] - total[:places]
    apart = int(np.ceil(params.hop_s / FRAME_S - 1e-9))
    starts: list[int] = []
    while len(starts) < n and np.isfinite(left).any():
        at = int(left.argmax())
        starts.append(at)
        left[max(0, at - apart + 1) : at + apart] = -np.inf
    return [at * FRAME_S for at in sorted(starts)]


def frame_energies(waveform: Floats, sample_rate: int) -> Floats:
    """Return the energy of each frame of 20 ms, float64: the sum of squares about the mean.

    `waveform` is mono, shape (n,); what is left at its end counts as a frame.
    """
    bounds = np.arange(0.0, len(waveform) / sample_rate, FRAME_S) * sample_rate
    first = np.unique(np.minimum(np.rint(bounds).astype(np.int64), len(waveform) - 1))
    centred = waveform - waveform.mean(dtype=np.float64)
    energies: Floats = np.add.reduceat(centred**2, first)
    return energies


def _energies(corpus: Corpus, path: str) -> Floats:
    samples, rate = decode(Path(corpus.root) / path, path)
    return frame_energies(to_mono(samples), rate)


def _tell_short(manifest: Table, short: Array, params: SplitSourcesParams) -> None:
    if not short.any():
        return
    by_label = manifest.loc[short, "label"].value_counts().sort_index()
    told = ", ".join(f"{n} {label}" for label, n in by_label.items())
    done = {
        "drop": "left out (split_sources.short: drop)",
        "zeros": "filled with zeros, which their noise floor gives away (the audit shows how far)",
        "repeat": "repeated to a window's length",
    }[params.short]
    counted = f"{int(short.sum())} of {len(manifest)} recordings"
    if short.all() and params.short == "drop":
        raise ValueError(
            f"{counted} are shorter than split_sources.window_s = {params.window_s:g}, and "
            "split_sources.short is drop: take a shorter window, or zeros or repeat"
        )
    logger.warning(
        "%s are shorter than a window of %g s and are %s: %s", counted, params.window_s, done, told
    )
