"""Who a synthetic infant is, and what changes between its recordings: draws, no sound yet."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bodysounds.types import Floats

TUBE_HZ = (1100.0, 3300.0, 5500.0, 7700.0)
"""Resonances of a uniform tube of about 8 cm, closed at the glottis: a newborn's vocal tract."""


@dataclass(frozen=True)
class Voice:
    """What makes a baby that baby; everything else about a recording is drawn anew."""

    f0_hz: float
    """Centre of the fundamental (Hz)."""
    formants_hz: Floats
    """Resonances of the tract (Hz), shape (4,)."""
    bandwidths_hz: Floats
    """Their widths at half power (Hz), shape (4,)."""
    tilt_db: float
    """Fall of the source's spectrum, together with radiation (dB an octave)."""
    breath_db: float
    """Breath noise under the voice (dB)."""
    melody_peak: float
    """Where in the expiration the melody is highest, 0 to 1."""
    melody_rise: float
    """Rise up to there, as a natural logarithm of frequency."""
    melody_fall: float
    """Fall from there to the end, likewise."""
    melody_second: float
    """Height of a second arch, likewise; 0 where there is one arch only."""
    vibrato_hz: float
    vibrato_depth: float
    """Depth of the vibrato as a share of the frequency."""
    tremor_hz: float
    tremor_db: float
    """Depth of the trembling of the loudness (dB)."""
    jitter: float
    """Irregularity of the periods, as a share of the frequency."""
    roughness: float
    """Share of the half-frequency modulation that makes a voice hoarse, 0 to 1."""
    opening: float
    """How far the first resonances start below their place while the mouth opens, 0 to 1."""
    opening_s: float
    """Time constant of that opening (seconds)."""
    attack_s: float
    decay_s: float
    hyperphonation: float
    """Chance that an expiration jumps to a fundamental of 1 to 2 kHz."""
    breaks: float
    """Mean number of voicing breaks in an expiration."""
    duration_s: float
    """Typical length of an expiration (seconds)."""


def draw_voice(rng: np.random.Generator) -> Voice:
    """Draw a baby: every field of `Voice`, independent of every other."""
    tract = np.exp(rng.normal(0.0, 0.03))
    shape = np.exp(rng.normal(0.0, (0.06, 0.04, 0.04, 0.03)))
    return Voice(
        f0_hz=_log_uniform(rng, 305.0, 600.0),
        formants_hz=np.asarray(TUBE_HZ) * tract * shape,
        bandwidths_hz=np.array((160.0, 230.0, 330.0, 550.0)) * np.exp(rng.normal(0.0, 0.3, 4)),
        tilt_db=float(rng.uniform(4.0, 9.0)),
        breath_db=float(rng.uniform(-28.0, -17.0)),
        melody_peak=float(rng.uniform(0.1, 0.85)),
        melody_rise=float(rng.uniform(0.02, 0.30)),
        melody_fall=float(rng.uniform(0.02, 0.40)),
        melody_second=float(max(0.0, rng.uniform(-0.08, 0.12))),
        vibrato_hz=_log_uniform(rng, 4.0, 12.0),
        vibrato_depth=float(rng.uniform(0.04, 0.06)),
        tremor_hz=_log_uniform(rng, 5.0, 20.0),
        tremor_db=float(rng.uniform(10.0, 16.0)),
        jitter=_log_uniform(rng, 0.001, 0.006),
        roughness=float(rng.uniform(0.0, 0.06)),
        opening=float(rng.uniform(0.3, 0.5)),
        opening_s=_log_uniform(rng, 0.08, 0.25),
        attack_s=_log_uniform(rng, 0.02, 0.08),
        decay_s=_log_uniform(rng, 0.06, 0.2),
        hyperphonation=float(rng.beta(0.6, 4.0)),
        breaks=float(rng.gamma(2.0, 0.15)),
        duration_s=float(0.82 * np.exp(rng.normal(0.0, 0.1))),
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def grown(voice: Voice, rng: np.random.Generator) -> Voice:
    """Return the voice some days later: one random shift moves the fundamental and the resonances.

    A longer tract and longer vocal folds both lower it; the shift is unrelated to who the baby is.
    """
    shift = float(np.exp(rng.normal(-0.03, 0.012)))
    return replace(
        voice,
        f0_hz=voice.f0_hz * shift,
        formants_hz=voice.formants_hz * shift,
    )


def aroused(voice: Voice, rng: np.random.Generator, strength: float) -> Voice:
    """Return the voice under a passing arousal: higher, brighter and shorter of breath, or less so.

    `strength` is the deviation of the arousal: 1 for the moods of one recording.
    """
    arousal = strength * rng.normal()
    loose = strength * rng.normal(size=14)
    return replace(
        voice,
        f0_hz=voice.f0_hz * float(np.exp(0.008 * arousal + 0.006 * loose[0])),
        formants_hz=voice.formants_hz * np.exp(0.02 * loose[1:5]),
        tilt_db=voice.tilt_db - 3.0 * arousal,
        breath_db=voice.breath_db + 6.0 * loose[5],
        melody_peak=float(np.clip(voice.melody_peak + 0.03 * loose[6], 0.08, 0.8)),
        melody_rise=voice.melody_rise * float(np.exp(0.15 * arousal)),
        melody_fall=voice.melody_fall * float(np.exp(0.15 * loose[7])),
        vibrato_hz=voice.vibrato_hz * float(np.exp(0.012 * loose[8])),
        vibrato_depth=voice.vibrato_depth * float(np.exp(0.5 * loose[9])),
        tremor_hz=voice.tremor_hz * float(np.exp(0.012 * loose[12])),
        tremor_db=max(voice.tremor_db + 7.0 * loose[13], 5.0),
        hyperphonation=min(voice.hyperphonation * float(np.exp(0.6 * arousal)), 1.0),
        breaks=voice.breaks * float(np.exp(0.6 * loose[10])),
        attack_s=voice.attack_s * float(np.exp(0.7 * loose[11])),
        decay_s=voice.decay_s * float(np.exp(-0.7 * loose[11])),
    )
