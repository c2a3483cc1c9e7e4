"""A recording in every form that people have it, for each of the three objects."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_ensemble
import numpy as np
import pytest
import soundfile
import torch
from made_verifier import RATE, bundle, verifier, voice

from bodysounds import CryScreamClassifier, RespiratoryClassifier
from bodysounds.audio.read import decode

pytestmark = pytest.mark.usefixtures("one_thread")

LUNGS = {"name": "log_mel", "sample_rate": 4000, "n_fft": 256, "hop": 64, "n_mels": 64,
         "f_min": 50.0, "f_max": 1800.0, "clip_s": 2.0, "fill": "circular"}  # fmt: skip
BREATH = ["both", "crackle", "normal", "wheeze"]
LOW = voice(110.0)

Ask = Callable[[Any], Any]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    lungs = made_ensemble.classifier({"name": "cnn6", "width": 0.1}, LUNGS, BREATH, seed=0)
    return {
        "verifier": verifier(tmp_path_factory.mktemp("model"), bundle()),
        "cry_scream": CryScreamClassifier(made_ensemble.small_ensemble()),
        "respiratory": RespiratoryClassifier(lungs, device="cpu"),
    }


@pytest.fixture(params=["verifier", "cry_scream", "respiratory"])
def ask(request: pytest.FixtureRequest, objects: dict[str, Any]) -> Ask:
    own = objects[request.param]
    if request.param == "verifier":
        return lambda recording: own.embed(recording).tolist()
    if request.param == "cry_scream":
        return lambda recording: own.predict(recording).probabilities
    return lambda recording: own.predict(recording).to_dict()


def test_an_array_with_its_rate_is_the_file(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", LOW, RATE)
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    from_file = ask(tmp_path / "a.wav")
    assert ask((samples, rate)) == from_file
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ask("~/a.wav") == from_file


def test_what_is_no_recording_says_what_to_give(ask: Ask, tmp_path: Path) -> None:
    for wrong, why in [
        (torch.tensor(LOW), "got Tensor: give numpy's array, with its rate"),
        (tmp_path, "cannot be opened, it is a folder: give the recordings in it"),
        ("gone.wav", r"gone\.wav is not there: check its name"),
        ((RATE,), "tuple|got int"),
    ]:
        with pytest.raises(ValueError, match=why):
            ask(wrong)


def test_what_is_silent_at_16_bits_is_no_breath(objects: dict[str, Any]) -> None:
    soft = np.full(RATE, 1e-9, dtype=np.float32)
    with pytest.raises(ValueError, match="digital silence"):
        objects["respiratory"].predict((soft, RATE))
    with pytest.raises(ValueError, match="digital silence"):
        objects["respiratory"].predict((np.stack([LOW, -LOW], axis=1), RATE))


def test_each_says_what_it_is(objects: dict[str, Any]) -> None:
    shown = {name: repr(one) for name, one in objects.items()}
    assert shown["cry_scream"].startswith("<CryScreamClassifier: crying, normal, screaming, by ")
    assert shown["respiratory"] == (
        "<RespiratoryClassifier: both, crackle, normal, wheeze, of breaths up to 2 s>"
    )


def test_top_k_may_be_numpys(objects: dict[str, Any]) -> None:
    own = objects["verifier"]
    own.enrol("low", (LOW, RATE))
    assert len(own.identify((LOW, RATE), top_k=np.int64(1)).candidates) == 1
    for wrong in (np.int64(0), np.float64(1), True):
        with pytest.raises(ValueError, match="top_k"):
            own.identify((LOW, RATE), top_k=wrong)


def test_many_sides_are_as_each_of_them(objects: dict[str, Any], tmp_path: Path) -> None:
    own = objects["verifier"]
    soundfile.write(tmp_path / "a.wav", LOW, RATE)
    (tmp_path / "b.wav").write_text("no sound")
    silent = (np.zeros(RATE, np.float32), RATE)
    sides = [tmp_path / "a.wav", tmp_path / "b.wav", (voice(300.0), RATE), silent, "gone.wav",
             [(LOW, RATE), (voice(500.0, 0.5), RATE)], (voice(400.0, 0.3), RATE)]  # fmt: skip
    found = list(own.hear_each(iter(sides)))
    assert [one.embedding is None for one in found] == [False, True, False, True, True, False,
                                                        False]  # fmt: skip
    for side, one in zip(sides, found, strict=True):
        if one.embedding is not None:
            alone = own.hear(side)
            np.testing.assert_allclose(one.embedding, alone.embedding, atol=1e-6)
            assert (one.seconds, one.made_by) == (alone.seconds, alone.made_by)
    assert [bool(word in str(found[at].abstained)) for at, word in (
        (1, "not audio"), (3, "silent"), (4, "not there"))] == [True] * 3  # fmt: skip
    assert list(own.hear_each([])) == []
    for single in (str(tmp_path / "a.wav"), tmp_path / "a.wav", b"RIFF"):
        with pytest.raises(ValueError, match="sides are given as a list of them, got one"):
            own.hear_each(single)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg is not installed")
def test_opus_that_libsndfile_cannot_read_is_read_by_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.opus", LOW, 48_000, format="OGG", subtype="OPUS")
    soundfile.write(tmp_path / "b.ogg", LOW, 48_000)
    content = (tmp_path / "a.opus").read_bytes()
    expected, _ = decode(content)
    real = soundfile.SoundFile.read

    def malformed(self: Any, *given: Any, **options: Any) -> Any:
        if self.subtype in ("OPUS", "VORBIS"):
            raise RuntimeError("Supported file format but file is malformed.")
        return real(self, *given, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", malformed)
    found, rate = decode(tmp_path / "a.opus")
    assert rate == 48_000
    assert len(found) == pytest.approx(len(expected), abs=1000)
    with pytest.raises(ValueError, match="malformed"):
        decode(tmp_path / "b.ogg")
