"""The short-time Fourier transform as products: fast, and exact, wherever ONNX runs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Powers(nn.Module):
    """Waveforms (batch, samples) -> powers (batch, frames, bins), all float32.

    Each frame is multiplied by the cosines and the sines of each bin; whatever else is linear in a
    frame (window, mean, pre-emphasis) is in the same weights. The rounding of the products, 1e-7 of
    the loudest bin, is that of a float32 FFT.

    Parameters
    ----------
    frame : float64 (n, n_samples)
        What is done to the samples of a frame before the transform, the window included.
    n_fft : int
        Length of the transform; after the n numbers of a frame it reads zeros.
    hop : int
        Samples from frame to frame.
    pad : int, pad_mode : str
        Samples that are added at both ends, and how.
    """

    weights: Tensor

    def __init__(
        self,
        frame: Tensor,
        n_fft: int,
        hop: int,
        n_bins: int,
        pad: int = 0,
        pad_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.hop, self.pad, self.pad_mode = hop, pad, pad_mode
        weights = waves(len(frame), n_fft, n_bins) @ frame.double()
        self.register_buffer("weights", weights.float().unsqueeze(1), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        heard = waveforms.unsqueeze(1)
        if self.pad:
            heard = functional.pad(heard, (self.pad, self.pad), self.pad_mode)
        real, imaginary = functional.conv1d(heard, self.weights, stride=self.hop).chunk(2, 1)
        return (real.square() + imaginary.square()).transpose(1, 2)


class ExactPowers(nn.Module):
    """Waveforms (batch, samples) float32 -> powers (batch, frames, bins) float64.

    For features that stretch what is all but silent: beside a loud frequency, float32 leaves its
    rounding there. Convolutions of float64 are in no runtime, products are; all waveforms have one
    length, and a frame has as many samples as the window.
    """

    weights: Tensor

    def __init__(self, window: Tensor, n_fft: int, hop: int, n_bins: int) -> None:
        super().__init__()
        self.size, self.hop = len(window), hop
        weights = waves(self.size, n_fft, n_bins) * window.double()
        self.register_buffer("weights", weights.t().contiguous(), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        frames = waveforms.unfold(1, self.size, self.hop).double()
        real, imaginary = (frames @ self.weights).chunk(2, 2)
        return real.square() + imaginary.square()


def waves(n: int, n_fft: int, n_bins: int) -> Tensor:
    """Return n samples of the cosines, then of the sines, of each bin: float64 (2 * n_bins, n)."""
    places = torch.arange(n, dtype=torch.float64)
    angles = torch.outer(torch.arange(n_bins, dtype=torch.float64), places)
    # whole turns go first: of large angles nothing is lost
    angles = 2 * torch.pi / n_fft * (angles % n_fft)
    return torch.cat((angles.cos(), angles.sin()))


def windowed(window: Tensor, n_fft: int) -> Tensor:
    """Return the frame of a window in the middle of n_fft samples: float64 (n_fft, n_fft)."""
    before = (n_fft - len(window)) // 2
    return torch.diag(functional.pad(window.double(), (before, n_fft - len(window) - before)))


def used_bins(bands: Tensor) -> int:
    """Return how many bins, from the lowest on, any band hears."""
    return int(bands.abs().amax(1).nonzero().max()) + 1
