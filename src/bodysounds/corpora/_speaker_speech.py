"""One utterance of a synthetic adult: syllables without words, by the source-filter model.

Pulses of the glottis and breath pass the resonances of the tract, which move from consonant to
vowel on a grid of 8 ms; fricatives are noise of their own. Places of the vowels follow the means of
Peterson and Barney, "Control methods used in a study of the vowels" (1952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from bodysounds.corpora._cry_synthesis import SAMPLE_RATE, tract_gain
from bodysounds.corpora._speaker_voice import UPPER_HZ, Speaker
from bodysounds.types import Floats

SHORTEST_S, LONGEST_S = 0.8, 6.0
HOP = 128
"""Samples between two points of the grid: 8 ms."""
_SIZE = 4 * HOP
_FREQUENCY = fft.rfftfreq(_SIZE, 1 / SAMPLE_RATE)
_VOWELS_HZ = np.array(
    ((270, 2290, 3010), (530, 1840, 2480), (730, 1090, 2440), (570, 840, 2410), (300, 870, 2240)),
    dtype=np.float64,
)
"""First three resonances of a man's i, e, a, o and u."""
_LOCI_HZ = np.array(((300, 900, 2200), (300, 1750, 2700), (280, 2200, 2500)), dtype=np.float64)
"""Where formants start after lips, teeth and palate."""
_TAPS = np.arange(-8, 9)


@dataclass(frozen=True)
class Course:
    """How an utterance runs, on the 8 ms grid; n_frames + 1 points."""

    f0_hz: Floats
    voice: Floats
    """Amplitude of the voice, 0 to 1."""
    hiss: Floats
    """Amplitude of fricatives, 0 to 1."""
    hiss_hz: Floats
    """Centre of their noise (Hz)."""
    formants_hz: Floats
    """Resonances (Hz), shape (5, n_frames + 1)."""


def draw_length_s(rng: np.random.Generator) -> float:
    """Draw how long an utterance is: 0.8 to 6 s, half of them below 2.2 s."""
    return float(np.exp(rng.uniform(np.log(SHORTEST_S), np.log(LONGEST_S))))


def _syllables(speaker: Speaker, length_s: float, rng: np.random.Generator) -> Floats:
    """Draw start, end and place in its phrase (0 to 1) of each syllable, shape (n, 3)."""
    rows: list[tuple[float, float, float]] = []
    time = float(rng.uniform(0.04, 0.2))
    while True:
        n = int(rng.integers(4, 11))
        for index in range(n):
            duration = float(np.exp(rng.normal(0.0, 0.2))) / speaker.rate
            if rows and time + duration > length_s - 0.08:
                return np.array(rows)
            rows.append((time, time + duration, index / n))
            time += duration
        time += float(rng.uniform(0.12, 0.35))  # a breath between phrases


def draw_course(speaker: Speaker, length_s: float, rng: np.random.Generator) -> Course:
    """Draw what is said in that many seconds, and how."""
    grid = np.arange(round(length_s * SAMPLE_RATE / HOP) + 1) * (HOP / SAMPLE_RATE)
    start, end, place = _syllables(speaker, length_s, rng).T
    n = start.size
    kind = rng.integers(0, 4, n)  # vowel alone, voiced consonant, fricative, stop
    onset = start + np.where(kind > 0, rng.uniform(0.25, 0.4, n), 0.05) * (end - start)
    stress = np.exp(rng.normal(0.0, 0.25, n))

    middle = _VOWELS_HZ.mean(0)
    vowels = middle + speaker.vowel_reach * (
        _VOWELS_HZ[rng.integers(0, len(_VOWELS_HZ), n)] - middle
    )
    vowels *= np.exp(rng.normal(0.0, 0.03, vowels.shape))
    loci = np.where(kind[:, None] > 0, _LOCI_HZ[rng.integers(0, 3, n)], vowels)
    knots = np.stack((start, 0.7 * onset + 0.3 * end, 0.3 * onset + 0.7 * end), axis=1).ravel()
    targets = np.stack((loci, vowels, vowels), axis=1).reshape(-1, 3)
    tracks = [np.interp(grid, knots, targets[:, k]) for k in range(3)]
    upper = np.broadcast_to(np.array(UPPER_HZ)[:, None], (2, grid.size))
    formants = np.concatenate((np.stack(tracks), upper)) * speaker.formant_scale[:, None]

    accent = rng.normal(0.0, speaker.f0_spread, n) - speaker.declination * (place - 0.5)
    log_f0 = np.log(speaker.f0_hz) + np.interp(grid, 0.5 * (onset + end), accent)
    voice, hiss = np.zeros(grid.size), np.zeros(grid.size)
    hiss_hz = np.full(grid.size, speaker.sibilant_hz)
    for k in range(n):
        vowel = (grid >= onset[k]) & (grid < end[k])
        before = (grid >= start[k]) & (grid < onset[k])
        voice[vowel] = stress[k]
        if kind[k] == 1:
            voice[before] = 0.35 * stress[k]
        elif kind[k] == 2:
            hiss[before] = 0.35
            hiss_hz[before] *= (1.0, 0.62)[int(rng.integers(0, 2))]
        elif kind[k] == 3:
            hiss[before & (grid > onset[k] - 0.016)] = 0.5
            hiss_hz[before] *= 0.5
    ramp = np.array((0.1, 0.25, 0.3, 0.25, 0.1))
    return Course(
        f0_hz=np.clip(np.exp(log_f0), 60.0, 420.0),
        voice=np.convolve(voice, ramp, "same"),
        hiss=np.convolve(hiss, ramp, "same"),
        hiss_hz=hiss_hz,
        formants_hz=formants,
    )


