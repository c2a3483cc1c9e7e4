"""Front ends: batches of waveforms to log-mel features, on the device of the waveforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FRONT_ENDS = ("speechbrain", "kaldi")
FRAME_S, HOP_S = 0.025, 0.010
KALDI_LOWEST_HZ, KALDI_PREEMPHASIS, POVEY_POWER = 20.0, 0.97, 0.85


def front_end(name: str, sample_rate: int = 16_000, n_mels: int = 80) -> nn.Module:
    """Return a module that turns waveforms into log-mel features.

    Parameters
    ----------
    name : str
        `speechbrain` (its Fbank: decibels, at most 80 below a clip's loudest) or `kaldi`
        (natural logarithm, as `torchaudio.compliance.kaldi.fbank` without dither).
    sample_rate : int
        Hz.
    n_mels : int
        Bands.

    Returns
    -------
    module : (batch, samples) float32 in [-1, 1) -> (batch, frames, n_mels) float32
        A frame every 10 ms, of 25 ms. It holds no parameters.

    Raises ValueError for an unknown name.
    """
    if name == "speechbrain":
        return SpeechBrainFbank(sample_rate, n_mels)
    if name == "kaldi":
        return KaldiFbank(sample_rate, n_mels)
    raise ValueError(f"front_end must be one of {', '.join(FRONT_ENDS)}, got {name!r}")


def mean_normalise(features: Tensor, over: str = "band") -> Tensor:
    """Subtract a mean from log-mel features; (batch, frames, n_mels) stays that shape.

    `over` is `band` (each band's mean over time goes, and with it a constant microphone, room and
    average timbre), `clip` (one mean goes, the level; timbre and microphone stay) or `none`, for
    what does it by itself. It comes after the crop, so that a crop is treated in training as a side
    is in scoring. Raises ValueError for another `over`.
    """
    if over == "none":
        return features
    if over == "band":
        return features - features.mean(dim=1, keepdim=True)
    if over == "clip":
        return features - features.mean(dim=(1, 2), keepdim=True)
    raise ValueError(f"the mean is taken over band or clip, got {over!r}")


class SpeechBrainFbank(nn.Module):
    """SpeechBrain's Fbank layer: a Hamming window, triangular bands, decibels.

    The window and the bands are the layer's, made once and kept on the device, and the same numbers
    come out in half the time.
    """

    window: Tensor
    bands: Tensor

    def __init__(self, sample_rate: int, n_mels: int) -> None:
        super().__init__()
        from bodysounds._speechbrain import Fbank

        layer = Fbank(sample_rate=sample_rate, n_mels=n_mels, n_fft=round(FRAME_S * sample_rate))
        transform, bands = layer.compute_STFT, layer.compute_fbanks
        self.n_fft, self.hop, self.size = (
            transform.n_fft,
            transform.hop_length,
            len(transform.window),
        )
        self.pad_mode, self.lowest, self.range_db = transform.pad_mode, bands.amin, bands.top_db
        self.register_buffer("window", transform.window.clone(), persistent=False)
        bands.log_mel = False
        matrix = bands(torch.eye(bands.n_stft)[None])[0]
        self.register_buffer("bands", matrix.contiguous(), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        with torch.autocast(waveforms.device.type, enabled=False):
            spectrum = torch.stft(
                waveforms.float(), self.n_fft, self.hop, self.size, self.window,
                center=True, pad_mode=self.pad_mode, return_complex=True,
            ).transpose(1, 2)  # fmt: skip
            power = spectrum.real.square() + spectrum.imag.square()
            decibels = 10.0 * (power @ self.bands).clamp_min(self.lowest).log10()
            loudest = decibels.amax(dim=(1, 2), keepdim=True)
            return torch.maximum(decibels, loudest - self.range_db)


class KaldiFbank(nn.Module):
    """Kaldi's fbank for a whole batch: povey window, pre-emphasis, bands from 20 Hz, no dither."""

    window: Tensor
    bands: Tensor

    def __init__(self, sample_rate: int, n_mels: int) -> None:
        super().__init__()
        self.size, self.shift = int(FRAME_S * sample_rate), int(HOP_S * sample_rate)
        self.n_fft = 1 << (self.size - 1).bit_length()
        window = torch.hann_window(self.size, periodic=False).pow(POVEY_POWER)
        self.register_buffer("window", window, persistent=False)
        bands = kaldi_bands(n_mels, self.n_fft, sample_rate)
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        if waveforms.shape[-1] < self.size:
            raise ValueError(
                f"the kaldi front end needs at least {self.size} samples (one frame), "
                f"got {waveforms.shape[-1]}"
            )
        with torch.autocast(waveforms.device.type, enabled=False):
            frames = waveforms.float().unfold(-1, self.size, self.shift)
            frames = frames - frames.mean(dim=-1, keepdim=True)
            # the sample before the first is taken to equal it, as Kaldi does
            before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
            frames = (frames - KALDI_PREEMPHASIS * before) * self.window
            spectrum = torch.fft.rfft(frames, n=self.n_fft)
            power = spectrum.real.square() + spectrum.imag.square()
            energies: Tensor = power @ self.bands
            return energies.clamp_min(torch.finfo(torch.float32).eps).log()


def kaldi_bands(n_mels: int, n_fft: int, sample_rate: int) -> Tensor:
    """Return Kaldi's triangular bands, float32 (n_fft // 2 + 1, n_mels); the last row is zero."""

    def mel(hz: Tensor) -> Tensor:
        return 1127.0 * torch.log(1.0 + hz / 700.0)

    low, high = mel(torch.tensor([KALDI_LOWEST_HZ, sample_rate / 2], dtype=torch.float64))
    edges = low + (high - low) / (n_mels + 1) * torch.arange(n_mels + 2, dtype=torch.float64)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = mel(torch.arange(n_fft // 2, dtype=torch.float64) * sample_rate / n_fft)[:, None]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    bands = torch.minimum(rising, falling).clamp_min(0.0)
    return torch.cat([bands, torch.zeros(1, n_mels, dtype=torch.float64)]).float()
