"""RespiratoryClassifier: what it says of recordings, cycles, windows and bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
import torch

import bodysounds
from bodysounds.audio.pack import decode_segments
from bodysounds.audio.packed import write_packed
from bodysounds.audio.read import read_audio
from bodysounds.corpora.base import Corpus
from bodysounds.models.classifier import Classifier, predict, save_classifier
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import build_body, detached
from bodysounds.params import FeaturizeParams
from bodysounds.respiratory import RespiratoryClassifier
from bodysounds.types import Array

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ["both", "crackle", "normal", "wheeze"]
RATE = 4000
CLIP_S = 2.0


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    architecture = {"name": "cnn6", "width": 0.1}
    generator = torch.Generator().manual_seed(0)
    head = {"weight": torch.randn(4, 48, generator=generator), "bias": torch.zeros(4)}
    hears = {"name": "log_mel", "sample_rate": RATE, "n_fft": 256, "hop": 64, "n_mels": 64,
             "f_min": 50.0, "f_max": 1800.0, "clip_s": CLIP_S, "fill": "circular"}  # fmt: skip
    body = build_body(architecture, seed=0)
    return Classifier(Encoder(detached(body), architecture, hears, {}), head, LABELS)


@pytest.fixture
def heard(classifier: Classifier, tmp_path: Path) -> RespiratoryClassifier:
    save_classifier(tmp_path / "model" / "v1" / "it.safetensors", classifier)
    return bodysounds.RespiratoryClassifier.load(tmp_path / "model", device="cpu")


def breath(seconds: float, rate: int = RATE, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    swell = 0.1 + np.sin(2 * np.pi * 0.4 * time) ** 2
    tone = np.sin(2 * np.pi * (200 + 150 * time / seconds) * time)
    wave: Array = (0.2 * swell * tone + 0.02 * rng.normal(size=len(time))).astype(np.float32)
    return wave


def rows(table: pd.DataFrame) -> Array:
    return table[[f"p_{label}" for label in LABELS]].to_numpy()


def test_it_says_what_the_pipeline_says(
    heard: RespiratoryClassifier, classifier: Classifier, tmp_path: Path
) -> None:
    root = tmp_path / "raw"
    root.mkdir()
    rate = 10_000
    stereo = np.stack([breath(7.3, rate), breath(7.3, rate, seed=1)], axis=1)
    soundfile.write(root / "a.wav", stereo, rate, subtype="PCM_24")
    times = [(0.036, 0.579), (0.579, 2.45), (2.45, 6.9), (6.9, 7.3)]
    (tmp_path / "a.txt").write_text("".join(f"{a}\t{b}\t0\t1\n" for a, b in times))
    manifest = pd.DataFrame({"recording_id": ["a"], "path": ["a.wav"]})
    segments = pd.DataFrame(
        [(f"a#{k}", "a", *pair) for k, pair in enumerate(times)],
        columns=["segment_id", "recording_id", "start_s", "end_s"],
    )
    params = FeaturizeParams(sample_rate=RATE)
    decoded = decode_segments(Corpus(root, manifest, segments), manifest, segments, params)
    packed = write_packed(tmp_path / "packed", decoded, RATE)
    expected = np.exp(predict(classifier, packed, [f"a#{k}" for k in range(4)], "cpu"))
    for cycles in (times, np.array(times), tmp_path / "a.txt", str(tmp_path / "a.txt")):
        found = heard.predict(root / "a.wav", cycles)
        np.testing.assert_allclose(rows(found), expected, rtol=0, atol=1e-6)
    assert list(found.columns) == ["start_s", "end_s", "label", *(f"p_{x}" for x in LABELS)]
    assert found[["start_s", "end_s"]].to_numpy().tolist() == [list(pair) for pair in times]
    assert found["label"].tolist() == [LABELS[k] for k in expected.argmax(axis=1)]
    np.testing.assert_allclose(rows(found).sum(axis=1), 1, atol=1e-12)
    # the cycles are told apart at all
    assert np.abs(np.diff(rows(found), axis=0)).max(axis=1).min() > 0.01


def test_a_file_and_an_array_are_one(heard: RespiratoryClassifier, tmp_path: Path) -> None:
    wave = breath(3.0)
    path = tmp_path / "b.flac"
    soundfile.write(path, wave, RATE)
    stored, _ = soundfile.read(path, dtype="int16")
    from_file = heard.predict(path)
    for given in ((stored, RATE), (stored.astype(np.float32) / 32768, RATE)):
        assert np.array_equal(rows(heard.predict(given)), rows(from_file))
    assert np.array_equal(rows(heard.predict(path.read_bytes())), rows(from_file))
    faster = soxr.resample(wave, RATE, 16_000, quality="VHQ")
    np.testing.assert_allclose(rows(heard.predict((faster, 16_000))), rows(from_file), atol=0.02)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.2, [(0, 1.2)]),
        (2.0, [(0, 2)]),
        (2.5, [(0, 2), (0.5, 2.5)]),
        (5.0, [(0, 2), (2, 4), (3, 5)]),
        (6.0, [(0, 2), (2, 4), (4, 6)]),
    ],
)
def test_windows_where_no_cycles_are_known(
    heard: RespiratoryClassifier, seconds: float, expected: list[tuple[float, float]]
) -> None:
    wave = breath(seconds)
    found = heard.predict((wave, RATE))
    assert found[["start_s", "end_s"]].to_numpy().tolist() == [list(pair) for pair in expected]
    again = heard.predict((wave, RATE), expected)
    assert np.array_equal(rows(found), rows(again))
    for number, (start, end) in enumerate(expected):
        alone = heard.predict((wave[round(start * RATE) : round(end * RATE)], RATE))
        np.testing.assert_allclose(rows(alone)[0], rows(found)[number], atol=1e-6)


def test_a_cycle_cut_by_rounding(heard: RespiratoryClassifier) -> None:
    wave = breath(3.0)
    found = heard.predict((wave, RATE), [(1.0, 3.1)])
    assert found["end_s"].tolist() == [3.0]
    assert np.array_equal(rows(found), rows(heard.predict((wave, RATE), [(1.0, 3.0)])))


@pytest.mark.parametrize(
    ("cycles", "message"),
    [
        ([(0, 1), (1.0, 3.2)], r"cycle 1 runs from 1 to 3.2 s and the recording lasts 3.000 s"),
        ([(2.0, 1.0)], "cycle 0 runs from 2 to 1 s and .* a cycle ends after it starts"),
        ([(1.0, 1.0)], "cycle 0 runs from 1 to 1 s"),
        ([(-0.1, 1.0)], "cycle 0 runs from -0.1 to 1 s"),
        ([(float("nan"), 1.0)], "cycle 0 runs from nan to 1 s"),
        ([(0.0, float("inf"))], "cycle 0 runs from 0 to inf s"),
        ([(0.5, 0.52)], "cycle 0 lasts 0.02 s within the recording, and a breath takes at least"),
        ([(2.95, 3.08)], "cycle 0 lasts 0.05 s within the recording"),
        ([], r"pairs of onset and offset in seconds, at least one, got \(0,\)"),
        ([("a", "b")], r"pairs of onset and offset in seconds, such as .* got \[\('a', 'b'\)\]"),
        ([(0, 1, 0, 1)], r"pairs of onset and offset in seconds, at least one, got \(1, 4\)"),
    ],
)
def test_cycles_that_cannot_be(
    heard: RespiratoryClassifier, cycles: list[tuple[float, float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        heard.predict((breath(3.0), RATE), cycles)


def test_recordings_that_cannot_be_heard(heard: RespiratoryClassifier, tmp_path: Path) -> None:
    wave = breath(3.0)
    with pytest.raises(ValueError, match=r"gone\.txt is not there"):
        heard.predict((wave, RATE), tmp_path / "gone.txt")
    (tmp_path / "flags.txt").write_text("0.0\t1.0\t0\t2\n")
    with pytest.raises(ValueError, match=r"flags.txt, line 1: .* must be 0 or 1"):
        heard.predict((wave, RATE), tmp_path / "flags.txt")
    with pytest.raises(ValueError, match=r"gone\.wav is not there"):
        heard.predict(tmp_path / "gone.wav")
    with pytest.raises(ValueError, match="an array needs its sample_rate"):
        heard.predict(wave)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="digital silence"):
        heard.predict((0 * wave, RATE))
    with pytest.raises(ValueError, match="samples are finite"):
        heard.predict((np.where(np.arange(len(wave)) == 7, np.nan, wave), RATE))
    with pytest.raises(ValueError, match=r"cycle 0 lasts 0\.05 s"):
        heard.predict((wave[:200], RATE))


def test_what_is_no_respiratory_classifier(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        RespiratoryClassifier.load(tmp_path / "gone")
    hears = {key: value for key, value in classifier.encoder.front_end.items() if key != "clip_s"}
    encoder = Encoder(classifier.encoder.state, classifier.encoder.architecture, hears)
    with pytest.raises(ValueError, match="does not say the clip_s"):
        RespiratoryClassifier(Classifier(encoder, classifier.head, LABELS))


def test_labels_and_clip(heard: RespiratoryClassifier) -> None:
    assert heard.labels == LABELS
    assert heard.clip_s == CLIP_S


@pytest.mark.data
def test_a_real_recording(heard: RespiratoryClassifier, data_dir: Path) -> None:
    path = data_dir / "respiratory" / "audio" / "102_1b1_Ar_sc_Meditron.flac"
    table = heard.predict(path, path.with_suffix(".txt"))
    lines = path.with_suffix(".txt").read_text().splitlines()
    assert len(table) == len([line for line in lines if line.strip()])
    length = len(read_audio(path, RATE)) / RATE
    assert table["end_s"].max() <= length + 1e-3
    assert np.isfinite(rows(table)).all()
