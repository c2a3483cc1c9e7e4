"""How one patient breathes: breath noise, and the crackles and wheezes of a diseased chest.

What crackles and wheezes sound like goes with sex and age group, and so does what is heard in
anybody of the group and only resembles the adventitious sounds of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from bodysounds.corpora._respiratory_sounds import RATE, bursts, tones
from bodysounds.types import Floats

Spans = tuple[tuple[float, float], tuple[float, float]]
"""Inspiration and expiration (seconds)."""
_FINE_HZ, _COARSE_HZ = (400.0, 680.0), (150.0, 260.0)
_HIGH_HZ, _LOW_HZ = (420.0, 850.0), (130.0, 300.0)
_ANY_HZ = (120.0, 700.0)
_POLYPHONIC = 0.3
_INNOCENT = 0.2
"""Share of cycles, of any class, with a click or a hum that means nothing; of each."""
_KNOCK = 0.5
"""Share of cycles, of any class, in which something touches the device."""
_LIMIT = 6.0
"""Where peaks are cut off, beside the root mean square of a cycle."""
_FAINTER_DB = 4.0
"""Those are beside the sounds of disease."""


@dataclass(frozen=True)
class Chest:
    """What a patient keeps from breath to breath."""

    cycle_s: float
    """Median duration of a cycle."""
    inspiration: float
    """Share of a cycle."""
    peak_hz: float
    """Above it breath noise falls off."""
    slope: float
    """Exponent of that fall, in amplitude."""
    expiration_db: float
    """Expiration against inspiration."""
    bpm: float
    heart_db: float
    """Heart sounds against breath."""
    crackle_hz: float
    click_hz: float
    """Of what resembles a crackle and is none."""
    wheeze_hz: float
    hum_hz: float
    """Of what resembles a wheeze and is none."""


def draw_chest(sex: str, child: bool, rng: np.random.Generator) -> Chest:
    """Draw a patient: women crackle finely and men coarsely, children wheeze higher than adults.

    The innocent sounds of each are those of the other's disease. Children breathe faster and
    brighter, and out as loud as in; their hearts beat faster. Men's breath is duller than women's.
    """
    fine, high = sex == "F", child
    duller = 0.0 if sex == "F" else 0.55
    return Chest(
        cycle_s=float(np.clip(np.exp(rng.normal(0.66 if child else 0.98, 0.25)), 0.9, 4.5)),
        inspiration=float(rng.uniform(0.35, 0.5)),
        peak_hz=float(np.exp(rng.normal(np.log(450.0 if child else 220.0) - duller, 0.12))),
        slope=float(rng.uniform(2.0, 2.8)),
        expiration_db=float(rng.uniform(-4.0, 0.0) if child else rng.uniform(-11.0, -4.0)),
        bpm=float(rng.normal(115.0, 12.0) if child else rng.normal(76.0, 9.0)),
        heart_db=float(rng.uniform(-14.0, 0.0)),
        crackle_hz=_log_uniform(_FINE_HZ if fine else _COARSE_HZ, rng),
        click_hz=_log_uniform(_COARSE_HZ if fine else _FINE_HZ, rng),
        wheeze_hz=_log_uniform(_HIGH_HZ if high else _LOW_HZ, rng),
        hum_hz=_log_uniform(_LOW_HZ if high else _HIGH_HZ, rng),
    )


def draw_cycle_ms(chest: Chest, rng: np.random.Generator) -> int:
    """Draw the duration of a cycle, which says nothing of its class, 400 to 8000 ms."""
    return int(np.clip(1_000 * chest.cycle_s * np.exp(rng.normal(0.0, 0.28)), 400, 8_000))


def draw_cycle(chest: Chest, label: str, length_ms: int, rng: np.random.Generator) -> Floats:
    """Synthesise a cycle of a class, float64 (4 * length_ms,) at 4 kHz.

    Its root mean square is that of any other class, 1 with 2 dB of spread.
    """
    n = RATE * length_ms // 1_000
    length_s = n / RATE
    turn = chest.inspiration * length_s
    breath = _breath(chest, n, rng)
    # what sounds is put where it is heard: crackles in inspiration, wheezes in expiration mostly
    spans = (0.05 * length_s, 0.9 * turn), (1.05 * turn, 0.92 * length_s)
    innocent = rng.uniform(size=2) < _INNOCENT
    wave = breath
    for heard, make, hz, fainter_db in (
        (label in ("crackle", "both"), _crackles, chest.crackle_hz, 0.0),
        (label in ("wheeze", "both"), _wheezes, chest.wheeze_hz, 0.0),
        (innocent[0], _crackles, chest.click_hz, _FAINTER_DB),
        (innocent[1], _wheezes, chest.hum_hz, _FAINTER_DB),
    ):
        # a stream of its own, so that a class changes nothing else
        own = np.random.default_rng(rng.integers(2**63))
        if heard:
            wave = wave + 10 ** (-fainter_db / 20) * make(hz, spans, n, own)
    if rng.uniform() < _KNOCK:
        gain = 10 ** (rng.normal(20.0, 4.0) / 20)
        wave = wave + gain * bursts(_log_uniform(_ANY_HZ, rng), 1, (0.0, length_s), n, rng)
    wave = wave / np.sqrt(np.mean(np.square(wave)))
    wave = np.clip(wave, -_LIMIT, _LIMIT)
    return np.asarray(wave * 10 ** (rng.normal(0.0, 2.0) / 20))


def _crackles(hz: float, spans: Spans, n: int, rng: np.random.Generator) -> Floats:
    inspired, expired = spans
    count = int(rng.integers(4, 14))
    late = (inspired[0] + rng.uniform(0.0, 0.5) * (inspired[1] - inspired[0]), inspired[1])
    span = late if rng.uniform() < 0.75 else expired
    return np.asarray(10 ** (rng.normal(18.0, 3.0) / 20) * bursts(hz, count, span, n, rng))


def _wheezes(hz: float, spans: Spans, n: int, rng: np.random.Generator) -> Floats:
    inspired, expired = spans
    span = expired if rng.uniform() < 0.75 else inspired
    drawn = hz * float(np.exp(rng.normal(0.0, 0.08)))
    wave = tones(drawn, rng.uniform() < _POLYPHONIC, span, n, rng)
    return np.asarray(10 ** (rng.normal(9.0, 3.0) / 20) * wave)


def _breath(chest: Chest, n: int, rng: np.random.Generator) -> Floats:
    """Filtered noise that swells and fades twice, float64 (n,), root mean square about 1."""
    padded = fft.next_fast_len(n, real=True)
    hz = fft.rfftfreq(padded, 1 / RATE)
    turn = round(chest.inspiration * n)
    wave = np.zeros(n)
    # expiration is duller, and fades sooner
    for first, size, duller, gain_db in (
        (0, turn, 1.0, rng.normal(0.0, 1.0)),
        (turn, round(rng.uniform(0.7, 1.0) * (n - turn)), 0.8, chest.expiration_db),
    ):
        shape = np.power(1 + np.power(hz / (duller * chest.peak_hz), 2), -chest.slope / 2)
        noise = fft.irfft(fft.rfft(rng.normal(size=padded)) * shape, padded)[:n]
        swell = np.power(np.sin(np.pi * np.arange(size) / size), rng.uniform(0.7, 1.3))
        part = noise[first : first + size] / np.std(noise)
        wave[first : first + size] = 10 ** (gain_db / 20) * swell * part
    return np.asarray(wave / np.sqrt(np.mean(np.square(wave))))


def _log_uniform(span: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(span))))
