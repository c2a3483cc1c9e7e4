"""What else is heard indoors: music, crockery, water, steps and creaks, machines, toys."""

from __future__ import annotations

import numpy as np
from scipy import fft

from bodysounds.corpora._cry_synthesis import HOP, SAMPLE_RATE, harmonics
from bodysounds.types import Floats

_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 5, 9), (0, 4, 9))
"""Semitones of major, minor and their inversions."""


def chords(length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise a bar of chords with a beat: float64 (n_samples,) at 16 kHz."""
    wave = np.zeros(round(length_s * SAMPLE_RATE))
    beat_s, root_hz = rng.uniform(0.22, 0.55), 110.0 * 2 ** (rng.integers(0, 22) / 12)
    decay_s, softness = rng.uniform(0.15, 0.9), rng.uniform(0.8, 2.2)
    for start in np.arange(0.0, length_s - 0.1, beat_s):
        held_s = min(length_s - start, rng.choice((1.0, 1.8)) * beat_s)
        shift = rng.choice((0, 0, 5, 7, 9))
        for semitones in _CHORDS[int(rng.integers(len(_CHORDS)))]:
            note_hz = root_hz * 2 ** ((shift + semitones) / 12)
            _add(wave, start, _note(note_hz, held_s, decay_s, softness))
        if rng.uniform() < 0.6:  # a drum
            _add(wave, start, rng.uniform(1.0, 4.0) * _strike(rng, 0.05, 120.0, 4000.0))
    return wave


def lead(length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise a fiddle that slides and trembles about where infants cry: float64 (n,)."""
    n = round(length_s * SAMPLE_RATE / HOP) + 1
    time = np.arange(n) * HOP / SAMPLE_RATE
    knots = np.sort(rng.uniform(0.0, length_s, 3))
    slide = np.interp(time, knots, rng.normal(0.0, 0.18, 3))
    vibrato = rng.uniform(0.008, 0.04) * np.sin(2 * np.pi * rng.uniform(5.0, 8.0) * time)
    f0 = np.clip(np.exp(np.log(rng.uniform(280.0, 900.0)) + slide + vibrato), 200.0, 1300.0)
    number = np.arange(1, int(7800.0 / f0.max()) + 1)[:, None]
    body = np.exp(0.6 * rng.normal(size=number.shape))
    swell = (1 - np.exp(-time / 0.06)) * (1 - np.exp(-(time[-1] - time) / 0.08))
    tremolo = 1 - rng.uniform(0.0, 0.5) * (0.5 + 0.5 * np.sin(2 * np.pi * 6.0 * time))
    amplitude = body / number ** rng.uniform(0.6, 1.4) * swell * tremolo
    return harmonics(f0, amplitude)[0].astype(np.float64)


def clatter(length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise crockery and cutlery: knocks that ring: float64 (n_samples,)."""
    wave = np.zeros(round(length_s * SAMPLE_RATE))
    for start in rng.uniform(0.0, length_s - 0.05, int(rng.integers(3, 9))):
        knock = _strike(rng, rng.uniform(0.02, 0.25), 700.0, 6500.0)
        _add(wave, start, rng.uniform(0.4, 1.0) * knock)
    return wave


def water(length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise a running tap: noise in a band, and bubbles: float64 (n_samples,)."""
    n = round(length_s * SAMPLE_RATE)
    wave = _band(n, rng.uniform(300.0, 1500.0), rng.uniform(2500.0, 7000.0), rng)
    for start in rng.uniform(0.0, length_s - 0.05, rng.poisson(14 * length_s)):
        time = np.arange(640) / SAMPLE_RATE
        pitch = rng.uniform(500.0, 2500.0) * (1 + rng.uniform(2.0, 12.0) * time)
        bubble = np.sin(2 * np.pi * pitch * time) * np.exp(-time / 0.01)
        _add(wave, start, rng.uniform(0.5, 4.0) * bubble)
    return wave


def steps(length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise steps on a floor that knocks and rustles: float64 (n_samples,)."""
    wave = 0.02 * rng.normal(size=round(length_s * SAMPLE_RATE))
    every_s = rng.uniform(0.3, 0.6)
    for start in np.arange(rng.uniform(0.0, 0.2), length_s - 0.1, every_s):
        _add(wave, start, rng.uniform(0.7, 1.0) * _strike(rng, 0.03, 90.0, 900.0))
        _add(wave, start + 0.04, rng.uniform(0.1, 0.4) * _strike(rng, 0.02, 1500.0, 6000.0))
    return wave


def creak(length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise a hinge: pulses 30 to 150 times a second, as rough as a scream: float64 (n,)."""
    n = round(length_s * SAMPLE_RATE)
    rate = np.interp(np.linspace(0, 3, n), np.arange(4), np.exp(rng.uniform(3.5, 5.0, 4)))
    pulses = np.diff(np.floor(np.cumsum(rate) / SAMPLE_RATE), prepend=0.0)
    pulses *= np.exp(0.4 * rng.normal(size=n))
    ring = _strike(rng, rng.uniform(0.01, 0.05), 500.0, 4000.0)
    padded = fft.next_fast_len(n + ring.size, real=True)
    return np.asarray(fft.irfft(fft.rfft(pulses, padded) * fft.rfft(ring, padded), padded)[:n])


def machine(length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise a fan or a mixer: hum, its harmonics and wind: float64 (n_samples,)."""
    n = round(length_s * SAMPLE_RATE / HOP) + 1
    run_up = 1 - rng.uniform(0.0, 0.5) * np.exp(-np.arange(n) * HOP / SAMPLE_RATE / 0.3)
    f0 = rng.uniform(45.0, 320.0) * run_up
    number = np.arange(1, 25)[:, None]
    amplitude = np.exp(0.8 * rng.normal(size=(24, 1))) / number ** rng.uniform(0.3, 1.2)
    hum = harmonics(f0, amplitude * np.ones(n) * (number * f0 < 7800.0))[0].astype(np.float64)
    wind = _band(hum.size, 200.0, rng.uniform(2000.0, 7000.0), rng)
    return np.asarray(hum / np.std(hum) + rng.uniform(0.2, 1.5) * wind)


def squeak(length_s: float, rng: np.random.Generator) -> Floats:
    """Synthesise a squeaking toy: whistles that jump as high as a shriek: float64 (n,)."""
    wave = np.zeros(round(length_s * SAMPLE_RATE))
    start, height = 0.0, rng.uniform(600.0, 2200.0)
    while start < length_s - 0.1:
        held_s = min(rng.uniform(0.1, 0.7), length_s - start)
        n = round(held_s * SAMPLE_RATE / HOP) + 1
        position = np.linspace(0.0, 1.0, n)
        glide = rng.uniform(-0.4, 0.4) * position + rng.uniform(0.0, 0.3) * np.sin(np.pi * position)
        f0 = np.clip(height * np.exp(glide + rng.normal(0.0, 0.1)), 300.0, 3000.0)
        number = np.arange(1, 6)[:, None]
        amplitude = np.exp(-rng.uniform(0.5, 1.5) * number) * np.sin(np.pi * position) ** 0.5
        _add(wave, start, harmonics(f0, amplitude * (number * f0 < 7800.0))[0])
        start += held_s + rng.uniform(0.03, 0.2)
    return wave


def _add(wave: Floats, start_s: float, sound: Floats) -> None:
    """Add a sound from start_s on, as far as the wave goes."""
    first = round(start_s * SAMPLE_RATE)
    part = sound[: max(wave.size - first, 0)]
    wave[first : first + part.size] += part


def _note(f0_hz: float, length_s: float, decay_s: float, softness: float) -> Floats:
    n = round(length_s * SAMPLE_RATE / HOP) + 1
    time = np.arange(n) * HOP / SAMPLE_RATE
    number = np.arange(1, min(12, int(7800.0 / f0_hz)) + 1)[:, None]
    course = np.exp(-time / decay_s) * (1 - np.exp(-time / 0.01))
    course *= 1 - np.exp(-(time[-1] - time) / 0.02)
    return harmonics(np.full(n, f0_hz), course / number**softness)[0]


def _strike(rng: np.random.Generator, decay_s: float, low_hz: float, high_hz: float) -> Floats:
    """Return a knock: a few modes that ring off, float64, five decays long."""
    time = np.arange(max(int(5 * decay_s * SAMPLE_RATE), 160)) / SAMPLE_RATE
    modes = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), 5))[:, None]
    rings = np.sin(2 * np.pi * modes * time) * np.exp(-time / decay_s)
    noise = rng.normal(size=time.size) * np.exp(-time / 0.004)
    return np.asarray(rng.normal(size=5) @ rings + noise)


def _band(n: int, low_hz: float, high_hz: float, rng: np.random.Generator) -> Floats:
    """Return noise between two frequencies: float64 (n,), root mean square 1."""
    padded = fft.next_fast_len(n, real=True)
    frequency = fft.rfftfreq(padded, 1 / SAMPLE_RATE)
    gain = 1 / (1 + np.power(low_hz / np.maximum(frequency, 1.0), 4))
    gain /= 1 + np.power(frequency / high_hz, 6)
    noise = fft.irfft(fft.rfft(rng.normal(size=padded)) * gain, padded)[:n]
    return np.asarray(noise / np.std(noise))
