"""The front ends of classifiers in operations that ONNX has, of clips of one length."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.log_mel import QUIETEST, LogMel, normalised
from bodysounds.audio.yamnet_log_mel import (
    HOP,
    LOG_OFFSET,
    N_FFT,
    PATCH_FRAMES,
    YamnetLogMel,
    padding,
)
from bodysounds.exporting.spectrum import ExactPowers, Powers, windowed


class LogMelFeatures(nn.Module):
    """(batch, samples) -> decibels (batch, frames, n_mels), normalised as the layer does."""

    bands: Tensor

    def __init__(self, layer: LogMel) -> None:
        super().__init__()
        n_bins = len(layer.bands)
        self.powers = Powers(
            windowed(layer.window, layer.n_fft), layer.n_fft, layer.hop, n_bins,
            layer.n_fft // 2, "reflect",
        )  # fmt: skip
        self.register_buffer("bands", layer.bands.clone(), persistent=False)
        self.how, self.mean, self.std = layer.normalise, layer.mean, layer.std

    def forward(self, waveforms: Tensor) -> Tensor:
        energies = self.powers(waveforms) @ self.bands
        decibels = 10.0 * energies.clamp_min(QUIETEST).log10()
        return normalised(decibels, self.how, self.mean, self.std)


class YamnetFeatures(nn.Module):
    """(batch, samples) -> log-mel patches (batch, patches, 96, 64)."""

    bands: Tensor

    def __init__(self, layer: YamnetLogMel) -> None:
        super().__init__()
        self.step = layer.patch_step
        self.powers = ExactPowers(layer.window, N_FFT, HOP, len(layer.bands))
        self.register_buffer("bands", layer.bands.clone(), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        missing = padding(waveforms.shape[1], self.step * HOP)
        whole = functional.pad(waveforms, (0, missing))
        magnitudes = self.powers(whole).sqrt().float()
        frames: Tensor = (magnitudes @ self.bands + LOG_OFFSET).log()
        return frames.unfold(1, PATCH_FRAMES, self.step).transpose(2, 3)
