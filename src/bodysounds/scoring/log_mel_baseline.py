"""What a clip sounds like in the long run: each mel band below 2 kHz, whatever its order in time.

Crackles and wheezes lie there, and so does most of what a stethoscope lets through.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from bodysounds.audio.mfcc import mel_filters
from bodysounds.types import Floats, Packed

WINDOW_S, HOP_S = 0.064, 0.032
N_MELS = 64
LOWEST_HZ, HIGHEST_HZ = 50.0, 2000.0
MOST_OF_BAND = 0.9
"""Of half the sample rate: nearer to it a resampler's filter shows."""
PERCENTILES = (10, 50, 90)
LOG_OFFSET = 1e-10
LOG_MEL_C = 0.1
"""Of the logistic regression: neighbouring bands say much the same, and patients are few."""
PER_BAND = 2 + len(PERCENTILES)


def log_mel_frames(waveform: Floats, sample_rate: int, n_mels: int = N_MELS) -> Floats:
    """Return log-mel energies of 50 Hz up to 2000 Hz, float32 (n_frames, n_mels).

    Parameters
    ----------
    waveform : float32 array of shape (n,), n > 0, in [-1, 1)
    sample_rate : int
        Hz; where 0.9 of its half is less than 2000 Hz, bands end there.

    Frames are 64 ms every 32 ms under a Hann window, the natural logarithm of power plus 1e-10; a
    shorter clip is one frame, filled with zeros.
    """
    size, hop = round(WINDOW_S * sample_rate), round(HOP_S * sample_rate)
    size += size % 2
    if len(waveform) < size:
        waveform = np.pad(waveform, (0, size - len(waveform)))
    frames = np.lib.stride_tricks.sliding_window_view(waveform, size)[::hop]
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    spectrum = np.fft.rfft(frames * window, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    bands = mel_filters(size, sample_rate, n_mels, LOWEST_HZ, highest_hz(sample_rate))
    log_mel: Floats = np.log(power @ bands + np.float32(LOG_OFFSET))
    return log_mel


def highest_hz(sample_rate: int) -> float:
    """Return where the highest band ends (Hz)."""
    return min(HIGHEST_HZ, MOST_OF_BAND * sample_rate / 2)


def mel_hz(sample_rate: int, n_mels: int = N_MELS) -> Floats:
    """Return the middle of each band of `log_mel_frames` (Hz), float64 (n_mels,)."""
    low, top = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, highest_hz(sample_rate)))
    middle: Floats = 700 * (10 ** (np.linspace(low, top, n_mels + 2)[1:-1] / 2595) - 1)
    return middle


def log_mel_statistics(packed: Packed, segment_ids: Sequence[str]) -> Floats:
    """Return each band's mean, deviation, 10th, 50th and 90th percentile over a clip.

    Float64 (n, 5 * 64), columns by statistic, then band; a row does not depend on the others.
    Raises ValueError for a segment without audio.
    """
    missing = ~pd.Index(segment_ids).isin(pd.Index(packed.index["segment_id"]))
    if missing.any():
        first = segment_ids[int(np.argmax(missing))]
        raise ValueError(f"segment {first!r} has no audio: run featurize again")
    found = np.empty((len(segment_ids), PER_BAND * N_MELS))
    with threadpool_limits(1, user_api="blas"):
        for row, name in enumerate(segment_ids):
            bands = log_mel_frames(packed.waveform(name), packed.sample_rate).astype(np.float64)
            spread = np.percentile(bands, PERCENTILES, axis=0).ravel()
            found[row] = np.concatenate([bands.mean(axis=0), bands.std(axis=0), spread])
    return found
