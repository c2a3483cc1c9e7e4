"""Who a synthetic adult speaker is, and what changes between recordings: draws, no sound yet."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bodysounds.types import Floats

SEXES = ("F", "M")
F0_HZ = {"F": 200.0, "M": 118.0}
"""Typical fundamentals of women and men."""
TRACT = {"F": 1.16, "M": 1.0}
"""Resonances beside a man's: a woman's vocal tract is shorter."""
UPPER_HZ = (3500.0, 4500.0)
"""Fourth and fifth resonance of a man's tract, about the same in every vowel."""


@dataclass(frozen=True)
class Speaker:
    """What makes a speaker that speaker; what is said, and how it is recorded, is drawn anew."""

    f0_hz: float
    """Centre of the fundamental (Hz)."""
    f0_spread: float
    """Deviation of the syllables' fundamentals, as a natural logarithm."""
    declination: float
    """Fall of the fundamental over a phrase, likewise."""
    formant_scale: Floats
    """Factors on a man's resonances, the vocal tract's length among them, shape (5,)."""
    bandwidths_hz: Floats
    """Widths of the resonances at half power (Hz), shape (5,)."""
    dip_hz: float
    """Where a side cavity of the throat takes sound away (Hz)."""
    dip_db: float
    """How much it takes (dB)."""
    vowel_reach: float
    """How far vowels lie from the middle of the vowel space: 1 as in careful speech."""
    tilt_db: float
    """Fall of the source's spectrum, together with radiation (dB an octave)."""
    breath_db: float
    """Breath noise under the voice (dB)."""
    jitter: float
    """Irregularity of the periods, as a share of their length."""
    shimmer: float
    """Irregularity of the pulses' amplitudes, as a natural logarithm."""
    sibilant_hz: float
    """Centre of the noise of s (Hz)."""
    rate: float
    """Syllables a second."""


def draw_speaker(sex: str, age: int, rng: np.random.Generator) -> Speaker:
    """Draw a speaker of this sex (`F` or `M`) and age (years), every field independent otherwise.

    Sex moves the fundamental, the tract and the sibilants; the sexes overlap, as people's do. Age
    lowers a woman's voice a little and roughens everybody's.
    """
    older = (age - 40) / 25
    f0_hz = F0_HZ[sex] * np.exp(rng.normal(0.0, 0.16) - 0.05 * older * (sex == "F"))
    tract = TRACT[sex] * np.exp(rng.normal(0.0, 0.035))
    own = np.exp(rng.normal(0.0, (0.08, 0.07, 0.07, 0.08, 0.08)))
    return Speaker(
        f0_hz=float(f0_hz),
        f0_spread=float(rng.uniform(0.05, 0.16)),
        declination=float(rng.uniform(0.05, 0.25)),
        formant_scale=tract * own,
        bandwidths_hz=np.array((80.0, 100.0, 150.0, 220.0, 300.0))
        * np.exp(rng.normal(0.0, 0.2, 5)),
        dip_hz=float(tract * np.exp(rng.uniform(np.log(3700.0), np.log(5300.0)))),
        dip_db=float(rng.uniform(8.0, 22.0)),
        vowel_reach=float(rng.uniform(0.75, 1.15)),
        tilt_db=float(rng.uniform(2.0, 7.0)),
        breath_db=float(rng.uniform(-30.0, -14.0) + 1.5 * older),
        jitter=float(np.exp(rng.uniform(np.log(0.004), np.log(0.015)) + 0.2 * older)),
        shimmer=float(rng.uniform(0.02, 0.12)),
        sibilant_hz=float(4700.0 * np.sqrt(TRACT[sex]) * np.exp(rng.normal(0.0, 0.12))),
        rate=float(4.6 * np.exp(rng.normal(0.0, 0.15))),
    )


def of_the_day(speaker: Speaker, rng: np.random.Generator) -> Speaker:
    """Return the speaker in the mood of one session: effort, health and haste move the voice."""
    effort, loose = rng.normal(), rng.normal(size=8)
    return replace(
        speaker,
        f0_hz=speaker.f0_hz * float(np.exp(0.03 * effort + 0.02 * loose[0])),
        f0_spread=speaker.f0_spread * float(np.exp(0.15 * effort + 0.2 * loose[1])),
        formant_scale=speaker.formant_scale * np.exp(0.006 * loose[2]),
        tilt_db=speaker.tilt_db - 0.8 * effort + 0.6 * float(loose[3]),
        breath_db=speaker.breath_db + 3.0 * float(loose[4]),
        jitter=speaker.jitter * float(np.exp(0.2 * loose[5])),
        rate=speaker.rate * float(np.exp(0.12 * loose[6])),
        vowel_reach=speaker.vowel_reach * float(np.exp(0.06 * loose[7])),
    )
