"""The demo corpus of cries, screams and everyday sound: layout, seed, controls, no shortcut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from made import hashes
from scipy import signal

from bodysounds.audio.descriptors import describe_waveform
from bodysounds.corpora._cry_synthesis import SAMPLE_RATE
from bodysounds.corpora._scream_recording import SHORTEST_S, balanced, draw_slots
from bodysounds.corpora._scream_scene import EVERYDAY, draw_makers, everyday
from bodysounds.corpora._scream_voice import draw_scream, draw_shout, exclamation, laughter
from bodysounds.corpora._speaker_voice import draw_speaker
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.cry_scream import LABELS
from bodysounds.corpora.demo_cry_scream import (
    CryScreamParams,
    draw_sources,
    recordings_of,
    synthesise_cry_scream,
)
from bodysounds.corpora.demos import make_demo
from bodysounds.corpora.ingest import ingest
from bodysounds.params import IngestParams

SMALL = CryScreamParams(seed=5, n_train=9, recordings=[1, 2])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "cry_scream"
    synthesise_cry_scream(folder, SMALL)
    return folder


def sounds(folder: Path) -> dict[str, str]:
    """Digests of the recordings, by file name: the folder says the label."""
    return {Path(n).name: digest for n, digest in hashes(folder).items() if n.endswith(".wav")}


def test_the_seed_makes_the_bytes(made: Path, tmp_path: Path) -> None:
    synthesise_cry_scream(tmp_path / "again", SMALL)
    assert hashes(tmp_path / "again") == hashes(made)
    synthesise_cry_scream(tmp_path / "other", replace(SMALL, seed=6))
    assert not set(sounds(tmp_path / "other").values()) & set(sounds(made).values())


def test_the_layout(made: Path) -> None:
    table = pd.read_csv(made / "data_manifest.csv", dtype=str)
    assert list(table.columns) == ["file_path", "label", "source_id", "corpus"]
    assert set(table["file_path"]) == {
        path.relative_to(made).as_posix() for path in made.rglob("*.wav")
    }
    assert (table["file_path"].str.split("/").str[0] == table["label"]).all()
    assert set(table["label"]) == set(LABELS)
    assert (table.groupby("source_id")["label"].nunique() == 1).all()
    assert table["source_id"].nunique() == 9
    assert set(table["source_id"].value_counts()) == {1, 2}
    for path in made.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert SHORTEST_S - 0.01 < info.duration < 12.01


def test_the_reader_of_manifests_knows_it(made: Path) -> None:
    fields = {"seed": 5, "n_train": 9, "recordings": [1, 2]}
    before = hashes(made)
    corpus = make_demo("cry_scream_ensemble", made, {"cry_scream_ensemble": fields})
    assert hashes(made) == before, "made again although it was there"
    assert corpus == Corpus(made, "manifest", "demo", synthetic=True)
    taken = ingest(corpus, IngestParams())
    assert taken.rejected.empty
    assert len(taken.manifest) == len(sounds(made))
    assert set(taken.manifest["label"]) == set(LABELS)
    assert taken.manifest["subject_id"].nunique() == 9


def test_shuffled_labels_change_the_labels_alone(made: Path, tmp_path: Path) -> None:
    synthesise_cry_scream(tmp_path / "shuffled", replace(SMALL, shuffled_labels=True))
    assert sounds(tmp_path / "shuffled") == sounds(made)
    own, dealt = (
        pd.read_csv(folder / "data_manifest.csv").groupby("source_id")["label"].first()
        for folder in (made, tmp_path / "shuffled")
    )
    assert dealt.value_counts().to_dict() == own.value_counts().to_dict()
    assert (dealt != own).any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_train": 2}, "demo.n_train must be a whole number from 3, got 2"),
        ({"seed": -1}, "demo.seed must be a whole number from 0, got -1"),
        ({"recordings": [3, 2]}, r"demo.recordings must be .* got \[3, 2\]"),
        ({"shuffled_labels": 1}, "demo.shuffled_labels must be true or false, got 1"),
        ({"constant_channel": "no"}, "demo.constant_channel must be true or false, got 'no'"),
    ],
)
def test_each_wrong_parameter_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CryScreamParams(**wrong)


def test_every_number_of_sources_has_every_class() -> None:
    for n in range(3, 40):
        sources = draw_sources(CryScreamParams(n_train=n))
        assert len(sources) == n
        assert {source.label for source in sources} == set(LABELS)


# --- what is heard -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EVERYDAY)
def test_everyday_sounds_are_finite_and_as_long_as_asked(kind: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        make = everyday(kind, rng)
        for length_s in (0.6, 2.2):
            wave = make(length_s, rng)
            assert np.isfinite(wave).all()
            assert np.std(wave) > 0
            # nobody talks for less than 0.8 s
            assert max(length_s, 0.8) + 0.02 > wave.size / SAMPLE_RATE > length_s - 0.02


def test_scenes_go_through_every_kind_of_everyday_sound() -> None:
    turns = [source.turn for source in draw_sources(CryScreamParams()) if source.label == "normal"]
    assert {turn % len(EVERYDAY) for turn in turns} == set(range(len(EVERYDAY)))
    assert len(draw_makers("normal", 0, np.random.default_rng(0))) == 2


def roughness(wave: np.ndarray) -> float:
    """Share of the envelope's power between 30 and 150 Hz, beside what is below."""
    envelope = np.abs(signal.hilbert(wave))[800:-800]
    power = np.square(np.abs(np.fft.rfft(envelope - envelope.mean())))
    frequency = np.fft.rfftfreq(envelope.size, 1 / SAMPLE_RATE)
    # smoothed harmonics beat at the fundamental, above
    return float(power[(frequency > 30) & (frequency < 150)].sum() / power[frequency < 150].sum())


