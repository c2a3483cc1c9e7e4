"""Clips of one length: longer waveforms are cut, shorter ones filled at their end."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FILLS = ("repeat", "zeros", "circular", "reflect")
AROUND = ("repeat", "circular")
"""Those that go round: a waveform may then begin anywhere, its end meeting its start."""


def fit_length(waveforms: Tensor, n_samples: int, fill: str) -> Tensor:
    """Return the first n_samples of each waveform; shorter ones are filled at the end.

    Parameters
    ----------
    waveforms : (batch, samples), of any dtype
    n_samples : int
    fill : `repeat`, `circular`, `reflect` or `zeros`
        What follows a shorter one: itself, again and again (`circular` is the same); itself
        backwards, then forwards, and so on, so that nothing jumps where they meet; or silence.
        Silence shows the network how long a recording is, which may tell speakers apart by their
        habits of recording.

    Returns (batch, n_samples) of the same dtype. Raises ValueError for no samples or another fill.
    """
    if fill not in FILLS:
        raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
    length = waveforms.shape[-1]
    if not length:
        raise ValueError("a waveform has no samples: leave empty recordings out")
    if length >= n_samples:
        return waveforms[:, :n_samples]
    if fill == "zeros":
        return functional.pad(waveforms, (0, n_samples - length))
    if fill == "reflect" and length > 1:
        # neither end is heard twice in a row
        period = 2 * (length - 1)
        place = torch.arange(n_samples, device=waveforms.device) % period
        return waveforms[:, torch.minimum(place, period - place)]
    return waveforms.repeat(1, -(-n_samples // length))[:, :n_samples]
