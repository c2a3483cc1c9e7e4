"""Descriptors of a segment: what level, noise, bandwidth and cepstra alone say of it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from bodysounds.audio.mfcc import mfcc
from bodysounds.audio.packed import Packed
from bodysounds.audio.parallel import ordered_map
from bodysounds.params import FeaturizeParams
from bodysounds.progress import track
from bodysounds.types import Table

FLOOR_DBFS = -120.0
FRAME_S, HOP_S = 0.025, 0.010
SILENCE_DB = 40.0
ROLL_OFF = 0.95
VOICED = 0.5
PITCH_HZ = (75.0, 1200.0)  # a deep voice to an infant's hyperphonation
BATCH = 64

Float32s = npt.NDArray[np.float32]


def describe(packed: Packed, params: FeaturizeParams) -> Table:
    """Return a row a segment, in the order of `packed.index`; every number is float64 and finite.

    Frames are 25 ms every 10 ms of the waveform less its mean, with a Hann window for spectra; a
    shorter segment is one frame, padded with zeros. Levels are in dB full scale (a square wave of
    full scale is 0) and end at -120.

    - duration_s; level_dbfs: root mean square; peak_dbfs
    - clipped_share: share of samples at the ends of the int16 range
    - noise_floor_dbfs: 10th percentile of the frames' levels
    - bandwidth_hz: 95% of the energy lies below; 0 for a constant
    - voiced_share: share of frames (every second one) that are not silent and whose normalised
      autocorrelation has a peak of at least 0.5 between 75 and 1200 Hz (Boersma 1993, without his
      octave costs)
    - silence_share: share of frames more than 40 dB below the loudest
    - mfcc_mean_00.., mfcc_std_00..: mean and deviation over frames; see `bodysounds.audio.mfcc`
    """
    ids = packed.index["segment_id"].tolist()
    batches = [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]

    def work(batch: list[str]) -> list[dict[str, float]]:
        return [
            describe_waveform(packed.waveform(i), packed.sample_rate, params.n_mfcc) for i in batch
        ]

    described = ordered_map(work, batches, params.workers)
    # each thread does its own small products: BLAS threads on top of them cost three times as long
    with threadpool_limits(1, user_api="blas"):
        rows = [row for batch in track(described, "describing", len(batches)) for row in batch]
    table = pd.DataFrame(rows, dtype="float64")
    table.insert(0, "segment_id", pd.Series(ids, dtype="str"))
    return table


def describe_waveform(waveform: Float32s, sample_rate: int, n_mfcc: int) -> dict[str, float]:
    """Return the descriptors of one mono waveform, float32 of shape (n,), n > 0; see `describe`."""
    frames = _frames(waveform - waveform.mean(), sample_rate)
    levels = _dbfs(np.sqrt(np.einsum("ij,ij->i", frames, frames) / frames.shape[1]))
    silent = (levels < levels.max() - SILENCE_DB) | (levels <= FLOOR_DBFS)
    windowed = frames * _hann(frames.shape[1])
    power = _power(windowed)
    cepstra = mfcc(power, sample_rate, n_mfcc).astype(np.float64)
    row = {
        "duration_s": len(waveform) / sample_rate,
        "level_dbfs": float(_dbfs(np.sqrt(np.mean(waveform**2, dtype=np.float64)))),
        "peak_dbfs": float(_dbfs(np.abs(waveform).max())),
        "clipped_share": float(np.mean(np.abs(waveform) >= 32767 / 32768)),
        "noise_floor_dbfs": float(np.percentile(levels, 10)),
        "bandwidth_hz": _bandwidth(power, sample_rate / frames.shape[1]),
        "voiced_share": float(np.mean(_voiced(windowed[::2], sample_rate) & ~silent[::2])),
        "silence_share": float(silent.mean()),
    }
    row |= {f"mfcc_mean_{i:02d}": float(value) for i, value in enumerate(cepstra.mean(axis=0))}
    row |= {f"mfcc_std_{i:02d}": float(value) for i, value in enumerate(cepstra.std(axis=0))}
    return row


def _frames(waveform: Float32s, sample_rate: int) -> Float32s:
    size, hop = round(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    size += size % 2
    if len(waveform) < size:
        waveform = np.pad(waveform, (0, size - len(waveform)))
    return np.lib.stride_tricks.sliding_window_view(waveform, size)[::hop]


@lru_cache(maxsize=8)
def _hann(size: int) -> Float32s:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def _power(windowed: Float32s, n_fft: int | None = None) -> Float32s:
    spectrum = np.fft.rfft(windowed, n=n_fft, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float32)


def _dbfs(amplitude: npt.ArrayLike) -> npt.NDArray[np.float64]:
    amplitude = np.asarray(amplitude, dtype=np.float64)
    decibels = 20 * np.log10(np.maximum(amplitude, 1e-9))
    return np.asarray(np.maximum(FLOOR_DBFS, decibels))


def _bandwidth(power: Float32s, bin_hz: float) -> float:
    energy = np.cumsum(np.sum(power, axis=0, dtype=np.float64))
    if energy[-1] <= 1e-9:
        return 0.0
    return float(np.searchsorted(energy, ROLL_OFF * energy[-1])) * bin_hz


def _voiced(windowed: Float32s, sample_rate: int) -> npt.NDArray[np.bool_]:
    size = windowed.shape[1]
    shortest = max(2, int(sample_rate / PITCH_HZ[1]))
    longest = min(int(sample_rate / PITCH_HZ[0]), size - 3)
    curve = _autocorrelation(windowed, longest + 2)
    energy = np.maximum(curve[:, :1], 1e-9)
    curve /= energy * _own_autocorrelation(size, longest + 2)
    inner, before, after = (curve[:, shortest + step : longest + 1 + step] for step in (0, -1, 1))
    peaks = (inner >= VOICED) & (inner >= before) & (inner >= after)
    return np.asarray(peaks.any(axis=1))


def _autocorrelation(windowed: Float32s, n_lags: int) -> Float32s:
    n_fft = windowed.shape[1] + n_lags
    n_fft += -n_fft % 32  # a length that the transform is fast at
    curves = np.fft.irfft(_power(windowed, n_fft), n=n_fft, axis=1)[:, :n_lags]
    return np.asarray(curves, dtype=np.float32)


@lru_cache(maxsize=8)
def _own_autocorrelation(size: int, n_lags: int) -> Float32s:
    """Return the window's autocorrelation, 1 at lag 0, which weakens long lags (Boersma 1993)."""
    own = _autocorrelation(_hann(size)[None], n_lags)[0]
    return np.asarray(own / own[0], dtype=np.float32)
