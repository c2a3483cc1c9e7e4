"""What a user asks: is this recording a cry, a scream, neither, or nothing to go by?"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from made_ensemble import LABELS, RATE, noise, small_ensemble

import bodysounds
from bodysounds import CryScreamClassifier
from bodysounds.models.ensemble import save_ensemble
from bodysounds.scoring.events import events_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> CryScreamClassifier:
    path = tmp_path_factory.mktemp("classifier") / "bundle"
    save_ensemble(path, small_ensemble())
    return CryScreamClassifier.load(path, device="cpu")


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return noise(2, seconds, seed)[1]


def answering(**changes: Any) -> CryScreamClassifier:
    return CryScreamClassifier(small_ensemble(**changes))


def test_the_package_is_light_until_it_is_asked() -> None:
    code = (
        "import sys, bodysounds; assert 'numpy' not in sys.modules and 'torch' not in sys.modules\n"
        "bodysounds.CryScreamClassifier; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Verifire'"):
        _ = bodysounds.Verifire


def test_a_clip_is_what_the_ensemble_says(classifier: CryScreamClassifier) -> None:
    wave = sound(1.0)
    told = classifier.predict(wave, RATE)
    said = classifier.ensemble.predict(wave[None])
    assert list(told.probabilities) == LABELS
    assert list(told.probabilities.values()) == pytest.approx(np.exp(said.log_probabilities[0]))
    assert told.label == max(told.probabilities, key=lambda name: told.probabilities[name])
    assert told.abstained is None
    (frame,) = told.frames
    assert (frame.start_s, frame.end_s, frame.unsure) == (0.0, 1.0, False)


def test_path_bytes_file_and_array_are_one(classifier: CryScreamClassifier, tmp_path: Path) -> None:
    wave = np.int16(np.round(sound(1.6) * 32767))
    path = tmp_path / "one.wav"
    soundfile.write(path, wave, RATE)
    told = [
        classifier.predict(path),
        classifier.predict(str(path)),
        classifier.predict(path.read_bytes()),
        classifier.predict(io.BytesIO(path.read_bytes())),
        classifier.predict(wave, RATE),
        classifier.predict(wave / 32768, RATE),
    ]
    for one in told[1:]:
        assert one.label == told[0].label
        assert list(one.probabilities.values()) == pytest.approx(
            list(told[0].probabilities.values()), abs=1e-6
        )


def test_unsigned_samples_are_about_their_middle(classifier: CryScreamClassifier) -> None:
    fine = np.round(sound(1.0) * 127)
    signed = classifier.predict(np.int8(fine), RATE)
    told = classifier.predict(np.uint8(fine + 128), RATE)
    assert told.probabilities == pytest.approx(signed.probabilities, abs=1e-6)


def test_beyond_full_scale_is_cut_as_in_training(classifier: CryScreamClassifier) -> None:
    loud = 3 * sound(1.0)
    assert 0.01 < np.mean(np.abs(loud) > 1) < 0.5
    told = classifier.predict(loud, RATE)
    assert told.label
    cut = classifier.predict(np.clip(loud, -1, 1), RATE)
    assert told.probabilities == cut.probabilities


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_any_rate_is_heard(classifier: CryScreamClassifier, rate: int) -> None:
    # what both rates can hold
    wave = soxr.resample(soxr.resample(sound(1.0), RATE, 8_000), 8_000, RATE)
    plain = classifier.predict(wave, RATE)
    other = classifier.predict(soxr.resample(wave, RATE, rate), rate)
    assert list(other.probabilities.values()) == pytest.approx(
        list(plain.probabilities.values()), abs=0.02
    )


def test_stereo_is_mixed_down(classifier: CryScreamClassifier) -> None:
    left, right = sound(1.0, 1), sound(1.0, 2)
    both = classifier.predict(np.stack([left, right], axis=1), RATE)
    mixed = classifier.predict((left + right) / 2, RATE)
    assert list(both.probabilities.values()) == pytest.approx(
        list(mixed.probabilities.values()), abs=1e-5
    )
    # one channel that is silent is no silence
    assert classifier.predict(np.stack([left, 0 * left], axis=1), RATE).label is not None


def test_a_longer_recording_is_heard_in_frames(classifier: CryScreamClassifier) -> None:
    wave = np.concatenate([sound(1.0, 1), sound(1.0, 2), sound(0.8, 3)])
    told = classifier.predict(wave, RATE)
    assert [frame.start_s for frame in told.frames] == pytest.approx([0, 0.5, 1.0, 1.5, 1.8])
    assert told.frames[-1].end_s == pytest.approx(2.8)
    for name in LABELS:
        mean = np.mean([frame.probabilities[name] for frame in told.frames])
        assert told.probabilities[name] == pytest.approx(mean)
    assert told.events == events_of(told.frames, classifier.ensemble.event_rules)


def test_events_are_those_of_the_rule() -> None:
    wave = np.concatenate([sound(1.0, k) for k in range(6)])
    plain = answering().predict(wave, RATE)
    loud = sorted({name for name in LABELS if name != "normal"})
    peak = max(frame.probabilities[name] for frame in plain.frames for name in loud)
    rules = {"onset": peak, "offset": peak / 2, "min_s": 0.0, "merge_s": 0.0, "quiet": "normal"}
    found = answering(events=rules).predict(wave, RATE).events
    assert found
    assert all(event.label in loud and event.offset_s > event.onset_s for event in found)
    assert answering(events={**rules, "onset": 1.0}).predict(wave, RATE).events == []


def test_a_short_recording_is_filled_as_in_training() -> None:
    wave = sound(0.4)
    for short, whole in (
        ("repeat", np.resize(wave, RATE)),
        ("zeros", np.pad(wave, (0, RATE - len(wave)))),
    ):
        one = answering(short=short).predict(wave, RATE)
        two = answering(short=short).predict(whole, RATE)
        assert one.probabilities == pytest.approx(two.probabilities)
        assert one.frames[0].end_s == pytest.approx(0.4)


def test_what_is_too_short_silent_or_clipped_gets_no_answer(
    classifier: CryScreamClassifier,
) -> None:
    wave = sound(1.0)
    short = classifier.predict(wave[:1000], RATE)
    assert short.abstained == "too short: 0.0625 s, and it takes 0.1 s"
    silent = classifier.predict(0 * wave, RATE)
    assert str(silent.abstained).startswith("silent: its peak is digital zero")
    soft = classifier.predict(1e-5 * wave, RATE)
    assert str(soft.abstained).startswith("silent: its peak is -")
    for told in (short, silent, soft):
        assert (told.label, told.probabilities, told.frames, told.events) == (None, {}, [], [])
    clipped = classifier.predict(np.clip(100 * wave, -1, 1), RATE)
    assert str(clipped.abstained).startswith("clipped: ")
    # it is told all the same what it sounds like
    assert clipped.label is None
    assert set(clipped.probabilities) == set(LABELS)
    against = classifier.predict(np.stack([wave, -wave], axis=1), RATE)
    assert against.abstained == "silent: its channels cancel one another"


def test_no_class_may_be_probable_enough() -> None:
    threshold = {"aim": "fixed", "value": 0.999, "threshold": 0.999}
    told = answering(abstain=threshold).predict(sound(1.0), RATE)
    assert told.label is None
    assert str(told.abstained).startswith("unsure: its most probable class has 0.")
    assert told.frames[0].unsure


def test_silence_within_a_recording_is_not_heard(classifier: CryScreamClassifier) -> None:
    wave = np.concatenate([sound(1.0), np.zeros(3 * RATE, np.float32)])
    told = classifier.predict(wave, RATE)
    silent = [frame for frame in told.frames if not frame.probabilities]
    assert [frame.start_s for frame in silent] == [1.0, 1.5, 2.0, 2.5, 3.0]
    heard = [frame.probabilities["crying"] for frame in told.frames if frame.probabilities]
    assert told.probabilities["crying"] == pytest.approx(np.mean(heard))


@pytest.mark.parametrize(
    ("recording", "rate", "message"),
    [
        (np.zeros(16_000), None, "needs its sample_rate in Hz, from 1000 to 768000, got None"),
        (np.zeros(16_000), 0, "got 0"),
        (np.zeros(16_000), 16, "got 16"),
        (np.zeros(16_000), np.nan, "got nan"),
        (np.zeros(16_000), "16000", "got '16000'"),
        (np.zeros((2, 16_000)), RATE, r"got \(2, 16000\), more channels than samples"),
        (np.zeros(16_000, complex), RATE, "integers or floats, got an array of complex128"),
        (np.zeros(16_000, bool), RATE, "got an array of bool"),
        (np.zeros(0), RATE, r"n > 0, got \(0,\)"),
        (np.zeros((2, 2, 2)), RATE, r"got \(2, 2, 2\)"),
        (np.full(16_000, np.nan), RATE, "sample 0 of the waveform is nan"),
        (b"", None, "the recording is empty"),
        (b"RIFF not a wave", None, "the recording"),
        (3, None, "as a path, bytes or a binary file, got int"),
    ],
)
def test_what_is_no_recording_is_refused(
    classifier: CryScreamClassifier, recording: Any, rate: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        classifier.predict(recording, rate)


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist: give a folder that the stage ensemble"):
        CryScreamClassifier.load(tmp_path / "none")


@pytest.mark.data
def test_real_recordings_get_an_answer(classifier: CryScreamClassifier, data_dir: Path) -> None:
    files = sorted((data_dir / "vocal_bursts").rglob("*.*"))
    audio = [path for path in files if path.suffix in (".wav", ".flac", ".mp3", ".ogg")][:3]
    assert audio
    for path in audio:
        told = classifier.predict(path)
        assert told.abstained or told.label in LABELS
