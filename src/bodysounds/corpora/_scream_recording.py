"""Sounds of any class, put into one kind of recording: what is left differs by its sound alone.

When sounds start and how long they last, what is heard behind them, how loud and how bright the
whole is: all of it is drawn alike for every class, and without looking at the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from bodysounds.corpora._cry_channel import Channel, draw_channel, record
from bodysounds.corpora._cry_synthesis import SAMPLE_RATE
from bodysounds.corpora._scream_scene import Maker
from bodysounds.types import Floats

SHORTEST_S, LONGEST_S = 5.2, 12.0
_BRIGHTNESS_HZ = (2200.0, 5500.0)
_FIRST_MAKER = 0.65
"""Share of the sounds that a scene's first maker makes."""
_FAINT = 0.12
"""Share of recordings that are as loud as their background only."""
_BEHIND = 0.5
"""Share of recordings with sounds from the next room."""
_STEEPEST_DB = 20.0
"""Of the tilt (dB an octave)."""
_LIMIT = 3.0
"""Where the limiter ends, beside the root mean square of the track."""
_FADE = 400


@dataclass(frozen=True)
class Place:
    """Where a scene is recorded."""

    channel: Channel
    behind: Maker
    """What is heard from the next room now and then."""


def draw_place(behind: Maker, rng: np.random.Generator) -> Place:
    """Draw a room and its microphone, which colours the sound less than one beside a cot."""
    channel = draw_channel(rng)
    return Place(
        replace(
            channel,
            response_db=0.3 * channel.response_db,
            noise_db=float(rng.uniform(-26.0, -10.0)),
            level_dbfs=float(rng.uniform(-38.0, -22.0)),
        ),
        behind,
    )


def draw_recording(makers: Sequence[Maker], place: Place, rng: np.random.Generator) -> Floats:
    """Draw a recording of a scene: float64 (n_samples,) in [-1, 1] at 16 kHz, 5.2 to 12 s."""
    # one in five goes on for so long that several windows fit in
    length_s = rng.uniform(*((5.2, 7.5) if rng.uniform() < 0.8 else (9.0, LONGEST_S)))
    front = balanced(_track(makers, length_s, rng), rng)
    if rng.uniform() < _BEHIND:
        behind = balanced(_track([place.behind], length_s, rng), rng)
        front += 10 ** (rng.uniform(-28.0, -10.0) / 20) * behind
    faint = rng.uniform() < _FAINT
    noise_db = rng.uniform(-7.0, -1.0) if faint else place.channel.noise_db + rng.normal(0.0, 1.5)
    level_dbfs = place.channel.level_dbfs + rng.normal(0.0, 2.0)
    channel = replace(place.channel, noise_db=float(noise_db), level_dbfs=float(level_dbfs))
    (wave,) = record([front], channel, rng)
    return wave


def draw_slots(length_s: float, rng: np.random.Generator) -> Floats:
    """Draw start and length (seconds) of each sound, shape (n, 2); pauses between are short."""
    rows = []
    time = rng.uniform(0.05, 0.5)
    while time < length_s - 0.6:
        slot_s = np.exp(rng.uniform(np.log(0.6), np.log(2.2)))
        rows.append((time, min(slot_s, length_s - time)))
        time += slot_s + rng.uniform(0.2, 0.8)
    return np.array(rows)


def _track(makers: Sequence[Maker], length_s: float, rng: np.random.Generator) -> Floats:
    """Return sounds one after another, each of about the same power, silence between."""
    wave = np.zeros(round(length_s * SAMPLE_RATE))
    for start, slot_s in draw_slots(length_s, rng):
        first_maker = len(makers) == 1 or rng.uniform() < _FIRST_MAKER
        sound = makers[0 if first_maker else 1](slot_s, rng)[: int(slot_s * SAMPLE_RATE)]
        power = np.mean(np.square(sound)) + 1e-12
        sound = sound * 10 ** (rng.normal(0.0, 3.0) / 20) / np.sqrt(power)
        ramp = np.minimum(np.arange(sound.size) / _FADE, 1.0)
        first = int(start * SAMPLE_RATE)
        wave[first : first + sound.size] += sound * ramp * ramp[::-1]
    return wave


def balanced(wave: Floats, rng: np.random.Generator) -> Floats:
    """Tilt the spectrum of a track until 95% of its power lies below a drawn frequency.

    Then limit its peaks. Returns float64, root mean square 1. No class is brighter or peakier than
    another then, as none is where people film from any distance.
    """
    padded = fft.next_fast_len(wave.size, real=True)
    spectrum = fft.rfft(wave, padded)
    octave = np.log2(np.maximum(fft.rfftfreq(padded, 1 / SAMPLE_RATE), 60.0) / 1000.0)
    wanted = np.log2(np.exp(rng.uniform(*np.log(_BRIGHTNESS_HZ))) / 1000.0)
    # the whole, in steps of a 24th of an octave, is enough to find the tilt
    step = np.round(24 * (octave - octave[0])).astype(np.int64)
    power = np.bincount(step, np.square(np.abs(spectrum)))
    at = octave[0] + np.arange(power.size) / 24
    low, high = -_STEEPEST_DB, _STEEPEST_DB
    for _ in range(20):
        middle = (low + high) / 2
        cumulated = np.cumsum(power * np.power(10.0, middle * at / 10))
        below = at[np.searchsorted(cumulated, 0.95 * cumulated[-1])]
        low, high = (middle, high) if below < wanted else (low, middle)
    tilted = fft.irfft(spectrum * np.power(10.0, low * octave / 20), padded)[: wave.size]
    tilted /= np.sqrt(np.mean(np.square(tilted)))
    limited = tilted / np.power(1 + np.power(tilted / _LIMIT, 4), 0.25)
    return np.asarray(limited / np.sqrt(np.mean(np.square(limited))))
