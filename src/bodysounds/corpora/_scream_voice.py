"""Adults who do not speak: screams, shouts, laughter and song, by the source-filter model.

A scream is a loud, high, gliding voice whose loudness is modulated at 30 to 150 Hz: Arnal, Flinker,
Kleinschmidt, Giraud and Poeppel, "Human screams occupy a privileged niche in the communication
soundscape" (2015). Subharmonics and chaos come with it: Fitch, Neubauer and Herzel, "Calls out of
chaos" (2002).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from bodysounds.corpora._cry_synthesis import (
    HIGHEST_HZ,
    HOP,
    SAMPLE_RATE,
    harmonics,
    tract_gain,
)
from bodysounds.corpora._speaker_voice import UPPER_HZ, Speaker
from bodysounds.types import Floats

GRID_S = HOP / SAMPLE_RATE
_OPEN_HZ = (860.0, 1350.0, 2600.0, *UPPER_HZ)
"""Resonances of a man's wide open mouth."""


@dataclass(frozen=True)
class Manner:
    """How somebody raises the voice."""

    f0_hz: float
    """Fundamental at its height (Hz)."""
    rough_hz: float
    """Rate of the modulation that makes it rough (Hz)."""
    rough: float
    """Depth of that modulation, 0 to 1."""
    chaos: float
    """Chance that an exclamation has a stretch of chaos, and one of subharmonics."""
    jitter: float
    """Irregularity of the fundamental, as a natural logarithm a frame of 4 ms."""
    glide: float
    """How far the fundamental rises to its height and falls from there, likewise."""


def draw_scream(speaker: Speaker, rng: np.random.Generator) -> Manner:
    """Draw how a speaker screams: from a rough roar to a shriek that is nearly a whistle."""
    height = rng.uniform()
    return Manner(
        f0_hz=float(np.clip(speaker.f0_hz * np.exp(1.15 + 1.0 * height), 420.0, 2300.0)),
        rough_hz=float(np.exp(rng.uniform(np.log(35.0), np.log(140.0)))),
        rough=float(rng.uniform(0.7, 1.0) * (1 - 0.3 * height)),
        chaos=float(rng.uniform(0.2, 0.7)),
        jitter=float(rng.uniform(0.004, 0.016)),
        glide=float(rng.uniform(0.15, 0.6)),
    )


def draw_shout(speaker: Speaker, rng: np.random.Generator) -> Manner:
    """Draw how a speaker shouts for joy: nearly as high as a scream, and hardly rough."""
    return Manner(
        f0_hz=float(np.clip(speaker.f0_hz * np.exp(rng.uniform(0.5, 1.3)), 220.0, 900.0)),
        rough_hz=float(np.exp(rng.uniform(np.log(25.0), np.log(140.0)))),
        rough=float(rng.uniform(0.0, 0.2)),
        chaos=float(rng.uniform(0.0, 0.1)),
        jitter=float(rng.uniform(0.002, 0.006)),
        glide=float(rng.uniform(0.1, 0.7)),
    )


def exclamation(
    speaker: Speaker, manner: Manner, length_s: float, rng: np.random.Generator
) -> Floats:
    """Synthesise one exclamation at 16 kHz: float64 (n_samples,), about length_s long."""
    n = _points(length_s)
    position = np.linspace(0.0, 1.0, n)
    time = np.arange(n) * GRID_S
    peak = rng.uniform(0.1, 0.5)
    up = np.square(np.maximum(peak - position, 0) / peak)
    down = np.square(np.maximum(position - peak, 0) / (1 - peak))
    log_f0 = np.full(n, np.log(manner.f0_hz) + rng.normal(0.0, 0.12))
    log_f0 -= manner.glide * (up * rng.uniform(0.5, 1.5) + 0.6 * down)
    log_f0 += manner.jitter * rng.normal(size=n) + 0.03 * _wander(n, 0.08, rng)
    f0 = np.clip(np.exp(log_f0), 150.0, 2600.0)
    loudness = (1 - np.exp(-time / 0.03)) * (1 - np.exp(-(time[-1] - time) / 0.06))
    chaos = _stretch(position, rng) if rng.uniform() < manner.chaos else np.zeros(n)
    wave, phase = _throat(replace(speaker, tilt_db=2.5), f0, loudness * (1 - 0.8 * chaos))

    rate = manner.rough_hz * np.exp(0.15 * _wander(n, 0.1, rng))
    turns = 2 * np.pi * np.cumsum(_samples(rate)) / SAMPLE_RATE
    wave *= 1 - manner.rough * (0.5 - 0.5 * np.cos(turns))
    if rng.uniform() < manner.chaos:
        half = 0.7 * _samples(_stretch(position, rng))
        wave *= 1 + half * np.cos(phase * rng.choice((0.5, 1 / 3)))
    wave /= np.sqrt(np.mean(np.square(wave)))
    hoarse = 10 ** (speaker.breath_db / 20) + 0.9 * _samples(chaos)
    return np.asarray(wave + hoarse * _samples(loudness) * _breath(speaker, wave.size, rng))


