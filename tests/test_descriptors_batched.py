"""Descriptors of many waveforms at once are those of each alone, in blocks of any size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import plain_descriptors
import pytest

from bodysounds.audio import frame_facts
from bodysounds.audio.descriptors import columns, describe, describe_waveform, describe_waveforms
from bodysounds.audio.packed import open_packed, to_int16, write_packed
from bodysounds.audio.read import read_audio
from bodysounds.params import FeaturizeParams

SILENT_STEP = 1e-5
"""Coefficient 0 of silence is -87, where float32 has steps of 8e-6."""


def sounds(rate: int) -> list[np.ndarray]:
    """Silence, then tones, noise and clipping, from one sample to three seconds."""
    rng = np.random.default_rng(rate)
    made = [np.zeros(1), np.ones(1), np.zeros(rate // 5), np.full(rate // 3, 0.3)]
    for n in rng.integers(2, 3 * rate, 24):
        t = np.arange(n) / rate
        tone = rng.uniform(0.01, 1.5) * np.sin(2 * np.pi * rng.uniform(60, 1500) * t)
        made.append(np.clip(tone * (t % 0.7 > 0.2) + rng.normal(0, 10 ** rng.uniform(-5, -1), n),
                            -1, 32767 / 32768))  # fmt: skip
    return [(to_int16(wave) / 32768).astype("f4") for wave in made]


def plain(waves: list[np.ndarray], rate: int, n_mfcc: int) -> np.ndarray:
    return np.array(
        [list(plain_descriptors.describe_waveform(wave, rate, n_mfcc).values()) for wave in waves]
    )


@pytest.mark.parametrize("rate", [4_000, 8_000, 16_000, 44_100])
def test_a_batch_is_each_by_itself(rate: int) -> None:
    waves = sounds(rate)
    found, expected = describe_waveforms(waves, rate, 20), plain(waves, rate, 20)
    assert found[:, :8] == pytest.approx(expected[:, :8], rel=1e-6, abs=1e-6)
    assert found[4:] == pytest.approx(expected[4:], rel=1e-6, abs=3e-6)  # float32's own
    assert found == pytest.approx(expected, rel=1e-6, abs=SILENT_STEP)
    turned = describe_waveforms(waves[::-1], rate, 20)[::-1]
    assert found == pytest.approx(turned, rel=1e-6, abs=SILENT_STEP)


@pytest.mark.parametrize("block_bytes", [1, 5_000, 10**8])
def test_the_size_of_a_block_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(frame_facts, "BLOCK_BYTES", block_bytes)
    waves = sounds(8_000)
    found = describe_waveforms(waves, 8_000, 5)
    assert found == pytest.approx(plain(waves, 8_000, 5), rel=1e-6, abs=SILENT_STEP)


def test_names_are_those_of_the_numbers() -> None:
    wave = sounds(8_000)[5]
    row, oracle = describe_waveform(wave, 8_000, 3), plain_descriptors
    assert list(row) == columns(3) == list(oracle.describe_waveform(wave, 8_000, 3))


def test_a_long_waveform_takes_no_memory_for_its_frames() -> None:
    """Ten minutes at 8 kHz are 60,000 frames of 200 samples, 48 MB; as spectra 97 MB."""
    wave = np.random.default_rng(0).normal(0, 0.1, 600 * 8_000).astype("f4")
    describe_waveform(wave[:8_000], 8_000, 2)
    tracemalloc.start()
    describe_waveform(wave, 8_000, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * wave.nbytes  # the waveform less its mean, and its squares


def test_long_segments_are_not_described_together(tmp_path: Path) -> None:
    """24 segments of 50 s at 8 kHz are 38 MB as float32; a thread holds two of them at most."""
    rng = np.random.default_rng(0)
    noise = to_int16(rng.normal(0, 0.1, 50 * 8_000))
    write_packed(tmp_path / "p", ((f"s{i}", noise) for i in range(24)), 8_000)
    packed = open_packed(tmp_path / "p")
    tracemalloc.start()
    describe(packed, FeaturizeParams(workers=1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 4 * len(noise)


@pytest.mark.data
def test_real_recordings_have_the_same_numbers(data_dir: Path, tmp_path: Path) -> None:
    files = sorted((data_dir / "infant_cries").rglob("*.flac"))[:40]
    pieces = [(file.name, to_int16(read_audio(file))) for file in files]
    write_packed(tmp_path / "p", pieces, 16_000)
    packed = open_packed(tmp_path / "p")
    assert len(packed) == 40
    found = describe(packed, FeaturizeParams()).iloc[:, 1:].to_numpy()
    waves = [packed.waveform(name) for name in packed.index["segment_id"]]
    assert found == pytest.approx(plain(waves, 16_000, 20), rel=1e-6, abs=1e-6)