def _pulses(speaker: Speaker, course: Course, n: int, rng: np.random.Generator) -> Floats:
    """Return the glottis as pulses of limited bandwidth: float64 (n,)."""
    grid = np.arange(course.f0_hz.size) * HOP
    turns = np.concatenate(([0.0], np.cumsum(course.f0_hz[:-1]) * (HOP / SAMPLE_RATE)))
    count = int(turns[-1])
    at = np.interp(np.arange(1, count), turns, grid)
    period = SAMPLE_RATE / np.interp(at, grid, course.f0_hz)
    at = np.clip(at + speaker.jitter * period * rng.normal(size=at.size), 8, n - 10)
    # a pulse of a low voice carries more: loudness does not follow the fundamental
    size = np.interp(at, grid, course.voice) * np.exp(speaker.shimmer * rng.normal(size=at.size))
    size *= np.sqrt(period)
    first = np.floor(at).astype(np.int64)
    offset = _TAPS - (at - first)[:, None]
    shape = np.sinc(0.97 * offset) * (0.5 + 0.5 * np.cos(np.pi * offset / 9))
    wave = np.zeros(n)
    np.add.at(wave, first[:, None] + _TAPS, size[:, None] * shape)
    return wave


def _frames(wave: Floats, n_frames: int) -> Floats:
    """Return the spectra of overlapping frames, shape (n_frames + 1, 257)."""
    padded = np.pad(wave, (HOP, HOP))
    cut = np.lib.stride_tricks.sliding_window_view(padded, 2 * HOP)[::HOP][: n_frames + 1]
    window = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * HOP) / HOP)
    centred = np.pad((cut * window).astype(np.float32), ((0, 0), (HOP, HOP)))
    return np.asarray(fft.rfft(centred, axis=1))


def _joined(spectra: Floats, n_frames: int) -> Floats:
    """Return the sum of the overlapping frames, shape (n_frames * HOP,)."""
    frames = fft.irfft(spectra, _SIZE, axis=1)
    wave = np.zeros((n_frames + 4, HOP))
    for quarter in range(4):
        wave[quarter : quarter + n_frames + 1] += frames[:, quarter * HOP : (quarter + 1) * HOP]
    return wave[2 : n_frames + 2].ravel()


def utterance(speaker: Speaker, length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise an utterance at 16 kHz: float64 (n_samples,), root mean square 1.

    n_samples is the whole number of 8 ms that is nearest to length_s.
    """
    course = draw_course(speaker, length_s, rng)
    n_frames = course.f0_hz.size - 1
    n = n_frames * HOP
    shape = (n_frames + 1, _FREQUENCY.size)
    tract = tract_gain(
        np.broadcast_to(_FREQUENCY, shape), course.formants_hz[:, :, None], speaker.bandwidths_hz
    )
    octave = np.log2(np.maximum(_FREQUENCY, 60.0))
    dip = np.exp(-0.5 * np.square((octave - np.log2(speaker.dip_hz)) / 0.11))
    tract *= np.power(10.0, -speaker.dip_db * dip / 20)
    source = np.power(10.0, -speaker.tilt_db * (octave - np.log2(400.0)) / 20)
    hiss = np.exp(-0.5 * np.square((octave - np.log2(course.hiss_hz)[:, None]) / 0.35))

    noise = _frames(rng.normal(size=n), n_frames)
    # open lips let high frequencies out: breath loses less of them than the voice
    breath = course.voice[:, None] * 10 ** (speaker.breath_db / 20) * np.sqrt(source)
    voiced = _frames(_pulses(speaker, course, n, rng), n_frames) * source
    spectra = (voiced + breath * noise) * tract + 0.5 * course.hiss[:, None] * hiss * noise
    wave = _joined(spectra, n_frames)
    return np.asarray(wave / np.sqrt(np.mean(np.square(wave))))
