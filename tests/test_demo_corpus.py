"""The demo corpus: the layout it promises, its seed, its controls, and what it refuses."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from made import hashes

from bodysounds.corpora import _demo_folder, demo
from bodysounds.corpora._cry_channel import draw_channel, record
from bodysounds.corpora._cry_synthesis import (
    HYPERPHONATION_HZ,
    SAMPLE_RATE,
    draw_course,
    expiration,
    tract_gain,
)
from bodysounds.corpora._cry_voice import Voice, draw_voice, grown
from bodysounds.corpora.demo import DemoParams, synthesise

SMALL = DemoParams(seed=3, n_train=4, n_train_one_period=3, n_dev=2, n_test=3, segments=[1, 2])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "corpus"
    synthesise(folder, SMALL)
    return folder


def metadata(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metadata.csv", dtype={"baby_id": str, "chronological_index": str})


def test_the_same_parameters_make_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    synthesise(tmp_path / "again", SMALL)
    assert hashes(tmp_path / "again") == hashes(corpus)
    synthesise(tmp_path / "other", replace(SMALL, seed=4))
    sounds = {h for name, h in hashes(tmp_path / "other").items() if name.endswith(".wav")}
    assert not sounds & set(hashes(corpus).values())


def test_metadata_describes_every_file_and_only_those(corpus: Path) -> None:
    table = metadata(corpus)
    assert list(table.columns) == [
        "baby_id",
        "period",
        "duration",
        "split",
        "chronological_index",
        "file_name",
        "file_id",
    ]
    on_disk = {path.relative_to(corpus).as_posix() for path in corpus.rglob("*.wav")}
    assert set(table["file_name"]) == on_disk
    assert table["file_id"].is_unique
    assert table["baby_id"].str.fullmatch(r"\d{4}").all()
    assert table["baby_id"].str.startswith("0").any(), "no id would show a lost leading zero"
    for row in table.itertuples():
        info = soundfile.info(corpus / row.file_name)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert info.frames / 16_000 == pytest.approx(row.duration)
        assert 0.3 <= row.duration <= 2.5


def test_splits_periods_and_segments_have_the_counts_asked_for(corpus: Path) -> None:
    table = metadata(corpus)
    assert (table.groupby("baby_id")["split"].nunique() == 1).all()
    assert table.groupby("split")["baby_id"].nunique().to_dict() == {
        "train": 7,
        "dev": 2,
        "test": 3,
    }
    periods = table.groupby(["split", "baby_id"])["period"].agg(lambda p: "".join(sorted(set(p))))
    assert set(periods["dev"]) == set(periods["test"]) == {"BD"}
    assert periods["train"].value_counts().to_dict() == {"BD": 4, "B": 2, "D": 1}
    sides = table.groupby(["baby_id", "period"])
    assert sides.size().between(1, 2).all()
    for _, side in sides:
        assert list(side["chronological_index"]) == [f"{i:03d}" for i in range(len(side))]


@pytest.mark.parametrize(("split", "n"), [("dev", 2), ("test", 3)])
def test_all_pairs_of_a_split_with_one_target_a_baby(corpus: Path, split: str, n: int) -> None:
    table = metadata(corpus)
    babies = set(table.loc[table["split"] == split, "baby_id"])
    pairs = pd.read_csv(corpus / f"{split}_pairs.csv", dtype=str)
    assert list(pairs.columns) == ["baby_id_B", "baby_id_D", "id", "label"]
    assert len(pairs) == n * n
    assert pairs["id"].is_unique
    assert set(pairs["baby_id_B"]) == set(pairs["baby_id_D"]) == babies
    targets = pairs[pairs["label"] == "1"]
    assert len(targets) == n
    assert (targets["baby_id_B"] == targets["baby_id_D"]).all()
    if split == "test":
        sample = pd.read_csv(corpus / "sample_submission.csv", dtype={"id": str})
        assert list(sample.columns) == ["id", "score"]
        assert list(sample["id"]) == list(pairs["id"])


def test_a_finished_corpus_is_left_alone(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("synthesised again")

    monkeypatch.setattr(demo, "_write_corpus", refuse)
    before = hashes(corpus)
    synthesise(corpus, SMALL)
    assert hashes(corpus) == before
    assert json.loads((corpus / "demo.json").read_text())["params"] == asdict(SMALL)


def test_a_killed_synthesis_does_not_count(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(root: Path, params: DemoParams) -> None:
        (root / "audio").mkdir(parents=True)
        raise KeyboardInterrupt

    folder = tmp_path / "corpus"
    with monkeypatch.context() as patch:
        patch.setattr(demo, "_write_corpus", killed)
        # a killed process clears nothing away
        patch.setattr(_demo_folder.shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            synthesise(folder, SMALL)
    (leftover,) = tmp_path.iterdir()
    assert leftover != folder
    os.utime(leftover, (0, 0))
    synthesise(folder, SMALL)
    assert list(tmp_path.iterdir()) == [folder], "the leftover is still there"
    assert hashes(folder) == hashes(corpus)


def test_changed_parameters_replace_the_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    synthesise(folder, SMALL)
    before = hashes(folder)
    synthesise(folder, replace(SMALL, n_test=2))
    assert metadata(folder).query("split == 'test'")["baby_id"].nunique() == 2
    synthesise(folder, SMALL)
    assert hashes(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_is_no_demo_corpus_is_never_overwritten(tmp_path: Path) -> None:
    precious = tmp_path / "metadata.csv"
    precious.write_text("mine")
    with pytest.raises(ValueError, match=r"is no demo corpus.*name another folder"):
        synthesise(tmp_path, SMALL)
    assert precious.read_text() == "mine"
    empty = tmp_path / "empty"
    empty.mkdir()
    synthesise(empty, SMALL)
    assert (empty / "metadata.csv").is_file()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "demo.seed must be a whole number from 0, got -1"),
        ({"n_train": 0}, "demo.n_train must be a whole number from 1, got 0"),
        ({"n_train": True}, "demo.n_train must be a whole number from 1, got True"),
        ({"n_train_one_period": -2}, "demo.n_train_one_period must be a whole number from 0"),
        ({"n_dev": 1}, "demo.n_dev must be a whole number from 2, got 1"),
        ({"n_test": 2.5}, r"demo.n_test must be a whole number from 2, got 2\.5"),
        ({"segments": [3]}, r"demo.segments must be .*1 <= fewest <= most <= 999, got \[3\]"),
        ({"segments": [4, 3]}, r"demo.segments must be .* got \[4, 3\]"),
        ({"segments": [0, 3]}, r"demo.segments must be .* got \[0, 3\]"),
        ({"segments": 3}, "demo.segments must be .* got 3"),
        ({"shared_identity": "no"}, "demo.shared_identity must be true or false, got 'no'"),
        ({"constant_channel": 1}, "demo.constant_channel must be true or false, got 1"),
    ],
)
def test_each_wrong_parameter_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DemoParams(**wrong)


def calm(voice: Voice) -> Voice:
    """The voice without jumps and hoarseness, so that an autocorrelation finds its fundamental."""
    return replace(voice, hyperphonation=0.0, breaks=0.0, roughness=0.0, breath_db=-30.0)


def measured_f0(wave: np.ndarray) -> float:
    """Fundamental of the loudest 40 ms (Hz): the shortest lag of nearly full autocorrelation."""
    width = 640
    starts = range(0, wave.size - width, 160)
    start = max(starts, key=lambda s: float(np.sum(np.square(wave[s : s + width]))))
    window = np.hanning(width)
    frame = wave[start : start + width] * window
    correlation = np.correlate(frame, frame, "full")[width - 1 :]
    correlation = correlation[:120] / np.correlate(window, window, "full")[width - 1 :][:120]
    lags = np.arange(SAMPLE_RATE // 1500, SAMPLE_RATE // 150)
    peaks = [
        lag
        for lag in lags
        if correlation[lag] == correlation[lag - 2 : lag + 3].max()
        and correlation[lag] > 0.9 * correlation[lags].max()
    ]
    return SAMPLE_RATE / float(peaks[0])


def test_the_fundamental_is_an_infants_and_the_babys_own() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        voice = calm(draw_voice(rng))
        f0 = measured_f0(expiration(voice, rng))
        assert 250 < f0 < 700, seed
        assert f0 == pytest.approx(voice.f0_hz, rel=0.35), seed


def test_hyperphonation_jumps_to_1_to_2_khz() -> None:
    rng = np.random.default_rng(0)
    course = draw_course(replace(draw_voice(rng), hyperphonation=1.0), rng)
    jumped = course.f0_hz[course.hyperphonation > 0]
    assert jumped.size
    assert jumped.min() > 0.6 * HYPERPHONATION_HZ[0]
    assert jumped.max() < 2500
    assert course.f0_hz[course.hyperphonation == 0].max() < 700


def test_the_tract_resonates_where_its_formants_are() -> None:
    frequency = np.arange(0.0, 8000.0, 10.0)
    gain = tract_gain(frequency, np.array([1100.0, 3300.0]), np.array([100.0, 100.0]))
    assert gain[0] == pytest.approx(1.0)
    inside = np.flatnonzero((gain[1:-1] > gain[:-2]) & (gain[1:-1] > gain[2:])) + 1
    np.testing.assert_allclose(frequency[inside], [1100, 3300], atol=20)


def test_growth_moves_fundamental_and_formants_together() -> None:
    voice = draw_voice(np.random.default_rng(0))
    older = grown(voice, np.random.default_rng(1))
    ratio = older.f0_hz / voice.f0_hz
    assert ratio != pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(older.formants_hz / voice.formants_hz, ratio)
    assert older.vibrato_hz == voice.vibrato_hz


def test_a_channel_sets_level_and_background() -> None:
    rng = np.random.default_rng(0)
    channel = replace(draw_channel(rng), level_dbfs=-30.0, noise_db=-20.0)
    waves = [np.sin(np.arange(n) / 3) * (np.arange(n) < n // 2) for n in (8000, 16000)]
    waves = record(waves, channel, rng)
    assert [wave.size for wave in waves] == [8000, 16000]
    power = np.mean(np.square(np.concatenate(waves)))
    assert 10 * np.log10(power) == pytest.approx(-30.0, abs=0.01)
    background = np.mean(np.square(waves[1][-1000:]))
    assert 10 * np.log10(background / power) == pytest.approx(-20.0, abs=3.0)


def equal_error_rate(similarity: np.ndarray) -> float:
    """Rate at which as many (i, i) are missed as (i, j) accepted; for square matrices."""
    same = np.eye(len(similarity), dtype=bool)
    target, other = similarity[same], similarity[~same]
    thresholds = np.unique(similarity)
    missed = (target[None, :] < thresholds[:, None]).mean(1)
    accepted = (other[None, :] >= thresholds[:, None]).mean(1)
    nearest = np.argmin(np.abs(missed - accepted))
    return float(missed[nearest] + accepted[nearest]) / 2


def side_features(folder: Path) -> dict[str, np.ndarray]:
    """Per period a row a baby: noise floor (dB), spread of the spectrum over time in bands (dB)."""
    rows: dict[str, list[np.ndarray]] = {"B": [], "D": []}
    for (_, period), side in (
        metadata(folder).query("split == 'test'").groupby(["baby_id", "period"])
    ):
        wave = np.concatenate([soundfile.read(folder / name)[0] for name in side["file_name"]])
        frames = wave[: wave.size // 400 * 400].reshape(-1, 400) * np.hanning(400)
        spectrum = np.square(np.abs(np.fft.rfft(frames)))
        floor = 10 * np.log10(np.percentile(np.mean(np.square(frames), axis=1), 10) + 1e-12)
        bands = 10 * np.log10(spectrum[:, 5:45].reshape(len(frames), 20, 2).mean(2) + 1e-12)
        rows[str(period)].append(np.concatenate(([floor], bands.std(0), bands.mean(0))))
    return {period: np.stack(some) for period, some in rows.items()}


def eer_of(folder: Path, columns: slice) -> float:
    features = side_features(folder)
    b, d = (features[period][:, columns] for period in "BD")
    return equal_error_rate(-np.linalg.norm(b[:, None] - d[None], axis=2))


CONTROL = DemoParams(n_train=1, n_train_one_period=0, n_dev=2, n_test=40, segments=[2, 3])


def test_a_shared_voice_cannot_be_verified_and_an_own_voice_can(tmp_path: Path) -> None:
    synthesise(tmp_path / "own", CONTROL)
    synthesise(tmp_path / "shared", replace(CONTROL, shared_identity=True))
    spectrum = slice(1, 21)
    assert eer_of(tmp_path / "own", spectrum) < 0.42
    assert 0.40 < eer_of(tmp_path / "shared", spectrum) < 0.60


def test_a_constant_channel_is_a_shortcut_and_a_drawn_one_is_none(tmp_path: Path) -> None:
    synthesise(tmp_path / "drawn", CONTROL)
    synthesise(tmp_path / "constant", replace(CONTROL, constant_channel=True))
    floor = slice(0, 1)
    assert eer_of(tmp_path / "drawn", floor) > 0.40
    assert eer_of(tmp_path / "constant", floor) < 0.35