def test_screams_are_rougher_and_higher_than_shouts_of_joy() -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        speaker = draw_speaker("FM"[seed % 2], 35, rng)
        scream, shout = draw_scream(speaker, rng), draw_shout(speaker, rng)
        waves = [exclamation(speaker, manner, 1.5, rng) for manner in (scream, shout)]
        found.append([*map(roughness, waves), np.log(scream.f0_hz / shout.f0_hz)])
        assert all(abs(wave.size / SAMPLE_RATE - 1.5) < 0.01 for wave in waves)
    rough, calm, higher = np.array(found).T
    assert np.median(rough) > 0.6
    assert np.median(rough) > 1.5 * np.median(calm)
    # and no threshold of either tells every pair
    assert 0.6 < (rough > calm).mean() < 1.0
    assert 0.6 < (higher > 0).mean() < 1.0


def test_laughter_comes_in_syllables() -> None:
    rates = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        wave = laughter(draw_speaker("F", 30, rng), 2.0, rng)
        envelope = signal.sosfiltfilt(
            signal.butter(2, 20, fs=SAMPLE_RATE, output="sos"), np.abs(wave)
        )
        power = np.abs(np.fft.rfft(envelope - envelope.mean()))
        frequency = np.fft.rfftfreq(wave.size, 1 / SAMPLE_RATE)
        above = frequency > 2
        rates.append(frequency[above][power[above].argmax()])
    assert 3.3 < np.median(rates) < 6.7


# --- how it is recorded --------------------------------------------------------------------------


def test_sounds_do_not_overlap_and_no_window_is_empty() -> None:
    for seed in range(200):
        length_s = 5.2 + seed / 30
        start, slot_s = draw_slots(length_s, np.random.default_rng(seed)).T
        end = start + slot_s
        assert (start[1:] - end[:-1] > 0.19).all()
        assert end[-1] <= length_s
        assert start[0] <= 0.5
        assert length_s - end[-1] < 1.5
        assert (start[1:] - end[:-1]).max(initial=0.0) < 0.81


