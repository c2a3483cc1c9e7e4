"""One expiration of a crying infant by the source-filter model: harmonics and breath, one tract.

The fundamental, the resonances and the loudness are drawn on a grid of 4 ms and interpolated
between; the voice is a sum of harmonics weighted by the tract. Ranges follow the descriptions of
LaGasse, Neal and Lester, "Assessment of infant cry" (2005): phonation at 300-600 Hz,
hyperphonation at 1-2 kHz, vibrato, breaks, rising-falling melody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from bodysounds.corpora._cry_voice import Voice
from bodysounds.types import Floats

SAMPLE_RATE = 16_000
HOP = 64
"""Samples between two points of the grid: 4 ms."""
SHORTEST_S, LONGEST_S = 0.3, 2.5
F0_RANGE_HZ = (265.0, 680.0)
HYPERPHONATION_HZ = (1100.0, 1700.0)
HIGHEST_HZ = 7_800.0


@dataclass(frozen=True)
class Course:
    """How an expiration runs, on the 4 ms grid; every array has shape (n_frames,)."""

    f0_hz: Floats
    loudness: Floats
    """Amplitude of the voice, 0 to 1, breaks and tremor included."""
    breath: Floats
    """Amplitude of the breath noise, 0 to 1."""
    opening: Floats
    """Factor on the first two resonances while the mouth opens, up to 1."""
    hyperphonation: Floats
    """1 where the voice has jumped to hyperphonation, else 0."""


def _smooth(values: Floats, width: int) -> Floats:
    kernel = np.hanning(width + 2)[1:-1]
    padded = np.pad(values, width, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="same")[width:-width]


def _melody(voice: Voice, position: Floats) -> Floats:
    """Log frequency over the expiration: it rises to its peak, falls, and may rise once more."""
    peak = voice.melody_peak
    up = -voice.melody_rise * np.square(1 - np.minimum(position / peak, 1))
    down = -voice.melody_fall * np.square(np.maximum(position - peak, 0) / (1 - peak))
    second = (peak + 1) / 2
    arch = voice.melody_second * np.exp(-0.5 * np.square((position - second) / 0.09))
    return np.asarray(up + down + arch)


def _loudness(voice: Voice, time: Floats) -> Floats:
    left = time[-1] - time
    rise = 1 - np.exp(-time / voice.attack_s)
    fall = 1 - np.exp(-left / (0.5 * voice.decay_s))
    return np.asarray(rise * fall)


def draw_course(voice: Voice, rng: np.random.Generator) -> Course:
    """Draw how one expiration runs: its length, melody, vibrato, jumps, breaks and loudness."""
    drawn_s = voice.duration_s * np.exp(rng.normal(0.0, 0.4))
    n_frames = round(float(np.clip(drawn_s, SHORTEST_S, LONGEST_S)) * SAMPLE_RATE / HOP)
    time = np.arange(n_frames + 1) * (HOP / SAMPLE_RATE)
    position = time / time[-1]

    onset = 1 - np.exp(-time / 0.05)  # a voice settles before it vibrates
    vibrato = np.sin(2 * np.pi * (voice.vibrato_hz * time + rng.uniform()))
    log_f0: Floats = np.log(voice.f0_hz) + 0.5 * voice.melody_rise + _melody(voice, position)
    log_f0 += voice.vibrato_depth * onset * vibrato
    log_f0 += 0.02 * _smooth(rng.normal(size=time.size), 60) * np.sqrt(30)
    log_f0 += voice.jitter * rng.normal(size=time.size)
    f0: Floats = np.clip(np.exp(log_f0), *F0_RANGE_HZ)

    jumped = np.zeros(time.size)
    if rng.uniform() < voice.hyperphonation:
        start, length = rng.uniform(0.05, 0.6), rng.uniform(0.15, 0.4)
        jumped[(position >= start) & (position < start + length)] = 1
        leap = rng.uniform(*HYPERPHONATION_HZ) / voice.f0_hz
        f0 = np.where(jumped > 0, f0 * leap, f0)

    voiced: Floats = np.ones(time.size)
    for _ in range(min(rng.poisson(voice.breaks), 4)):
        start = rng.uniform(0.1, 0.9) * time[-1]
        voiced[(time >= start) & (time < start + rng.uniform(0.02, 0.08))] = 0.03
    voiced = _smooth(voiced, 5)

    loudness = _loudness(voice, time)
    shimmer = np.exp(4 * voice.jitter * rng.normal(size=time.size))
    dips = 0.5 - 0.5 * np.sin(2 * np.pi * (voice.tremor_hz * time + rng.uniform()))
    tremor = np.power(10.0, -voice.tremor_db * onset * dips / 20)
    closed = np.exp(-time / voice.opening_s) + 0.8 * np.exp(-time[::-1] / voice.opening_s)
    opening = 1 - voice.opening * np.minimum(closed, 1)
    return Course(
        f0_hz=f0,
        loudness=loudness * voiced * shimmer * tremor,
        breath=loudness * (1 + 1.5 * (1 - voiced)),
        opening=opening,
        hyperphonation=jumped,
    )


def tract_gain(frequency_hz: Floats, formants_hz: Floats, bandwidths_hz: Floats) -> Floats:
    """Amplitude of a cascade of resonances.

    `frequency_hz` has any shape S, `formants_hz` shape (n,) or (n, *S), `bandwidths_hz` (n,);
    returns the gain of shape S, 1 at 0 Hz.
    """
    gain = np.ones_like(frequency_hz)
    for formant, bandwidth in zip(formants_hz, bandwidths_hz, strict=True):
        ratio = frequency_hz / formant
        gain /= np.square(1 - np.square(ratio)) + np.square(ratio * bandwidth / formant)
    return np.sqrt(gain)


def _moving_formants(voice: Voice, opening: Floats) -> Floats:
    moving = np.broadcast_to(voice.formants_hz[:, None], (voice.formants_hz.size, opening.size))
    share = np.array((1.0, 0.6, 0.3, 0.1))[:, None]
    return moving * (1 - share * (1 - opening))


def _between(frames: Floats) -> Floats:
    """Interpolate linearly: (n_frames + 1,) to (n_frames * HOP,)."""
    ramp = np.arange(HOP, dtype=np.float32) / HOP
    return (frames[:-1, None] + np.diff(frames)[:, None] * ramp).ravel()


def harmonics(f0_hz: Floats, amplitude: Floats) -> tuple[Floats, Floats]:
    """Sum harmonics of a moving fundamental.

    `f0_hz` has shape (n_frames + 1,), on the 4 ms grid, `amplitude` (n_harmonics, n_frames + 1).
    Returns the wave, float32 (n_frames * HOP,), and the fundamental's phase (rad), likewise.
    """
    phase = 2 * np.pi * np.cumsum(_between(f0_hz)) / SAMPLE_RATE
    turn = np.exp(1j * phase).astype(np.complex64)
    power = turn.copy()
    wave = np.zeros(phase.size, dtype=np.float32)
    for frames in amplitude.astype(np.float32):
        wave += _between(frames) * power.imag
        power *= turn
    return wave, phase


def _voiced_part(voice: Voice, course: Course) -> Floats:
    number = np.arange(1, int(HIGHEST_HZ / course.f0_hz.min()) + 1)[:, None]
    frequency = number * course.f0_hz
    formants = _moving_formants(voice, course.opening)
    amplitude = tract_gain(frequency, formants[:, None, :], voice.bandwidths_hz)
    # a voice in hyperphonation is nearly a sine
    tilt = voice.tilt_db + 4.0 * course.hyperphonation
    reference = course.f0_hz * course.hyperphonation + 400.0 * (1 - course.hyperphonation)
    amplitude *= np.power(10.0, -tilt * np.log2(frequency / reference) / 20)
    amplitude *= course.loudness * (frequency < HIGHEST_HZ)
    wave, phase = harmonics(course.f0_hz, amplitude)
    if voice.roughness > 0:
        wave *= 1 + np.float32(voice.roughness) * np.cos(0.5 * phase).astype(np.float32)
    return wave


def _breath_part(voice: Voice, course: Course, rng: np.random.Generator) -> Floats:
    n = (course.f0_hz.size - 1) * HOP
    padded = fft.next_fast_len(n, real=True)
    frequency = np.maximum(fft.rfftfreq(padded, 1 / SAMPLE_RATE), 1.0)
    gain = tract_gain(frequency, voice.formants_hz, 1.5 * voice.bandwidths_hz)
    gain *= np.minimum(frequency / 1000.0, 1.0)
    noise = fft.irfft(fft.rfft(rng.normal(size=padded)) * gain, padded)[:n]
    return np.asarray(noise / np.std(noise) * _between(course.breath))


def expiration(voice: Voice, rng: np.random.Generator) -> Floats:
    """Synthesise one expiration at 16 kHz: float64 (n_samples,), root mean square 1.

    0.3 to 2.5 s long, a whole number of 4 ms.
    """
    course = draw_course(voice, rng)
    voiced = _voiced_part(voice, course)
    voiced = voiced / np.sqrt(np.mean(np.square(voiced, dtype=np.float64)))
    breath = 10 ** (voice.breath_db / 20) * _breath_part(voice, course, rng)
    wave = voiced + breath
    return np.asarray(wave / np.sqrt(np.mean(np.square(wave))))
