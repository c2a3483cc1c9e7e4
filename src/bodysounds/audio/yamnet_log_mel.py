"""YAMNet's front end: waveforms to patches of 96 x 64 log-mel values."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

NAME = "yamnet_log_mel"
SAMPLE_RATE = 16_000
WINDOW, HOP, N_FFT = 400, 160, 512
N_MELS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7500.0
LOG_OFFSET = 0.001
PATCH_FRAMES = 96
PATCH_SAMPLES = (PATCH_FRAMES - 1) * HOP + WINDOW
"""Samples that one patch hears: 15,600, which is 0.975 s."""


class YamnetLogMel(nn.Module):
    """Waveforms (batch, samples) float32 in [-1, 1) -> patches (batch, patches, 96, 64) float32.

    As published with YAMNet: frames of 25 ms every 10 ms under a periodic Hann window, magnitudes
    of a 512-point transform (not powers), 64 mel bands from 125 to 7500 Hz, the natural logarithm
    of them plus 0.001; patches of 96 frames. A waveform is filled with zeros at its end up to a
    whole number of patches, at least one. It holds no parameters.

    Parameters
    ----------
    sample_rate : int
        Hz; 16,000 only.
    patch_hop_s : float
        Step from patch to patch (seconds), a multiple of 0.01; 0.48 as published, half a patch.

    Raises ValueError for another sample rate or step, and for waveforms without samples.
    """

    window: Tensor
    bands: Tensor

    def __init__(self, sample_rate: int = SAMPLE_RATE, patch_hop_s: float = 0.48) -> None:
        super().__init__()
        if sample_rate != SAMPLE_RATE:
            raise ValueError(
                f"the front end {NAME} hears {SAMPLE_RATE} Hz, got {sample_rate}: resample to it"
            )
        steps = patch_hop_s * SAMPLE_RATE / HOP
        if not math.isfinite(steps) or round(steps) < 1 or abs(steps - round(steps)) > 1e-6:
            raise ValueError(
                f"the front end {NAME} needs a patch_hop_s that is a multiple of 0.01 s and at "
                f"least that, got {patch_hop_s}"
            )
        self.patch_step = round(steps)
        window = torch.hann_window(WINDOW, periodic=True, dtype=torch.float64)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bands", mel_bands(), persistent=False)

    def log_mel(self, waveforms: Tensor) -> Tensor:
        """Return log-mel frames (batch, frames, 64) float32, a frame every 10 ms, unpadded."""
        with torch.autocast(waveforms.device.type, enabled=False):
            # in float32 the rounding of loud frequencies moves quiet bands by up to 0.006
            frames = waveforms.unfold(-1, WINDOW, HOP) * self.window
            magnitudes = torch.fft.rfft(frames, N_FFT).abs().float()
            log_mel: Tensor = (magnitudes @ self.bands + LOG_OFFSET).log()
            return log_mel

    def forward(self, waveforms: Tensor) -> Tensor:
        if not waveforms.shape[-1]:
            raise ValueError("a waveform has no samples: leave empty recordings out")
        missing = padding(waveforms.shape[-1], self.patch_step * HOP)
        frames = self.log_mel(functional.pad(waveforms, (0, missing)))
        patches = frames.unfold(1, PATCH_FRAMES, self.patch_step)
        return patches.transpose(2, 3)


def padding(n_samples: int, step: int) -> int:
    """Return the zeros (samples) that make a waveform a whole number of patches, at least one."""
    if n_samples <= PATCH_SAMPLES:
        return PATCH_SAMPLES - n_samples
    return -(n_samples - PATCH_SAMPLES) % step


def n_patches(n_samples: int, patch_hop_s: float = 0.48) -> int:
    """Return how many patches a waveform of that many samples gives."""
    step = round(patch_hop_s * SAMPLE_RATE)
    return 1 + (n_samples + padding(n_samples, step) - PATCH_SAMPLES) // step


def mel_bands() -> Tensor:
    """Return TensorFlow's triangles (257, 64) float32: straight in mel, and none hears 0 Hz."""
    edges = torch.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), N_MELS + 2, dtype=torch.float64)
    hertz = torch.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1, dtype=torch.float64)
    mels = 1127.0 * (1.0 + hertz / 700.0).log()[:, None]
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp_min(0.0).float()


def _mel(hertz: float) -> float:
    return 1127.0 * math.log(1.0 + hertz / 700.0)
