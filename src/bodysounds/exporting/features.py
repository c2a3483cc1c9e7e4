"""Each front end in operations that ONNX has, with the numbers of its module in `audio`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.frontends import KALDI_PREEMPHASIS, KaldiFbank, SpeechBrainFbank
from bodysounds.audio.log_mel import LogMel
from bodysounds.audio.stft_image import CHANNELS, FLOOR, StftImage, min_max, per_frequency
from bodysounds.audio.waveform import Waveform
from bodysounds.audio.yamnet_log_mel import YamnetLogMel
from bodysounds.exporting.fills import filled
from bodysounds.exporting.log_mel_features import LogMelFeatures, YamnetFeatures
from bodysounds.exporting.spectrum import ExactPowers, Powers, used_bins, windowed


class SpeechBrainFeatures(nn.Module):
    """(batch, samples) -> decibels (batch, frames, n_mels), at most 80 below a clip's loudest."""

    bands: Tensor

    def __init__(self, layer: SpeechBrainFbank) -> None:
        super().__init__()
        n_bins = used_bins(layer.bands)
        self.powers = Powers(
            windowed(layer.window, layer.n_fft), layer.n_fft, layer.hop, n_bins,
            layer.n_fft // 2, layer.pad_mode,
        )  # fmt: skip
        self.register_buffer("bands", layer.bands[:n_bins].clone(), persistent=False)
        self.lowest, self.range_db = layer.lowest, layer.range_db

    def forward(self, waveforms: Tensor) -> Tensor:
        energies = self.powers(waveforms) @ self.bands
        decibels = 10.0 * energies.clamp_min(self.lowest).log10()
        return torch.maximum(decibels, decibels.amax(dim=(1, 2), keepdim=True) - self.range_db)


class KaldiFeatures(nn.Module):
    """(batch, samples) -> natural logarithms (batch, frames, n_mels)."""

    bands: Tensor

    def __init__(self, layer: KaldiFbank) -> None:
        super().__init__()
        n, n_bins = layer.size, used_bins(layer.bands)
        whole = torch.eye(n, dtype=torch.float64)
        before = torch.cat((whole[:1], whole[:-1]))
        # a frame loses its mean, then what is left of the sample before, then comes the window
        frame = (
            torch.diag(layer.window.double())
            @ (whole - KALDI_PREEMPHASIS * before)
            @ (whole - 1 / n)
        )
        self.powers = Powers(frame, layer.n_fft, layer.shift, n_bins)
        self.register_buffer("bands", layer.bands[:n_bins].clone(), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        energies: Tensor = self.powers(waveforms) @ self.bands
        return energies.clamp_min(torch.finfo(torch.float32).eps).log()


class ImageFeatures(nn.Module):
    """(batch, samples) -> images (batch, 3, size, size) of the first `clip_s`; see `StftImage`."""

    rows: Tensor
    columns: Tensor

    def __init__(self, layer: StftImage) -> None:
        super().__init__()
        n_bins, n_fft, n_window = layer.n_fft // 2 + 1, layer.n_fft, len(layer.window)
        self.powers = ExactPowers(layer.window, n_fft, layer.hop, n_bins)
        # the window stands in the middle of n_fft samples, and those around it are not heard
        self.first = (n_fft - n_window) // 2
        self.end = layer.n_samples - (n_fft - n_window - self.first)
        n_frames = 1 + (layer.n_samples - n_fft) // layer.hop
        self.register_buffer("rows", resizing(n_bins, layer.size), persistent=False)
        self.register_buffer("columns", resizing(n_frames, layer.size).t(), persistent=False)
        self.n_samples, self.fill, self.log = layer.n_samples, layer.fill, layer.log
        self.normalise = min_max if layer.normalise == "min_max" else per_frequency

    def forward(self, waveforms: Tensor) -> Tensor:
        clips = filled(waveforms, self.n_samples, self.fill)[:, self.first : self.end]
        magnitudes = self.powers(clips).sqrt()
        if self.log:
            magnitudes = (magnitudes / FLOOR).log1p()
        image = (self.rows @ magnitudes.transpose(1, 2) @ self.columns).unsqueeze(1)
        return self.normalise(image).float().expand(-1, CHANNELS, -1, -1)


def resizing(n: int, size: int) -> Tensor:
    """Return the matrix (size, n) float64 of torch's bilinear interpolation with antialiasing."""
    each = torch.eye(n, dtype=torch.float64)[None, None]
    resized = functional.interpolate(each, (size, n), mode="bilinear", antialias=True)
    return resized[0, 0]


FEATURES: dict[type[nn.Module], Callable[..., nn.Module]] = {
    SpeechBrainFbank: SpeechBrainFeatures,
    KaldiFbank: KaldiFeatures,
    StftImage: ImageFeatures,
    LogMel: LogMelFeatures,
    YamnetLogMel: YamnetFeatures,
    Waveform: lambda layer: layer,
}
"""What stands for each front end."""
