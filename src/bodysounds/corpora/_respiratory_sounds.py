"""What is heard beside breath: crackles, wheezes, and what resembles them in a healthy chest.

All at 4 kHz, the rate of the slowest device.
"""

from __future__ import annotations

import numpy as np

from bodysounds.types import Floats

RATE = 4_000
_SHORTEST_WHEEZE_S = 0.12


def burst(hz: float, rng: np.random.Generator) -> Floats:
    """Synthesise one crackle: a damped burst of about two periods, float64 (n,), peak about 1.

    Coarse crackles lie at 150 to 250 Hz (an initial deflection of 1 to 1.7 ms, about 10 ms in all),
    fine ones at 400 to 700 Hz (below 0.7 ms, about 5 ms).
    """
    hz *= np.exp(rng.normal(0.0, 0.12))
    time = np.arange(round(4.5 * RATE / hz)) / RATE
    # periods widen as the burst fades
    phase = 2 * np.pi * hz * (time - 0.12 * hz * np.square(time) / 4.5)
    envelope = (1 - np.exp(-5 * hz * time)) * np.exp(-1.1 * hz * time)
    return np.asarray(1.6 * envelope * np.sin(phase) * rng.choice([-1.0, 1.0]))


def bursts(
    hz: float, count: int, span: tuple[float, float], n: int, rng: np.random.Generator
) -> Floats:
    """Put crackles into a span (seconds) of a silent cycle of n samples, float64 (n,)."""
    wave = np.zeros(n)
    for start in rng.uniform(span[0], span[1], count):
        one = burst(hz, rng) * 10 ** (rng.normal(0.0, 3.0) / 20)
        first = int(start * RATE)
        part = wave[first : first + one.size]
        part += one[: part.size]
    return wave


def tones(
    hz: float, many: bool, span: tuple[float, float], n: int, rng: np.random.Generator
) -> Floats:
    """Put a gliding tone into a span (seconds) of a silent cycle of n samples, float64 (n,).

    It lasts for more than 100 ms and has weak harmonics; with `many`, two tones sound at once that
    are no harmonics of each other. Peak about 1.
    """
    length_s = max(_SHORTEST_WHEEZE_S, rng.uniform(0.35, 0.95) * (span[1] - span[0]))
    first = int(RATE * rng.uniform(span[0], max(span[1] - length_s, span[0] + 1e-6)))
    size = min(int(length_s * RATE), n - first)
    at = np.arange(size) / max(size, 1)
    glide = np.exp(rng.normal(0.0, 0.07) * (at - 0.5) + rng.normal(0.0, 0.03) * np.cos(3 * at))
    ratios = (1.0, float(rng.uniform(1.2, 1.75))) if many else (1.0,)
    wave = np.zeros(n)
    for ratio in ratios:
        phase = 2 * np.pi * np.cumsum(np.minimum(hz * ratio * glide, 1_000.0)) / RATE
        for harmonic, weakest in ((1, 0.0), (2, 10.0)):
            gain = 10 ** (-(weakest + weakest * rng.uniform()) / 20)
            shifted = harmonic * phase + rng.uniform(0, 2 * np.pi)
            wave[first : first + size] += gain * np.sin(shifted)
    fade = np.clip(np.minimum(at, 1 - at) / 0.2, 0.0, 1.0)
    wave[first : first + size] *= np.square(np.sin(np.pi / 2 * fade))
    return wave


def heart(bpm: float, n: int, rng: np.random.Generator) -> Floats:
    """Synthesise n samples of heart sounds, float64 (n,): two dull thumps a beat, peak about 1."""
    wave = np.zeros(n)
    beat_s = 60.0 / bpm
    time = -rng.uniform(0.0, beat_s)
    while time < n / RATE:
        for delay_s, hz, gain in ((0.0, 45.0, 1.0), (0.35 * beat_s, 60.0, 0.6)):
            first = int((time + delay_s) * RATE)
            one = gain * burst(hz, rng)
            if first < 0:
                one, first = one[-first:], 0
            part = wave[first : first + one.size]
            part += one[: part.size]
        time += beat_s * np.exp(rng.normal(0.0, 0.04))
    return wave
