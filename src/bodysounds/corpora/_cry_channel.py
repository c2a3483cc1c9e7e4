"""Where and with what a synthetic cry is recorded: room, microphone, background, gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from bodysounds.corpora._cry_synthesis import SAMPLE_RATE
from bodysounds.types import Floats

_KNOTS_HZ = 700 * (10 ** (np.linspace(0.03, 1.094, 16)) - 1)
EARLY_SAMPLES = 80
"""Early echoes come within 5 ms; the late reverberation follows."""


@dataclass(frozen=True)
class Channel:
    """A room, a microphone, a background and a gain."""

    room: Floats
    """Impulse response (samples at 16 kHz), the direct sound first with amplitude 1."""
    response_db: Floats
    """Response of the microphone at 16 frequencies from 50 to 8000 Hz (dB)."""
    low_cut_hz: float
    high_cut_hz: float
    noise_slope: float
    """Exponent of the background's fall with frequency: 0 white, 1 pink, 2 brown (in power)."""
    noise_db: float
    """Background against the cry (dB)."""
    level_dbfs: float
    """Root mean square of the recording (dB full scale)."""


def draw_channel(rng: np.random.Generator) -> Channel:
    """Draw a channel: every field independent of every other."""
    decay_s = float(np.exp(rng.uniform(np.log(0.08), np.log(0.25))))  # 60 dB
    n = int(0.6 * decay_s * SAMPLE_RATE)
    tail = rng.normal(size=n) * 10 ** (-3 * np.arange(n) / (decay_s * SAMPLE_RATE))
    tail *= 10 ** (rng.uniform(-24.0, -10.0) / 20) / np.sqrt(np.sum(np.square(tail)))
    early = np.zeros(EARLY_SAMPLES)
    early[0] = 1.0
    # cot, blanket and table: echoes within 5 ms colour the sound like a comb
    echoes = rng.integers(4, EARLY_SAMPLES, 6)
    early[echoes] += rng.uniform(-0.8, 0.8, 6)
    room = np.concatenate((early, tail))
    return Channel(
        room=room,
        response_db=rng.normal(0.0, 12.0, _KNOTS_HZ.size),
        low_cut_hz=float(rng.uniform(60.0, 250.0)),
        high_cut_hz=float(np.exp(rng.uniform(np.log(4500.0), np.log(7900.0)))),
        noise_slope=float(rng.uniform(0.0, 1.6)),
        noise_db=float(rng.uniform(-40.0, -18.0)),
        level_dbfs=float(rng.uniform(-34.0, -16.0)),
    )


def _microphone(channel: Channel, frequency_hz: Floats) -> Floats:
    octave = np.log2(np.maximum(frequency_hz, 20.0))
    decibel = np.interp(octave, np.log2(_KNOTS_HZ), channel.response_db)
    low = 1 / (1 + np.power(channel.low_cut_hz / np.maximum(frequency_hz, 1.0), 4))
    high = 1 / (1 + np.power(frequency_hz / channel.high_cut_hz, 10))
    return np.asarray(np.power(10.0, decibel / 20) * np.sqrt(low * high))


def _power(waves: list[Floats]) -> float:
    return float(sum(np.sum(np.square(w)) for w in waves) / sum(w.size for w in waves))


def record(waves: list[Floats], channel: Channel, rng: np.random.Generator) -> list[Floats]:
    """Record the expirations of one session through a channel.

    `waves` are float (n_i,) at 16 kHz; returns as many float64 arrays of the same lengths in
    [-1, 1], with the background added. `rng` draws the background's course, not its level.
    """
    cries, noises = [], []
    for wave in waves:
        n = wave.size
        padded = fft.next_fast_len(n + channel.room.size, real=True)
        frequency = fft.rfftfreq(padded, 1 / SAMPLE_RATE)
        microphone = _microphone(channel, frequency)
        spectrum = fft.rfft(wave, padded) * fft.rfft(channel.room, padded) * microphone
        cries.append(fft.irfft(spectrum, padded)[:n])
        colour = np.power(np.maximum(frequency, 100.0) / 1000.0, -channel.noise_slope / 2)
        white = fft.rfft(rng.normal(size=padded))
        noises.append(fft.irfft(white * colour * microphone, padded)[:n])
    noise_gain = 10 ** (channel.noise_db / 20) * np.sqrt(_power(cries) / _power(noises))
    mixed = [cry + noise_gain * noise for cry, noise in zip(cries, noises, strict=True)]
    gain = 10 ** (channel.level_dbfs / 20) / np.sqrt(_power(mixed))
    return [np.clip(gain * wave, -1.0, 1.0) for wave in mixed]
