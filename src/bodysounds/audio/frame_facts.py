"""What descriptors need of every frame, computed for the frames of several waveforms at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft

from bodysounds.audio.mfcc import mfcc

FLOOR_DBFS = -120.0
FRAME_S, HOP_S = 0.025, 0.010
VOICED = 0.5
PITCH_HZ = (75.0, 1200.0)  # a deep voice to an infant's hyperphonation
BLOCK_BYTES = 300_000
"""Frames at a time: their spectra stay in the cache, however long a waveform is."""

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


class FrameFacts(NamedTuple):
    """Facts of all frames of some waveforms, one waveform after the other."""

    first: npt.NDArray[np.int64]
    """Row of each waveform's first frame, and the number of all: (n_waveforms + 1,)."""
    levels: Float64s
    """Root mean square, dB full scale: (n_frames,)."""
    cepstra: Float64s
    """(n_frames, n_mfcc)."""
    voiced: npt.NDArray[np.bool_]
    """Of every second frame of a waveform; False for those between: (n_frames,)."""
    power: Float64s
    """Power spectrum, summed over the frames of each waveform: (n_waveforms, n_bins)."""
    bin_hz: float


def frame_facts(waveforms: Sequence[Float32s], sample_rate: int, n_mfcc: int) -> FrameFacts:
    """Return the facts of the frames of mono waveforms, float32 of shape (n,), n > 0.

    Frames are 25 ms every 10 ms of a waveform less its mean, under a Hann window but for levels.
    """
    size, hop = round(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    size += size % 2
    counts = [1 + max(0, len(wave) - size) // hop for wave in waveforms]
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    even = np.concatenate([np.arange(count) % 2 == 0 for count in counts])
    levels, voiced = np.empty(first[-1]), np.zeros(first[-1], dtype=bool)
    cepstra = np.empty((first[-1], n_mfcc))
    power = np.zeros((len(waveforms), size // 2 + 1))
    views = (_frames(wave - wave.mean(), size, hop) for wave in waveforms)
    at = 0
    for block, parts in _blocks(views, size):
        rows = slice(at, at + len(block))
        levels[rows] = dbfs(np.sqrt(np.einsum("ij,ij->i", block, block) / size))
        np.multiply(block, _hann(size), out=block)
        spectrum = _squares(np.fft.rfft(block, axis=1))
        cepstra[rows] = mfcc(spectrum, sample_rate, n_mfcc)
        pitched = even[rows]
        voiced[rows][pitched] = _voiced(block[pitched], sample_rate)
        for waveform, low, high in parts:
            power[waveform] += np.sum(spectrum[low:high], axis=0, dtype=np.float64)
        at = rows.stop
    return FrameFacts(first, levels, cepstra, voiced, power, sample_rate / size)


def dbfs(amplitude: npt.ArrayLike) -> Float64s:
    """Return amplitudes (full scale 1) in dB, at least -120."""
    amplitude = np.asarray(amplitude, dtype=np.float64)
    decibels = 20 * np.log10(np.maximum(amplitude, 1e-9))
    return np.asarray(np.maximum(FLOOR_DBFS, decibels))


Part = tuple[int, int, int]


def _blocks(views: Iterator[Float32s], size: int) -> Iterator[tuple[Float32s, list[Part]]]:
    """Yield copied frames, and which rows of them are of which waveform: (waveform, low, high)."""
    block = np.empty((max(1, BLOCK_BYTES // (4 * size)), size), dtype=np.float32)
    parts: list[Part] = []
    filled = 0
    for waveform, frames in enumerate(views):
        done = 0
        while done < len(frames):
            n = min(len(frames) - done, len(block) - filled)
            block[filled : filled + n] = frames[done : done + n]
            parts.append((waveform, filled, filled + n))
            done, filled = done + n, filled + n
            if filled == len(block):
                yield block, parts
                parts, filled = [], 0
    if filled:
        yield block[:filled], parts


def _frames(waveform: Float32s, size: int, hop: int) -> Float32s:
    if len(waveform) < size:
        waveform = np.pad(waveform, (0, size - len(waveform)))
    return np.lib.stride_tricks.sliding_window_view(waveform, size)[::hop]


@lru_cache(maxsize=8)
def _hann(size: int) -> Float32s:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def _squares(spectrum: npt.NDArray[np.complexfloating[Any]]) -> Float32s:
    power = spectrum.real**2
    power += spectrum.imag**2
    return np.asarray(power, dtype=np.float32)


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
    # scipy's transforms take half the time of numpy's, whose results are nearer: spectra are its
    power = _squares(rfft(windowed, n=n_fft, axis=1))
    curves = irfft(power, n=n_fft, axis=1)[:, :n_lags]
    return np.asarray(curves, dtype=np.float32)


@lru_cache(maxsize=8)
def _own_autocorrelation(size: int, n_lags: int) -> Float32s:
    """Return the window's autocorrelation, 1 at lag 0, which weakens long lags (Boersma 1993)."""
    own = _autocorrelation(_hann(size)[None], n_lags)[0]
    return np.asarray(own / own[0], dtype=np.float32)
