"""The demo corpora of speakers: layouts, seed, voices and controls."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from made import hashes

from bodysounds.corpora._cry_synthesis import SAMPLE_RATE
from bodysounds.corpora._speaker_speech import draw_course, utterance
from bodysounds.corpora._speaker_voice import draw_speaker, of_the_day
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.demo_speakers import SpeakersParams, draw_people, speak
from bodysounds.corpora.demo_voxceleb import synthesise_voxceleb
from bodysounds.corpora.demo_zalo import ZaloParams, synthesise_zalo
from bodysounds.corpora.demos import make_demo
from bodysounds.corpora.ingest import ingest
from bodysounds.corpora.registry import list_recordings
from bodysounds.params import IngestParams

SMALL = ZaloParams(
    seed=5, n_train=5, n_test=4, videos=[2, 3], utterances=[1, 2], n_duplicates=2
)  # fmt: skip
VOX = SpeakersParams(seed=5, n_train=4, videos=[2, 3], utterances=[2, 2])


@pytest.fixture(scope="module")
def zalo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "zalo"
    synthesise_zalo(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def voxceleb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "voxceleb"
    synthesise_voxceleb(folder, VOX)
    return folder


def sounds(folder: Path) -> set[str]:
    return {digest for name, digest in hashes(folder).items() if name.endswith(".wav")}


@pytest.mark.parametrize(("layout", "make"), [("zalo", synthesise_zalo), ("voxceleb", None)])
def test_the_seed_makes_the_bytes(
    layout: str, make: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made = request.getfixturevalue(layout)
    make, params = (make, SMALL) if make else (synthesise_voxceleb, VOX)
    make(tmp_path / "again", params)
    assert hashes(tmp_path / "again") == hashes(made)
    make(tmp_path / "other", replace(params, seed=6))
    assert not sounds(tmp_path / "other") & sounds(made)


def test_the_zalo_layout(zalo: Path) -> None:
    train = sorted(path for path in zalo.iterdir() if path.is_dir() and path.name != "public-test")
    assert len(train) == 5
    ids = set()
    for speaker in train:
        name, sex, age = speaker.name.split("-")
        ids.add(name)
        assert name.isdigit()
        assert sex in ("F", "M")
        assert 18 <= int(age) <= 80
        videos = sorted(path.name for path in speaker.iterdir())
        assert videos == [f"video_{k + 1}" for k in range(len(videos))]
        assert 2 <= len(videos) <= 3
    assert len(ids) == 5
    known = pd.read_csv(zalo / "public-test-speakers.csv", dtype=str)
    assert list(known.columns) == ["audio", "speaker", "session", "sex"]
    assert set(known["audio"]) == {path.name for path in (zalo / "public-test").iterdir()}
    assert known["audio"].str.fullmatch(r"[0-9a-f]{32}\.wav").all()
    assert known["speaker"].nunique() == 4
    assert not ids & set(known["speaker"])
    assert (known.groupby("speaker")["sex"].nunique() == 1).all()
    for path in zalo.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert 0.79 < info.duration < 6.01


def test_half_of_the_pairs_match_and_every_match_is_there(zalo: Path) -> None:
    pairs = pd.read_csv(zalo / "public-test.csv", dtype=str)
    sample = pd.read_csv(zalo / "Sample_submission.csv", dtype=str)
    assert list(pairs.columns) == ["audio_1", "audio_2"]
    assert list(sample.columns) == ["audio_1", "audio_2", "label"]
    assert sample[["audio_1", "audio_2"]].equals(pairs)
    known = pd.read_csv(zalo / "public-test-speakers.csv", dtype=str).set_index("audio")
    speaker = known["speaker"]
    listed = {frozenset(pair) for pair in pairs.itertuples(index=False)}
    assert len(listed) == len(pairs)
    matches = {
        frozenset(pair)
        for of_one in known.groupby("speaker").groups.values()
        for pair in combinations(of_one, 2)
    }
    assert {pair for pair in listed if len(set(speaker[list(pair)])) == 1} == matches
    assert len(listed) == 2 * len(matches)
    # the sample's labels tell nothing
    target = (speaker[pairs["audio_1"]].to_numpy() == speaker[pairs["audio_2"]].to_numpy()) * 1
    agreement = (sample["label"].astype(int) == target).mean()
    assert 0.1 < agreement < 0.9


def test_duplicates_are_planted_within_train_speakers(zalo: Path) -> None:
    seen: dict[str, list[Path]] = {}
    for name, digest in hashes(zalo).items():
        seen.setdefault(digest, []).append(Path(name))
    copies = [paths for paths in seen.values() if len(paths) > 1]
    assert len(copies) == 2
    for first, second in copies:
        assert first.parts[0] == second.parts[0] != "public-test"
    assert len({paths[0].parts[0] for paths in copies}) == 2


def test_the_reader_knows_the_zalo_demo(zalo: Path) -> None:
    listing = list_recordings(Corpus(zalo, "zalo", "demo"))
    table = listing.recordings
    hints = table["subset_hint"]
    assert set(hints[hints.notna()]) == {"test"}
    assert table["subject_id"].notna().all()
    assert table["session_id"].notna().all()
    sexes = table.groupby("subject_id")["sex"].nunique()
    assert len(sexes) == 9
    assert (sexes == 1).all()
    trials = listing.listed_trials
    assert Counter(trials["target"].tolist()) == {0: len(trials) // 2, 1: len(trials) // 2}
    corpus = Corpus(zalo, "zalo", "demo")
    dropped = ingest(corpus, IngestParams(duplicates="drop", max_rejected_share=0.5))
    assert len(dropped.rejected) == 2
    assert len(dropped.manifest) == len(table) - 2


def test_the_voxceleb_layout(voxceleb: Path) -> None:
    meta = pd.read_csv(voxceleb / "vox1_meta.csv", sep="\t", dtype=str)
    assert list(meta.columns) == [
        "VoxCeleb1 ID", "VGGFace1 ID", "Gender", "Nationality", "Set",
    ]  # fmt: skip
    assert set(meta["Gender"]) <= {"f", "m"}
    speakers = sorted(path.name for path in (voxceleb / "wav").iterdir())
    assert speakers == sorted(meta["VoxCeleb1 ID"]) == [f"id{10001 + k}" for k in range(4)]
    for speaker in (voxceleb / "wav").iterdir():
        videos = list(speaker.iterdir())
        assert 2 <= len(videos) <= 3
        for video in videos:
            assert len(video.name) == 11
            names = sorted(path.name for path in video.iterdir())
            assert names == ["00001.wav", "00002.wav"]


def test_the_reader_knows_the_voxceleb_demo(voxceleb: Path) -> None:
    listing = list_recordings(Corpus(voxceleb, "voxceleb", "demo", {"identification": True}))
    table = listing.recordings
    assert table["subject_id"].nunique() == 4
    assert table["session_id"].notna().all()
    meta = pd.read_csv(voxceleb / "vox1_meta.csv", sep="\t", dtype=str)
    told = dict(zip(meta["VoxCeleb1 ID"], meta["Gender"], strict=True))
    assert dict(table[["subject_id", "sex"]].drop_duplicates().to_numpy().tolist()) == told


def test_a_task_chooses_its_demo(tmp_path: Path, zalo: Path) -> None:
    fields = {
        "seed": 5, "n_train": 5, "n_test": 4, "videos": [2, 3], "utterances": [1, 2],
        "n_duplicates": 2,
    }  # fmt: skip
    copy = tmp_path / "copy"
    shutil.copytree(zalo, copy)
    before = hashes(copy)
    corpus = make_demo("speaker_verification", copy, {"speaker_verification": fields})
    assert corpus.synthetic
    assert corpus.reader == "zalo"
    assert hashes(copy) == before, "made again although it was there"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_train": 0}, "demo.n_train must be a whole number from 1, got 0"),
        ({"n_test": 1}, "demo.n_test must be a whole number from 2, got 1"),
        ({"n_duplicates": -1}, "demo.n_duplicates must be a whole number from 0, got -1"),
        ({"videos": [3, 2]}, r"demo.videos must be .* got \[3, 2\]"),
        ({"utterances": 3}, "demo.utterances must be .* got 3"),
        ({"shared_identity": "no"}, "demo.shared_identity must be true or false, got 'no'"),
    ],
)
def test_each_wrong_parameter_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ZaloParams(**wrong)


def median_f0(wave: np.ndarray) -> float:
    """Median fundamental of the loud 48 ms frames (Hz), by autocorrelation below 1 kHz."""
    spectrum = np.fft.rfft(wave)
    spectrum[int(1000 * wave.size / SAMPLE_RATE) :] = 0
    low = np.fft.irfft(spectrum, wave.size)
    frames = np.lib.stride_tricks.sliding_window_view(low, 768)[::256]
    energy = np.square(frames).sum(1)
    loud = frames[energy > np.percentile(energy, 60)]
    power = np.square(np.abs(np.fft.rfft(loud, 1536)))
    correlation = np.fft.irfft(power)[:, 40:240] / np.arange(768 - 40, 768 - 240, -1)
    return float(np.median(SAMPLE_RATE / (40 + correlation.argmax(1))))


def test_the_fundamental_is_an_adults_and_the_speakers_own() -> None:
    measured, true = [], []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        speaker = replace(draw_speaker("FM"[seed % 2], 40, rng), declination=0.05, f0_spread=0.05)
        measured.append(median_f0(utterance(speaker, 3.0, rng)))
        true.append(speaker.f0_hz)
    ratio = np.array(measured) / np.array(true)
    assert np.median(np.abs(np.log(ratio))) < 0.06
    women, men = np.array(true)[::2], np.array(true)[1::2]
    assert np.median(women) > 1.4 * np.median(men)
    assert 70 < min(true) < max(true) < 330


def test_an_utterance_has_pauses_vowels_and_hiss() -> None:
    rng = np.random.default_rng(0)
    speaker = draw_speaker("F", 30, rng)
    course = draw_course(speaker, 6.0, rng)
    assert (course.voice < 0.01).mean() > 0.1
    assert (course.voice > 0.3).mean() > 0.3
    assert course.hiss.max() > 0.1
    # formants stay in order and below the Nyquist frequency
    assert (np.diff(course.formants_hz, axis=0) > 0).all()
    assert course.formants_hz.max() < SAMPLE_RATE / 2
    for seconds in (0.8, 6.0):
        wave = utterance(speaker, seconds, rng)
        assert wave.size == pytest.approx(seconds * SAMPLE_RATE, abs=64)
        assert np.mean(np.square(wave)) == pytest.approx(1.0)


def test_a_day_moves_a_voice_less_than_another_speaker_does() -> None:
    speakers = [draw_speaker("F", 40, np.random.default_rng(k)) for k in range(60)]
    days = [of_the_day(one, np.random.default_rng(100 + k)) for k, one in enumerate(speakers)]
    own = np.log([day.formant_scale / one.formant_scale for day, one in zip(days, speakers)])  # noqa: B905
    between = np.log([one.formant_scale for one in speakers]).std(0)
    assert (own.std(0) < 0.3 * between).all()


def eer_across_videos(params: SpeakersParams, n: int) -> float:
    """Rate of errors, of both kinds, by the fundamental alone, between first and second videos."""
    spoken = [speak(person, params)[:2] for person in draw_people(n, params)]
    f0 = np.log([[median_f0(np.concatenate(waves)) for waves in videos] for videos in spoken])
    distance = np.abs(f0[:, None, 0] - f0[None, :, 1])
    same = np.eye(n, dtype=bool)
    thresholds = np.unique(distance)
    missed = (distance[same][None] > thresholds[:, None]).mean(1)
    accepted = (distance[~same][None] <= thresholds[:, None]).mean(1)
    nearest = np.argmin(np.abs(missed - accepted))
    return float(missed[nearest] + accepted[nearest]) / 2


def test_identity_lives_in_the_voice_and_nowhere_else() -> None:
    params = SpeakersParams(seed=1, videos=[2, 2], utterances=[2, 2])
    assert eer_across_videos(params, 32) < 0.3
    assert 0.36 < eer_across_videos(replace(params, shared_identity=True), 32) < 0.64


def levels(person: Any, params: SpeakersParams) -> list[float]:
    return [
        float(10 * np.log10(np.mean(np.square(np.concatenate(waves)))))
        for waves in speak(person, params)
    ]


def test_a_constant_channel_is_a_speakers_own() -> None:
    params = SpeakersParams(seed=2, videos=[2, 2], utterances=[1, 1])
    people = draw_people(6, params)
    drawn = np.array([levels(person, params) for person in people])
    kept = np.array([levels(person, replace(params, constant_channel=True)) for person in people])
    assert np.abs(drawn[:, 0] - drawn[:, 1]).max() > 4
    np.testing.assert_allclose(kept[:, 0], kept[:, 1], atol=0.5)
    assert np.ptp(kept[:, 0]) > 4