def laughter(speaker: Speaker, length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise a burst of laughter, 4 to 6 syllables a second: float64 (n_samples,)."""
    n = _points(length_s)
    time = np.arange(n) * GRID_S
    rate = rng.uniform(3.8, 6.2)
    turn = (rate * time) % 1.0
    voiced = np.where(turn < 0.45, np.sin(np.pi * turn / 0.45), 0.0)
    breathy = np.where(turn >= 0.45, np.sin(np.pi * (turn - 0.45) / 0.55), 0.0)
    height = speaker.f0_hz * np.exp(rng.uniform(0.2, 1.0) - rng.uniform(0.1, 0.4) * time)
    f0 = height * np.exp(0.12 * voiced + 0.01 * rng.normal(size=n))
    fade = np.exp(-time / rng.uniform(0.8, 3.0))
    wave, _ = _throat(speaker, np.clip(f0, 80.0, 900.0), fade * voiced)
    wave /= np.sqrt(np.mean(np.square(wave)))
    breath = _breath(speaker, wave.size, rng) * _samples(fade * breathy)
    return np.asarray(wave + rng.uniform(0.2, 0.6) * breath)


def song(speaker: Speaker, length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise a sung phrase of held notes with vibrato, as high as a cry: float64 (n,)."""
    n = _points(length_s)
    time = np.arange(n) * GRID_S
    note_s = rng.uniform(0.25, 0.9)
    steps = np.cumsum(rng.choice((-4, -2, -1, 1, 2, 3, 5), int(length_s / note_s) + 2))
    tune = steps[(time / note_s).astype(np.int64)] / 12 * np.log(2)
    vibrato = rng.uniform(0.01, 0.04) * np.sin(2 * np.pi * rng.uniform(4.8, 6.8) * time)
    log_f0 = np.log(speaker.f0_hz) + rng.uniform(0.4, 1.0) + _smooth(tune, 10) + vibrato
    f0 = np.clip(np.exp(log_f0 + 0.002 * rng.normal(size=n)), 100.0, 1000.0)
    beat = 1 - 0.6 * np.exp(-((time % note_s) / 0.05))
    ends = (1 - np.exp(-time / 0.05)) * (1 - np.exp(-(time[-1] - time) / 0.08))
    wave, _ = _throat(speaker, f0, beat * ends)
    return np.asarray(wave / np.sqrt(np.mean(np.square(wave))))


def _throat(speaker: Speaker, f0_hz: Floats, loudness: Floats) -> tuple[Floats, Floats]:
    """Sound a wide open throat: the wave, float64 (n_samples,), and the fundamental's phase."""
    number = np.arange(1, int(HIGHEST_HZ / f0_hz.min()) + 1)[:, None]
    frequency = number * f0_hz
    formants = np.array(_OPEN_HZ) * speaker.formant_scale
    amplitude = tract_gain(frequency, formants, speaker.bandwidths_hz)
    amplitude *= np.power(10.0, -speaker.tilt_db * np.log2(frequency / 400.0) / 20)
    wave, phase = harmonics(f0_hz, amplitude * loudness * (frequency < HIGHEST_HZ))
    return wave.astype(np.float64), phase


def _breath(speaker: Speaker, n: int, rng: np.random.Generator) -> Floats:
    """Return noise through the same throat: float64 (n,), root mean square 1."""
    padded = fft.next_fast_len(n, real=True)
    frequency = fft.rfftfreq(padded, 1 / SAMPLE_RATE)
    formants = np.array(_OPEN_HZ) * speaker.formant_scale
    gain = tract_gain(frequency, formants, 1.5 * speaker.bandwidths_hz)
    gain *= np.minimum(frequency / 1000.0, 1.0)
    noise = fft.irfft(fft.rfft(rng.normal(size=padded)) * gain, padded)[:n]
    return np.asarray(noise / np.std(noise))


def _points(length_s: float) -> int:
    return round(length_s / GRID_S) + 1


def _samples(points: Floats) -> Floats:
    """Interpolate linearly: (n_frames + 1,) to (n_frames * HOP,)."""
    return np.interp(np.arange((points.size - 1) * HOP) / HOP, np.arange(points.size), points)


def _smooth(values: Floats, width: int) -> Floats:
    padded = np.pad(values, width, mode="edge")
    smooth = np.convolve(padded, np.full(width, 1 / width), mode="same")
    return np.asarray(smooth[width:-width])


def _wander(n: int, every_s: float, rng: np.random.Generator) -> Floats:
    """Return a slow random course of unit variance at its knots: float64 (n,)."""
    knots = int(n * GRID_S / every_s) + 2
    at = np.arange(n) * GRID_S / every_s
    return np.asarray(np.interp(at, np.arange(knots), rng.normal(size=knots)))


def _stretch(position: Floats, rng: np.random.Generator) -> Floats:
    """Draw a stretch of an exclamation: 1 there, else 0, with soft ends."""
    start, length = rng.uniform(0.05, 0.6), rng.uniform(0.15, 0.4)
    return _smooth(((position >= start) & (position < start + length)).astype(np.float64), 5)
