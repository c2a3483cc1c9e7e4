"""Descriptors one waveform at a time, all its frames at once: the oracle of the batched ones."""

from __future__ import annotations

import numpy as np

from bodysounds.audio.mfcc import mfcc

FLOOR_DBFS = -120.0
FRAME_S, HOP_S = 0.025, 0.010
SILENCE_DB = 40.0
ROLL_OFF = 0.95
VOICED = 0.5
PITCH_HZ = (75.0, 1200.0)


def describe_waveform(waveform: np.ndarray, sample_rate: int, n_mfcc: int) -> dict[str, float]:
    """Return the descriptors of one mono waveform, float32 of shape (n,), n > 0."""
    frames = _frames(waveform - waveform.mean(), sample_rate)
    levels = dbfs(np.sqrt(np.einsum("ij,ij->i", frames, frames) / frames.shape[1]))
    silent = (levels < levels.max() - SILENCE_DB) | (levels <= FLOOR_DBFS)
    windowed = frames * _hann(frames.shape[1])
    power = _power(windowed)
    cepstra = mfcc(power, sample_rate, n_mfcc).astype(np.float64)
    row = {
        "duration_s": len(waveform) / sample_rate,
        "level_dbfs": float(dbfs(np.sqrt(np.mean(waveform**2, dtype=np.float64)))),
        "peak_dbfs": float(dbfs(np.abs(waveform).max())),
        "clipped_share": float(np.mean(np.abs(waveform) >= 32767 / 32768)),
        "noise_floor_dbfs": float(np.percentile(levels, 10)),
        "bandwidth_hz": _bandwidth(power, sample_rate / frames.shape[1]),
        "voiced_share": float(np.mean(_voiced(windowed[::2], sample_rate) & ~silent[::2])),
        "silence_share": float(silent.mean()),
    }
    row |= {f"mfcc_mean_{i:02d}": float(value) for i, value in enumerate(cepstra.mean(axis=0))}
    row |= {f"mfcc_std_{i:02d}": float(value) for i, value in enumerate(cepstra.std(axis=0))}
    return row


def _frames(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    size, hop = round(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    size += size % 2
    if len(waveform) < size:
        waveform = np.pad(waveform, (0, size - len(waveform)))
    return np.lib.stride_tricks.sliding_window_view(waveform, size)[::hop]


def _hann(size: int) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def _power(windowed: np.ndarray, n_fft: int | None = None) -> np.ndarray:
    spectrum = np.fft.rfft(windowed, n=n_fft, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float32)


def dbfs(amplitude: np.ndarray) -> np.ndarray:
    amplitude = np.asarray(amplitude, dtype=np.float64)
    decibels = 20 * np.log10(np.maximum(amplitude, 1e-9))
    return np.asarray(np.maximum(FLOOR_DBFS, decibels))


def _bandwidth(power: np.ndarray, bin_hz: float) -> float:
    energy = np.cumsum(np.sum(power, axis=0, dtype=np.float64))
    if energy[-1] <= 1e-9:
        return 0.0
    return float(np.searchsorted(energy, ROLL_OFF * energy[-1])) * bin_hz


def _voiced(windowed: np.ndarray, sample_rate: int) -> np.ndarray:
    size = windowed.shape[1]
    shortest = max(2, int(sample_rate / PITCH_HZ[1]))
    longest = min(int(sample_rate / PITCH_HZ[0]), size - 3)
    curve = _autocorrelation(windowed, longest + 2)
    energy = np.maximum(curve[:, :1], 1e-9)
    curve /= energy * _own_autocorrelation(size, longest + 2)
    inner, before, after = (curve[:, shortest + step : longest + 1 + step] for step in (0, -1, 1))
    peaks = (inner >= VOICED) & (inner >= before) & (inner >= after)
    return np.asarray(peaks.any(axis=1))


def _autocorrelation(windowed: np.ndarray, n_lags: int) -> np.ndarray:
    n_fft = windowed.shape[1] + n_lags
    n_fft += -n_fft % 32  # a length that the transform is fast at
    curves = np.fft.irfft(_power(windowed, n_fft), n=n_fft, axis=1)[:, :n_lags]
    return np.asarray(curves, dtype=np.float32)


def _own_autocorrelation(size: int, n_lags: int) -> np.ndarray:
    """Return the window's autocorrelation, 1 at lag 0, which weakens long lags (Boersma 1993)."""
    own = _autocorrelation(_hann(size)[None], n_lags)[0]
    return np.asarray(own / own[0], dtype=np.float32)
