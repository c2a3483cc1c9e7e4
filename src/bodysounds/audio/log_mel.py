"""Log-mel decibels at any rate: the front end of the respiratory classifiers."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor, nn

from bodysounds.audio.frontends import mean_normalise

NAME = "log_mel"
NORMALISATIONS = ("none", "clip", "band", "fixed", "batch")
QUIETEST = 1e-10
PUBLISHED_MEAN, PUBLISHED_STD = 0.3690, 0.0255
"""What ICBHI's published system standardises by, after `batch`."""
# of a clip's deviation (decibels) and a batch's range, so that silence is not stretched
SMALLEST = 1e-5


class LogMel(nn.Module):
    """Waveforms (batch, samples) float32 in [-1, 1) -> features (batch, frames, n_mels) float32.

    Powers of frames of n_fft samples every `hop`, under a periodic Hann window, the waveform
    mirrored at both ends so that frames are centred; triangular bands of HTK's mel scale, not
    normalised by their width; 10 log10 of at least 1e-10. A clip of n samples has 1 + n // hop
    frames. As `torchaudio.transforms.MelSpectrogram` and `AmplitudeToDB` by default, which is what
    ICBHI's published system hears (Moummad and Farrugia 2022, arXiv 2210.16192: 16 kHz, n_fft 1024,
    hop 512, 64 bands from 50 to 2000 Hz). It is not the front end of the published PANNs, which
    hear 32 kHz and 50 to 14,000 Hz: their weights are the start of a training here, no more.
    It holds no parameters.

    Parameters
    ----------
    sample_rate : int
        Hz.
    n_fft, hop : int
        Samples of a frame and of the step between two.
    n_mels : int
        Bands.
    f_min, f_max : float
        Edges of the bands (Hz).
    normalise : `none`, `clip`, `band`, `fixed` or `batch`
        Decibels as they are; each clip to mean 0 and variance 1; each band's mean over the clip
        taken off, and with it a constant microphone, then divided by `std`; `mean` (decibels) taken
        off and divided by `std`; or, as published, the whole batch stretched to [0, 1] between its
        lowest and highest value, then `mean` taken off and divided by `std`. With `batch`, what a
        clip becomes depends on what it is heard beside.
    mean, std : float
        Of `fixed` and `batch`, std of `band` too (decibels); `PUBLISHED_MEAN` and `PUBLISHED_STD`
        belong to `batch`.

    Raises ValueError for values out of range, for a band that no frequency of the transform falls
    into, and for waveforms no longer than half a frame.
    """

    window: Tensor
    bands: Tensor

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_fft: int = 1024,
        hop: int = 512,
        n_mels: int = 64,
        f_min: float = 50.0,
        f_max: float = 2000.0,
        normalise: str = "clip",
        mean: float = 0.0,
        std: float = 1.0,
    ) -> None:
        super().__init__()
        if n_fft < 2 or not 1 <= hop <= n_fft:
            raise ValueError(
                f"the front end {NAME} needs an n_fft of at least 2 and a hop from 1 to n_fft, got "
                f"{n_fft} and {hop}"
            )
        if normalise not in NORMALISATIONS:
            raise ValueError(
                f"normalise must be one of {', '.join(NORMALISATIONS)}, got {normalise!r}"
            )
        if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
            raise ValueError(
                f"the front end {NAME} needs a finite mean and an std above 0, got {mean} and {std}"
            )
        self.n_fft, self.hop, self.normalise, self.mean, self.std = n_fft, hop, normalise, mean, std
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        bands = mel_bands(sample_rate, n_fft, n_mels, f_min, f_max)
        # at 16 kHz three quarters of the frequencies lie above all bands
        heard = int(bands.amax(dim=1).nonzero().max()) + 1
        self.register_buffer("bands", bands[:heard].contiguous(), persistent=False)

    def decibels(self, waveforms: Tensor) -> Tensor:
        """Return the decibels (batch, frames, n_mels) float32 before they are normalised."""
        if waveforms.shape[-1] <= self.n_fft // 2:
            raise ValueError(
                f"a waveform of {waveforms.shape[-1]} samples is too short for frames of "
                f"{self.n_fft}: give more than half a frame, or make n_fft smaller"
            )
        with torch.autocast(waveforms.device.type, enabled=False):
            spectrum = torch.stft(
                waveforms.float(), self.n_fft, self.hop, window=self.window,
                center=True, pad_mode="reflect", return_complex=True,
            )[:, : len(self.bands)]  # fmt: skip
            power = spectrum.real.square() + spectrum.imag.square()
            return 10.0 * (power.transpose(1, 2) @ self.bands).clamp_min(QUIETEST).log10()

    def forward(self, waveforms: Tensor) -> Tensor:
        return normalised(self.decibels(waveforms), self.normalise, self.mean, self.std)


def normalised(features: Tensor, how: str, mean: float, std: float) -> Tensor:
    """Return decibels (batch, frames, n_mels) as one of `NORMALISATIONS` has them."""
    if how == "none":
        return features
    if how == "clip":
        return per_clip(features)
    if how == "band":
        return mean_normalise(features, "band") / std
    if how == "batch":
        low, high = features.amin(dim=(0, 1, 2)), features.amax(dim=(0, 1, 2))
        features = (features - low) / (high - low).clamp_min(SMALLEST)
    return (features - mean) / std


def per_clip(features: Tensor) -> Tensor:
    """Return features (batch, frames, n_mels), each clip with mean 0 and variance 1.

    A clip that does not change becomes 0.
    """
    centred = features - features.mean(dim=(1, 2), keepdim=True)
    deviation = centred.square().mean(dim=(1, 2), keepdim=True).sqrt()
    return centred / deviation.clamp_min(SMALLEST)


def mel_bands(sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float) -> Tensor:
    """Return triangles (n_fft // 2 + 1, n_mels) float32, none of them empty.

    Raises ValueError for edges out of order or above half the rate, and for a band that none of the
    transform's frequencies falls into.
    """
    from torchaudio.functional import melscale_fbanks

    if n_mels < 1 or not 0 <= f_min < f_max <= sample_rate / 2:
        raise ValueError(
            f"the front end {NAME} needs bands between 0 Hz and half the sample rate, got {n_mels} "
            f"from f_min {f_min:g} to f_max {f_max:g} Hz at {sample_rate} Hz"
        )
    with warnings.catch_warnings():
        # of empty bands, which are told below
        warnings.simplefilter("ignore")
        bands: Tensor = melscale_fbanks(n_fft // 2 + 1, f_min, f_max, n_mels, sample_rate)
    empty = int((bands.amax(dim=0) <= 0).sum())
    if empty:
        raise ValueError(
            f"{empty} of the {n_mels} mel bands from {f_min:g} to {f_max:g} Hz hold none of the "
            f"frequencies of n_fft {n_fft} at {sample_rate} Hz, {sample_rate / n_fft:g} Hz apart: "
            "make n_mels smaller or n_fft larger"
        )
    return bands
