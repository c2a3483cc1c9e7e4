"""What the demo corpus of breath sounds lets one hear: crackles, wheezes, hearts, devices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from bodysounds.corpora._respiratory_breath import draw_chest, draw_cycle
from bodysounds.corpora._respiratory_device import DEVICES, record
from bodysounds.corpora._respiratory_patients import LABELS
from bodysounds.corpora._respiratory_sounds import RATE, burst, heart, tones


def peak_hz(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave, 4 * RATE))
    return float(power.argmax() / 4)


def test_crackles_are_short_and_wheezes_are_not() -> None:
    for hz, longest_ms in ((200.0, 30), (550.0, 12)):
        for seed in range(10):
            one = burst(hz, np.random.default_rng(seed))
            assert one.size < longest_ms * RATE / 1_000
            assert 0.4 < np.abs(one).max() < 1.6
            assert abs(np.log(peak_hz(one) / hz)) < 0.6
    for seed in range(40):
        rng = np.random.default_rng(seed)
        wave = tones(300.0, bool(seed % 2), (0.5, 1.1), 6_000, rng)
        sounding = np.flatnonzero(wave)
        assert np.ptp(sounding) > 0.1 * RATE, "a wheeze lasts for more than 100 ms"
        assert sounding[0] >= 0.5 * RATE
        assert np.isfinite(wave).all()
        assert 240 < peak_hz(wave) < 1.75 * 360
    # cycles too short for either hold what fits
    short = tones(300.0, True, (0.25, 0.3), 1_600, np.random.default_rng(0))
    assert short.size == 1_600


def test_hearts_beat_at_their_rate() -> None:
    for bpm in (70.0, 120.0):
        wave = heart(bpm, 60 * RATE, np.random.default_rng(0))
        envelope = np.abs(wave).reshape(-1, 200).max(axis=1)
        thumps, _ = signal.find_peaks(envelope, height=0.2)
        assert thumps.size / (2 * bpm) == pytest.approx(1.0, abs=0.06), "two a beat"


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("length_ms", [400, 1_501, 8_000])
def test_every_cycle_is_finite_and_as_long_as_asked(label: str, length_ms: int) -> None:
    levels = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        wave = draw_cycle(draw_chest("FM"[seed % 2], seed % 3 == 0, rng), label, length_ms, rng)
        assert wave.shape == (4 * length_ms,)
        assert np.isfinite(wave).all()
        levels.append(20 * np.log10(np.std(wave)))
    assert abs(np.mean(levels)) < 1.5
    assert np.std(levels) < 3


def test_what_is_planted_goes_with_sex_and_age() -> None:
    chests = {
        (sex, child): [draw_chest(sex, child, np.random.default_rng(k)) for k in range(50)]
        for sex in "FM"
        for child in (False, True)
    }
    for (sex, child), some in chests.items():
        # one's disease sounds as the other's health
        assert all((one.crackle_hz > one.click_hz) == (sex == "F") for one in some)
        assert all((one.wheeze_hz > one.hum_hz) == child for one in some)
        # and the group is heard in the breath itself, though not in each
        beats = np.median([one.bpm for one in some])
        assert (beats > 95) == child
    for child in (False, True):
        women, men = (np.array([c.peak_hz for c in chests[sex, child]]) for sex in "FM")
        assert (women[:, None] > men).mean() > 0.7


def test_devices_differ_and_keep_what_matters() -> None:
    rng = np.random.default_rng(0)
    breath = rng.normal(size=8_000)
    low = {}
    for name, device in DEVICES.items():
        for rate in device.rates:
            wave = record(breath, device, rate, 0.0, np.random.default_rng(1))
            assert wave.size == 2 * rate
            assert np.abs(wave).max() <= 1
            hz, power = signal.welch(wave, rate, nperseg=rate // 10)
            low[name] = power[hz <= 300].sum() / power[(hz > 300) & (hz < 2_000)].sum()
            if rate > 4_000:
                assert power[hz > 2_200].max() < 1e-4 * power.max(), "no image above the band"
    assert low["LittC2SE"] > 4 * low["Meditron"]
