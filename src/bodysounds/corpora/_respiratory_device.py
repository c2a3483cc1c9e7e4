"""The four devices of ICBHI 2017: what they do to a sound, and how their files are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy import fft

from bodysounds.corpora._respiratory_sounds import RATE
from bodysounds.types import Floats

KNOTS_HZ = np.array([40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2000.0])
_HISS_DBFS = -84.0


@dataclass(frozen=True)
class Device:
    """A stethoscope or microphone."""

    response_db: tuple[float, ...]
    """At the frequencies of KNOTS_HZ."""
    level_dbfs: float
    rates: tuple[int, ...]
    """Sampling rates of its files, drawn by recording."""
    subtype: str
    mode: str
    """`sc` one place after another, `mc` several at once."""
    visit: str
    """First part of the recording index."""


DEVICES: Mapping[str, Device] = {
    "AKGC417L": Device((2, 3, 0, -2, -5, -9, -14), -26.0, (44_100,), "PCM_24", "mc", "1"),
    "LittC2SE": Device((5, 6, 2, -5, -14, -22, -30), -30.0, (44_100,), "PCM_24", "mc", "2"),
    "Litt3200": Device((-8, -1, 2, 1, -3, -14, -34), -22.0, (4_000,), "PCM_16", "sc", "1"),
    "Meditron": Device(
        (0, 1, 1, 0, -3, -8, -18), -28.0, (4_000, 10_000, 44_100), "PCM_16", "sc", "1"
    ),
}


def record(
    breath: Floats, device: Device, rate: int, spread_db: float, rng: np.random.Generator
) -> Floats:
    """Record breath at 4 kHz with a device, float32 (n * rate / 4000,) in [-1, 1] at its rate.

    Rumble is added before the device, hiss behind it; every recording is held a little
    differently, which changes response and level (spread_db).
    """
    n = breath.size
    padded = 40 * fft.next_fast_len(-(-n // 40), real=True)
    hz = fft.rfftfreq(padded, 1 / RATE)
    rumble = rng.normal(size=padded)
    spectrum = fft.rfft(rumble) / np.maximum(hz, 20.0)
    rumble = fft.irfft(spectrum, padded)
    rumble *= 10 ** (rng.uniform(-22.0, -6.0) / 20) / np.std(rumble)
    rumble[:n] += breath
    held_db = np.array(device.response_db) + rng.normal(0.0, spread_db, KNOTS_HZ.size)
    spectrum = fft.rfft(rumble) * _gain(hz, held_db)
    longer = padded * rate // RATE
    wave = fft.irfft(spectrum.astype(np.complex64), longer)[: n * rate // RATE]
    wave *= 10 ** ((device.level_dbfs + rng.normal(0.0, 4.0)) / 20) / np.std(wave)
    wave += 10 ** (_HISS_DBFS / 20) * rng.standard_normal(wave.size, dtype=np.float32)
    return np.asarray(np.clip(wave, -1.0, 1.0))


def write(path: Path, wave: Floats, rate: int, subtype: str) -> None:
    """Write a WAV file, mono, of 16 or 24 bit."""
    # 24 bit are the upper ones of 32
    scale, kind = (2**31 - 2**8, np.int32) if subtype == "PCM_24" else (2**15 - 1, np.int16)
    soundfile.write(path, np.round(scale * np.float64(wave)).astype(kind), rate, subtype=subtype)


def _gain(hz: Floats, response_db: Floats) -> Floats:
    octave = np.log2(np.maximum(hz, 10.0))
    return np.asarray(10 ** (np.interp(octave, np.log2(KNOTS_HZ), response_db) / 20))
