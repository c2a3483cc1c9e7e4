"""Mel-frequency cepstral coefficients in plain numpy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

N_MELS = 40
LOG_OFFSET = 1e-6

Float32s = npt.NDArray[np.float32]


@lru_cache(maxsize=8)
def mel_filters(
    n_fft: int, sample_rate: int, n_mels: int = N_MELS, f_min: float = 0.0, f_max: float = 0.0
) -> Float32s:
    """Return triangular filters, HTK mel scale, f_min to f_max (Hz): (n_fft // 2 + 1, n_mels).

    f_max 0 is half the rate.
    """
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    low_mel, top_mel = (2595 * np.log10(1 + hz / 700) for hz in (f_min, f_max or sample_rate / 2))
    edges = 700 * (10 ** (np.linspace(low_mel, top_mel, n_mels + 2) / 2595) - 1)
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - low) / (mid - low)
    falling = (high - bins[:, None]) / (high - mid)
    filters: Float32s = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return filters


@lru_cache(maxsize=8)
def cosines(n_mfcc: int, n_mels: int = N_MELS) -> Float32s:
    """Return the orthonormal DCT-II, (n_mels, n_mfcc)."""
    k, n = np.arange(n_mfcc), np.arange(n_mels)[:, None]
    basis = np.cos(np.pi / n_mels * (n + 0.5) * k) * np.sqrt(2 / n_mels)
    basis[:, 0] /= np.sqrt(2)
    return np.asarray(basis, dtype=np.float32)


def mfcc(power: Float32s, sample_rate: int, n_mfcc: int) -> Float32s:
    """Return cepstra, (n_frames, n_mfcc), of power spectra (n_frames, n_fft // 2 + 1).

    As `torchaudio.transforms.MFCC(log_mels=True)` with 40 HTK mel bands: log(mel + 1e-6), then an
    orthonormal DCT-II; coefficient 0 is the level.
    """
    mels = power @ mel_filters(2 * (power.shape[1] - 1), sample_rate)
    cepstra: Float32s = np.log(mels + LOG_OFFSET) @ cosines(n_mfcc)
    return cepstra
