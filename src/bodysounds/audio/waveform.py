"""The front end of networks that hear waveforms as they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NAME = "waveform"
# added to the variance, as the feature extractor of Hugging Face does
SMALLEST = 1e-7


class Waveform(nn.Module):
    """Waveforms (batch, samples) float32 -> the same shape; it holds no parameters.

    Parameters
    ----------
    sample_rate : int
        Hz.
    normalise : bool
        Each waveform to mean 0 and variance 1, as `Wav2Vec2FeatureExtractor` with do_normalize;
        a waveform that does not change becomes 0.
    """

    def __init__(self, sample_rate: int = 16_000, normalise: bool = True) -> None:
        super().__init__()
        self.sample_rate, self.normalise = sample_rate, normalise

    def forward(self, waveforms: Tensor) -> Tensor:
        if not self.normalise:
            return waveforms
        with torch.autocast(waveforms.device.type, enabled=False):
            return normalised(waveforms.float())


def normalised(waveforms: Tensor) -> Tensor:
    """Return waveforms (..., samples) float32 with mean 0 and variance 1 each."""
    centred = waveforms - waveforms.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + SMALLEST).sqrt()
