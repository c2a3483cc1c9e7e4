"""`audio.fills.fit_length` in operations that ONNX has, of waveforms of any length."""

from __future__ import annotations

import torch
from torch import Tensor

from bodysounds.audio.fills import AROUND


def filled(waveforms: Tensor, n_samples: int, fill: str) -> Tensor:
    """Return the first n_samples of each waveform (batch, samples), filled where it is shorter."""
    if fill in AROUND:
        return around(waveforms, n_samples)
    if fill == "zeros":
        silence = torch.zeros(1, n_samples).expand(waveforms.shape[0], -1)
        return torch.cat((waveforms, silence), 1)[:, :n_samples]
    # there and back; a single sample is its own mirror
    period = (2 * (length_of(waveforms) - 1)).clamp_min(1)
    places = torch.arange(n_samples).remainder(period)
    return waveforms.index_select(1, torch.minimum(places, period - places))


def around(waveforms: Tensor, n_samples: int) -> Tensor:
    """Return n_samples of each waveform, which begins anew where it ends."""
    places = torch.arange(n_samples).remainder(length_of(waveforms))
    return waveforms.index_select(1, places)


def length_of(waveforms: Tensor) -> Tensor:
    """Return the number of samples as a tensor: the exporter knows no remainder of a length."""
    return torch.full((1,), waveforms.shape[1], dtype=torch.int64)