def test_the_recorder_takes_brightness_and_peaks_away() -> None:
    def told(wave: np.ndarray) -> tuple[float, float]:
        row = describe_waveform((0.01 * wave).astype(np.float32), SAMPLE_RATE, 20)
        return np.log(row["bandwidth_hz"]), row["peak_dbfs"] - row["level_dbfs"]

    for seed in range(6):
        noise = np.random.default_rng(seed).normal(size=2 * SAMPLE_RATE)
        dark, bright = signal.lfilter([1], [1, -0.9], noise), signal.lfilter([1, -0.9], [1], noise)
        clicks = bright + 30.0 * (np.arange(noise.size) % 4000 == 0)
        assert told(bright)[0] - told(dark)[0] > 0.9
        assert told(clicks)[1] > 25
        waves = [balanced(wave, np.random.default_rng(seed)) for wave in (dark, bright, clicks)]
        assert abs(told(waves[1])[0] - told(waves[0])[0]) < 0.25
        assert max(told(wave)[1] for wave in waves) < 16
        np.testing.assert_allclose(np.mean(np.square(waves), axis=1), 1.0)


# --- neither free nor empty ----------------------------------------------------------------------

AUDIT = CryScreamParams(seed=1, n_train=60, recordings=[1, 1])


def described(params: CryScreamParams) -> pd.DataFrame:
    """Descriptors of each recording, with label and source; 5 s as the windows are."""
    rows = []
    for source in draw_sources(params):
        for wave in recordings_of(source, params):
            told = describe_waveform(wave[: 5 * SAMPLE_RATE].astype(np.float32), SAMPLE_RATE, 20)
            told |= {"duration_s": wave.size / SAMPLE_RATE}
            rows.append({**told, "label": source.label, "source": source.number})
    return pd.DataFrame(rows)


def right(table: pd.DataFrame, columns: list[str], squares: bool) -> tuple[float, float]:
    """Accuracy on unseen sources by logistic regression, and its standard error by source."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = table[columns].to_numpy()
    if squares:
        features = StandardScaler().fit_transform(features)
        features = np.hstack([features, np.square(features)])
    model = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")
    )
    folds = StratifiedGroupKFold(6, shuffle=True, random_state=0)
    said = cross_val_predict(
        model, features, table["label"].to_numpy(), groups=table["source"].to_numpy(), cv=folds
    )
    hits = pd.Series(said == table["label"].to_numpy()).groupby(table["source"].to_numpy()).mean()
    return float(hits.mean()), float(hits.sem())


PROPERTIES = [
    "duration_s", "level_dbfs", "peak_dbfs", "noise_floor_dbfs", "bandwidth_hz", "silence_share",
]  # fmt: skip


@pytest.fixture(scope="module")
def audited() -> pd.DataFrame:
    return described(AUDIT)


def test_recordings_betray_nothing_but_their_sound(audited: pd.DataFrame) -> None:
    chance = 0.36  # classes are weighed alike, and 40% of the sources are normal
    for columns in ([name] for name in PROPERTIES):
        accuracy, error = right(audited, columns, squares=True)
        assert accuracy < chance + 3 * error, (columns, accuracy)
    accuracy, error = right(audited, PROPERTIES, squares=True)
    assert accuracy < chance + 3 * error, accuracy
    assert accuracy < 0.5
    cepstra = [name for name in audited if name.startswith("mfcc")]
    accuracy, error = right(audited, cepstra, squares=False)
    assert accuracy - 3 * error > chance
    assert accuracy < 0.85
    # the same sounds, labels dealt anew
    shuffled = {s.number: s.label for s in draw_sources(replace(AUDIT, shuffled_labels=True))}
    accuracy, error = right(
        audited.assign(label=audited["source"].map(shuffled)), cepstra, squares=False
    )
    assert abs(accuracy - 1 / 3) < 3 * error + 0.05


def test_a_channel_that_goes_with_the_class_is_found() -> None:
    # the three places that this seed draws differ well
    asked = replace(AUDIT, seed=0, n_train=30, recordings=[2, 2], constant_channel=True)
    table = described(asked)
    accuracy, error = right(table, PROPERTIES, squares=True)
    assert accuracy - 3 * error > 0.4
