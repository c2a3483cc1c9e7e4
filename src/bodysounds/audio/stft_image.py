"""Waveforms as images: the magnitude of the short-time Fourier transform, resized to a square."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.fills import fit_length as fit_length

NAME = "stft_image"
FILLS = ("repeat", "zeros")
NORMALISATIONS = ("min_max", "per_frequency")
CHANNELS = 3
# below the rounding of int16 samples, so that only digital silence meets it
FLOOR = 1e-5
# of the standard deviation of a row that does not change, and of the range of an even image
SMALLEST = 1e-5
AT_ONCE = 4
"""Clips whose spectra stay in a CPU's caches."""


class StftImage(nn.Module):
    """Waveforms (batch, samples) float32 -> images (batch, 3, size, size) float32.

    Only the first `clip_s` of a waveform are heard. Rows are frequencies from 0 Hz up, columns are
    time; the three channels are equal (one tensor, seen three times). It holds no parameters.

    Parameters
    ----------
    sample_rate : int
        Hz.
    clip_s : float
        Length that every waveform is cut or filled to (seconds).
    fill : `repeat` or `zeros`
        As in `fit_length`.
    n_fft : int
        Samples of the transform; n_fft // 2 + 1 frequencies.
    win_s, hop_s : float
        Length of a frame, under a Hann window, and the step between two (seconds); 25 ms and 10 ms
        are those of the VoxCeleb systems (Nagrani et al. 2017, arXiv 1706.08612).
    log : bool
        Natural logarithm of one and the magnitudes over 1e-5.
    size : int
        Rows and columns, by bilinear interpolation (with a wider kernel where it shrinks, so that
        every frequency counts).
    normalise : `min_max` or `per_frequency`
        Each image to [0, 1], or each row to mean 0 and variance 1 over time, as VGGVox does; the
        second also takes off a constant microphone and room.

    Raises ValueError for values out of range, and for a clip or frame that does not fit.
    """

    window: Tensor

    def __init__(
        self,
        sample_rate: int = 16_000,
        clip_s: float = 3.0,
        fill: str = "repeat",
        n_fft: int = 512,
        win_s: float = 0.025,
        hop_s: float = 0.010,
        log: bool = True,
        size: int = 224,
        normalise: str = "per_frequency",
    ) -> None:
        super().__init__()
        self.n_samples = round(clip_s * sample_rate)
        self.n_fft, self.hop = n_fft, round(hop_s * sample_rate)
        n_window = round(win_s * sample_rate)
        if not 1 <= n_window <= n_fft or self.hop < 1:
            raise ValueError(
                f"the front end {NAME} has frames of {n_window} samples every {self.hop}: they "
                f"must have 1 to n_fft ({n_fft}) samples, and a step of at least 1"
            )
        if self.n_samples < n_fft:
            raise ValueError(
                f"the front end {NAME} has clips of {self.n_samples} samples and n_fft {n_fft}: "
                "make clip_s longer or n_fft smaller"
            )
        if fill not in FILLS:
            raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
        if normalise not in NORMALISATIONS:
            raise ValueError(
                f"normalise must be one of {', '.join(NORMALISATIONS)}, got {normalise!r}"
            )
        self.fill, self.log, self.size, self.normalise = fill, log, size, normalise
        self.register_buffer(
            "window", torch.hann_window(n_window, dtype=torch.float64), persistent=False
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        with torch.autocast(waveforms.device.type, enabled=False):
            clips = fit_length(waveforms, self.n_samples, self.fill)
            at_once = AT_ONCE if clips.device.type == "cpu" else max(1, len(clips))
            images = torch.cat([self._images(part) for part in torch.split(clips, at_once)])
            return images.expand(-1, CHANNELS, -1, -1)

    def _images(self, clips: Tensor) -> Tensor:
        # in float32 the rounding of loud frequencies is left in quiet rows, which are stretched
        spectrum = torch.stft(
            clips.double(), self.n_fft, self.hop, len(self.window), self.window,
            center=False, return_complex=True,
        )  # fmt: skip
        # faster than abs(), which minds overflow
        magnitude = (spectrum.real.square() + spectrum.imag.square()).sqrt()
        if self.log:
            # silence is exactly 0, so that no rounding of it is stretched
            magnitude = (magnitude / FLOOR).log1p()
        shape = (self.size, self.size)
        image = functional.interpolate(magnitude[:, None], shape, mode="bilinear", antialias=True)
        return (min_max if self.normalise == "min_max" else per_frequency)(image).float()


def min_max(images: Tensor) -> Tensor:
    """Return images (batch, 1, rows, columns), each stretched to [0, 1]; an even one becomes 0."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return (images - low) / (high - low).clamp_min(SMALLEST)


def per_frequency(images: Tensor) -> Tensor:
    """Return images (batch, 1, rows, columns), each row with mean 0 and variance 1.

    A row that does not change becomes 0.
    """
    centred = images - images.mean(dim=3, keepdim=True)
    deviation = centred.square().mean(dim=3, keepdim=True).sqrt()
    return centred / deviation.clamp_min(SMALLEST)
