"""Descriptors against sounds whose values are known, and against torchaudio's cepstra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bodysounds.audio.descriptors import describe, describe_waveform
from bodysounds.audio.packed import to_int16, write_packed
from bodysounds.params import FeaturizeParams

RATE = 16_000
FIXED = ["duration_s", "level_dbfs", "peak_dbfs", "clipped_share"]
FIXED += ["noise_floor_dbfs", "bandwidth_hz", "voiced_share", "silence_share"]


def tone(hz: float, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype("f4")


def of(waveform: np.ndarray, rate: int = RATE) -> dict[str, float]:
    return describe_waveform(waveform.astype("f4"), rate, 20)


def test_a_tone_has_the_level_that_it_was_given() -> None:
    row = of(tone(400.0))
    assert row["duration_s"] == 1.0
    assert row["peak_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert row["level_dbfs"] == pytest.approx(-9.03, abs=0.01)
    assert row["noise_floor_dbfs"] == pytest.approx(-9.03, abs=0.1)
    assert row["bandwidth_hz"] == pytest.approx(400, abs=80)
    assert row["voiced_share"] == 1
    assert row["silence_share"] == 0
    assert row["clipped_share"] == 0


@pytest.mark.parametrize("hz", [120.0, 450.0, 1000.0])
def test_harmonic_sound_is_voiced_and_noise_is_not(hz: float) -> None:
    harmonics = sum(tone(k * hz, level=0.3 / k) for k in range(1, 6))
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    assert of(np.asarray(harmonics))["voiced_share"] > 0.95
    assert of(noise)["voiced_share"] < 0.05


def test_silence_noise_floor_and_bandwidth_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    half = np.concatenate([tone(300.0), rng.normal(0, 1e-4, RATE)])
    row = of(half)
    assert row["silence_share"] == pytest.approx(0.5, abs=0.02)
    assert row["voiced_share"] == pytest.approx(0.5, abs=0.03)
    assert row["noise_floor_dbfs"] == pytest.approx(-80, abs=1)
    white = of(rng.normal(0, 0.1, RATE))
    assert white["bandwidth_hz"] == pytest.approx(0.95 * RATE / 2, rel=0.02)


def test_clipping_is_counted(tmp_path: Path) -> None:
    loud = tone(300.0, level=2.0)
    packed = write_packed(tmp_path / "p", [("a", to_int16(loud))], RATE)
    row = describe(packed, FeaturizeParams()).iloc[0]
    assert row["clipped_share"] == pytest.approx(np.mean(np.abs(loud) >= 1), abs=1e-3)
    assert row["peak_dbfs"] == pytest.approx(0, abs=1e-3)


def test_cepstra_are_torchaudios() -> None:
    from torchaudio.transforms import MFCC

    rng = np.random.default_rng(0)
    wave = (tone(400.0) + rng.normal(0, 0.01, RATE)).astype("f4")
    wave -= wave.mean()
    options = {"n_fft": 400, "hop_length": 160, "n_mels": 40, "center": False}
    theirs = MFCC(RATE, 20, log_mels=True, melkwargs=options)(torch.from_numpy(wave)).numpy()
    row = of(wave)
    mean = [row[f"mfcc_mean_{i:02d}"] for i in range(20)]
    std = [row[f"mfcc_std_{i:02d}"] for i in range(20)]
    assert np.allclose(mean, theirs.mean(axis=1), atol=2e-3)
    assert np.allclose(std, theirs.std(axis=1), atol=2e-3)


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(800),
        np.full(800, 0.7),
        np.full(800, -1.0),
        np.zeros(1),
        np.ones(1),
        tone(500.0, 0.05),
        np.sign(tone(500.0, 0.02)),
        np.eye(1, 4000)[0],
    ],
)
@pytest.mark.parametrize("rate", [4_000, 16_000, 44_100])
def test_every_number_is_finite(waveform: np.ndarray, rate: int) -> None:
    row = of(waveform, rate)
    assert np.isfinite(list(row.values())).all()
    for share in ("clipped_share", "voiced_share", "silence_share"):
        assert 0 <= row[share] <= 1


def test_digital_silence_is_silence() -> None:
    row = of(np.zeros(1600))
    assert row["level_dbfs"] == row["peak_dbfs"] == row["noise_floor_dbfs"] == -120
    assert row["silence_share"] == 1
    assert row["voiced_share"] == row["bandwidth_hz"] == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**31), st.floats(-6, 0))
def test_level_of_anything_is_the_root_mean_square(n: int, seed: int, decade: float) -> None:
    wave = np.random.default_rng(seed).uniform(-1, 1, n).astype("f4") * np.float32(10**decade)
    row = of(wave)
    expected = max(-120, 20 * np.log10(max(1e-30, np.sqrt(np.mean(wave.astype(float) ** 2)))))
    assert row["level_dbfs"] == pytest.approx(expected, abs=1e-3)
    assert np.isfinite(list(row.values())).all()


def test_the_table_has_a_row_a_segment_in_order_and_threads_do_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made = [(f"s{i:03d}", to_int16(rng.normal(0, 0.1, 500 + 37 * i))) for i in range(150, 0, -1)]
    packed = write_packed(tmp_path / "p", made, RATE)
    table = describe(packed, FeaturizeParams(n_mfcc=3, workers=4))
    assert table["segment_id"].tolist() == [name for name, _ in made]
    cepstra = [f"mfcc_{what}_{i:02d}" for what in ("mean", "std") for i in range(3)]
    assert list(table.columns) == ["segment_id", *FIXED, *cepstra]
    assert (table.dtypes.iloc[1:] == "float64").all()
    assert table.equals(describe(packed, FeaturizeParams(n_mfcc=3, workers=1)))
