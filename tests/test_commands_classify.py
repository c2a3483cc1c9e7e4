"""classify: each kind of model is known by what it is, and says what its library object says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import made_ensemble
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from made_calls import call, left_overs, record, silence, text_file
from made_verifier import bundle

from bodysounds import CryScreamClassifier, RespiratoryClassifier
from bodysounds.audio.read import read_audio
from bodysounds.commands.classify import clock
from bodysounds.models.classifier import save_classifier
from bodysounds.models.encoder import Encoder, network, save_encoder
from bodysounds.models.ensemble import save_ensemble
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.models.verifier import save_verifier
from bodysounds.models.wav2vec2_folder import classifier_to_hf

pytestmark = pytest.mark.usefixtures("one_thread")

RATE = 16_000
BREATH = ["both", "crackle", "normal", "wheeze"]
LUNGS = {"name": "log_mel", "sample_rate": 4000, "n_fft": 256, "hop": 64, "n_mels": 64,
         "f_min": 50.0, "f_max": 1800.0, "clip_s": 2.0, "fill": "circular"}  # fmt: skip
PEOPLE = [f"id{k:05d}" for k in range(7)]
HEARS = {"name": "stft_image", "sample_rate": RATE, "clip_s": 1.0, "fill": "repeat", "n_fft": 512,
         "win_s": 0.025, "hop_s": 0.01, "log": True, "normalise": "per_frequency",
         "size": 32}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of each kind, as a run lays them out."""
    folder = tmp_path_factory.mktemp("project") / "data" / "06_models" / "demo"
    events = {"onset": 0.1, "offset": 0.05, "min_s": 0.0, "merge_s": 0.0, "quiet": "normal"}
    ensemble = made_ensemble.small_ensemble(events=events)
    save_ensemble(folder / "cry_scream_ensemble" / "bundle" / "v1" / "bundle", ensemble)
    for task, made in {
        "respiratory_scl": made_ensemble.classifier(
            {"name": "cnn6", "width": 0.1}, LUNGS, BREATH, seed=0
        ),
        "speaker_identification": made_ensemble.classifier(
            {"name": "resnet18", "width": 4, "dim": 8}, HEARS, PEOPLE, seed=0
        ),
    }.items():
        save_classifier(folder / task / "classifier.safetensors" / "v1" / "c.safetensors", made)
    save_verifier(folder / "cry_verification" / "bundle" / "v1" / "bundle", bundle())
    return folder


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Three seconds, soft and loud."""
    folder = tmp_path / "n ight"
    folder.mkdir()
    wave = made_ensemble.noise(2, 3.0)[1]
    wave[RATE : 2 * RATE] = 0
    soundfile.write(folder / "é.wav", wave, RATE)
    return folder / "é.wav"


def test_an_ensemble_says_what_and_when(
    models: Path, night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = models / "cry_scream_ensemble"
    own = CryScreamClassifier.load(model / "bundle", device="cpu").predict(night)
    assert own.label is not None
    assert own.events
    assert call("classify", night, "--model", model, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["probabilities"] == pytest.approx(own.probabilities, abs=1e-6)
    assert (said["label"], said["abstained"]) == (own.label, None)
    assert [(one["label"], one["onset_s"], one["offset_s"]) for one in said["events"]] == [
        (one.label, one.onset_s, one.offset_s) for one in own.events
    ]
    assert call("classify", night, "--model", model) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{night}: {own.label} ({own.label} ")
    event = own.events[0]
    assert lines[0] == (
        f"  {clock(event.onset_s)} to {clock(event.offset_s)}  {event.label} "
        f"({event.confidence:.0%})"
    )
    assert len(lines) == len(own.events)


def test_a_recording_without_an_answer_is_3_and_some_are_1(
    models: Path, night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silent, text = silence(tmp_path / "silent.wav"), text_file(tmp_path / "text.wav")
    options = ["--model", models / "cry_scream_ensemble" / "bundle"]
    assert call("classify", silent, *options) == 3
    assert capsys.readouterr().out.startswith(f"{silent}: no answer, silent: ")
    assert call("classify", night, silent, text, *options) == 1
    assert f"\n{text} is not audio" in capsys.readouterr().out
    assert call("classify", night, silent, text, *options, "--json") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["abstained"] is None for line in lines] == [True, False, False]
    assert call("classify", text, *options) == 2
    assert capsys.readouterr().err.startswith(f"bodysounds classify: {text} is not audio")


def test_breaths_are_those_of_the_text_beside(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lungs = record(tmp_path / "lungs" / "101.wav", 150.0, seconds=5.0)
    lungs.with_suffix(".txt").write_text("0.2\t1.9\t0\t0\n1.9\t4.0\t1\t0\n")
    model = models / "respiratory_scl" / "classifier.safetensors"
    own = RespiratoryClassifier.load(model, device="cpu")
    assert call("classify", lungs.parent, "--model", model, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    table = own.predict(lungs, lungs.with_suffix(".txt"))
    assert [(one["start_s"], one["end_s"]) for one in said["cycles"]] == [(0.2, 1.9), (1.9, 4.0)]
    for one, row in zip(said["cycles"], table.to_dict("records"), strict=True):
        assert one["label"] == row["label"]
        expected = {label: row[f"p_{label}"] for label in BREATH}
        assert one["probabilities"] == pytest.approx(expected, abs=1e-6)
    assert sum(said["counts"].values()) == 2
    call("classify", lungs, "--model", model)
    assert f"{lungs}: the breaths of 101.txt: " in capsys.readouterr().out
    call("classify", lungs, "--model", model, "--windows")
    said = capsys.readouterr().out
    assert "3 windows: " in said
    assert "\n  2.00 to 4.00 s  " in said
    assert call("classify", silence(tmp_path / "s.wav"), "--model", model) == 2
    assert "digital silence" in capsys.readouterr().err


def test_speakers_are_named_with_the_most_probable_first(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speech = record(tmp_path / "speech.wav", 130.0, seconds=2.5)
    model = models / "speaker_identification"
    assert call("classify", speech, "--model", model, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    made = made_ensemble.classifier(
        {"name": "resnet18", "width": 4, "dim": 8}, HEARS, PEOPLE, seed=0
    )
    clip = torch.from_numpy(read_audio(speech, RATE)[:RATE])[None]
    with torch.inference_mode():
        logits = network(made.encoder)(clip) @ made.head["weight"].T + made.head["bias"]
    expected = dict(zip(PEOPLE, logits.softmax(dim=1)[0].tolist(), strict=True))
    best = sorted(expected, key=lambda name: -expected[name])[:5]
    assert list(said["probabilities"]) == best
    assert said["label"] == best[0]
    chosen = {name: expected[name] for name in best}
    assert said["probabilities"] == pytest.approx(chosen, abs=1e-4)
    assert said["heard_s"] == 1.0
    call("classify", speech, "--model", model)
    told = capsys.readouterr().out
    assert told.startswith(f"{speech}: {best[0]} ")
    assert "of the 7 that the model knows" in told


def test_a_member_of_an_ensemble_is_a_model_too(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "classifier" / "v1" / "classifier"
    classifier_to_hf(made_ensemble.wav2vec2(), folder)
    assert call("classify", night, "--model", tmp_path / "classifier", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["probabilities"]) == set(made_ensemble.LABELS)
    assert sum(said["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("task", ["cry_scream_ensemble", "respiratory_scl"])
def test_a_table_in_the_place_of_what_is_printed(
    task: str, models: Path, night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text_file(night.parent / "broken.wav")
    out = tmp_path / "new" / "predictions.csv"
    asked = ["classify", night.parent, "--model", models / task, "--out", out]
    assert call(*asked) == 1
    caught = capsys.readouterr()
    assert caught.out == f"{out} holds the answers to 1 recording; 1 had none\n"
    assert "broken.wav is not audio" in caught.err
    table = pd.read_csv(out)
    good = table[table["path"] == str(night)]
    assert len(good) == {"cry_scream_ensemble": 1, "respiratory_scl": 2}[task]
    columns = [name for name in table if name.startswith("p_")]
    np.testing.assert_allclose(good[columns].sum(axis=1), 1, atol=1e-5)
    assert table.loc[table["path"] != str(night), "abstained"].str.contains("not audio").all()
    events = out.with_suffix(".events.csv")
    assert events.exists() == (task == "cry_scream_ensemble")
    if events.exists():
        onsets = pd.read_csv(events)
        assert (onsets["onset_s"] < onsets["offset_s"]).all()
        assert set(onsets["path"]) == {str(night)}
    assert call(*asked) == 2
    assert "predictions.csv exists" in capsys.readouterr().err
    assert left_overs(tmp_path) == []


def test_what_is_no_classifier(
    models: Path, night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    save_encoder(tmp_path / "encoder.safetensors", bundle().encoder)
    for given, message in (
        (models / "cry_verification" / "bundle", "is a verifier, which knows no classes"),
        (tmp_path / "encoder.safetensors", "has the format 'bodysounds.encoder/1'"),
        (night, "is no safetensors file"),
    ):
        assert call("classify", night, "--model", given) == 2
        said = capsys.readouterr().err
        assert message in said
        assert "bodysounds classify takes the bundle of cry_scream_ensemble" in said
    monkeypatch.chdir(models.parents[2])
    assert call("classify", night) == 2
    listed = [line.split()[1] for line in capsys.readouterr().err.splitlines()[1:]]
    assert [Path(one).parent.name for one in listed] == [
        "cry_scream_ensemble", "respiratory_scl", "speaker_identification",
    ]  # fmt: skip


def test_times_are_told_as_clocks_tell_them() -> None:
    assert [clock(seconds) for seconds in (0.0, 9.96, 59.96, 61.5, 3725.04)] == [
        "0:00.0", "0:10.0", "1:00.0", "1:01.5", "1:02:05.0",
    ]  # fmt: skip


def test_ctrl_c_writes_nothing(
    models: Path, night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CryScreamClassifier, "predict", stopped)
    out = tmp_path / "p.csv"
    assert call("classify", night, "--model", models / "cry_scream_ensemble", "--out", out) == 130
    assert not out.exists()


@pytest.mark.parametrize("ended", [KeyboardInterrupt, BrokenPipeError])
@pytest.mark.parametrize("as_json", [False, True])
def test_what_was_heard_before_the_end_is_kept(
    ended: type[BaseException], as_json: bool, models: Path, night: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """As of Ctrl-C, or of a reader who has gone."""
    names = ["1.wav", "2.wav", "3.wav", "4.wav"]
    silence(night.parent / names[0])
    for name in names[1:]:
        shutil.copy(night, night.parent / name)
    night.unlink()
    out, model = tmp_path / "p.csv", models / "cry_scream_ensemble"
    asked = ["classify", night.parent, "--model", model]
    assert call(*asked, "--out", out) == 1
    whole, events = pd.read_csv(out), pd.read_csv(out.with_suffix(".events.csv"))
    predict, seen = CryScreamClassifier.predict, []

    def stopped(self: CryScreamClassifier, path: Path, **options: Any) -> Any:
        seen.append(capfd.readouterr().out)
        if path.name == "4.wav":
            raise ended
        return predict(self, path, **options)

    monkeypatch.setattr(CryScreamClassifier, "predict", stopped)
    options = ["--json"] if as_json else []
    code = 130 if ended is KeyboardInterrupt else 141
    table = ["--out", out, "--force"]
    # a reader who has gone has left nothing to read for a second call
    for given in ([], table) if ended is KeyboardInterrupt else (table,):
        seen.clear()
        assert call(*asked, *options, *given) == code
        printed = as_json or not given
        assert [text.count(str(night.parent)) for text in seen[1:]] == [int(printed)] * 3
        if as_json:
            assert [Path(json.loads(text)["path"]).name for text in seen[1:]] == names[:3]
    assert f"{out} holds what was heard so far: 3 of 4 recordings" in capfd.readouterr().err
    pd.testing.assert_frame_equal(pd.read_csv(out), whole[:3])
    kept = events[events["path"] != str(night.parent / names[3])].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(out.with_suffix(".events.csv")), kept)
    assert left_overs(tmp_path) == []


@pytest.mark.parametrize("task", ["speaker_identification", "respiratory_scl"])
def test_a_network_is_built_once_for_all_recordings(
    task: str, models: Path, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.wav", "c.wav"):
        record(night.parent / name, 150.0)
    text_file(night.parent / "broken.wav")
    built = []

    def counted(encoder: Encoder) -> EmbeddingNetwork:
        built.append(encoder)
        return network(encoder)

    for user in ("models.classifier", "respiratory"):
        monkeypatch.setattr(f"bodysounds.{user}.network", counted)
    assert call("classify", night.parent, "--model", models / task) == 1
    assert len(built) == 1


def test_a_speaker_is_named_by_what_is_heard_alone(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = models / "speaker_identification"
    wave = np.asarray(made_ensemble.noise(2, 3.0)[1], dtype=np.float32)
    for rate in (RATE, 44_100):
        soundfile.write(tmp_path / "long.wav", wave, rate)
        soundfile.write(tmp_path / "start.wav", wave[: 2 * rate], rate)
        for name in ("long.wav", "start.wav"):
            assert call("classify", tmp_path / name, "--model", model, "--json") == 0
        long, start = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert long["heard_s"] == 1.0
        assert long["probabilities"] == pytest.approx(start["probabilities"], abs=1e-4)
    wave[: 2 * 44_100] = 0
    soundfile.write(tmp_path / "late.wav", wave, 44_100)
    soundfile.write(tmp_path / "short.wav", wave[-100:], 44_100)
    for name, why in (("late", "begins with 1 s of digital silence"), ("short", "it takes 0.1 s")):
        assert call("classify", tmp_path / f"{name}.wav", "--model", model) == 2
        assert why in capsys.readouterr().err


def test_ranks_stay_whole_numbers_beside_what_is_broken(models: Path, tmp_path: Path) -> None:
    record(tmp_path / "in" / "a.wav", 150.0)
    text_file(tmp_path / "in" / "b.wav")
    out, model = tmp_path / "o.csv", models / "speaker_identification"
    assert call("classify", tmp_path / "in", "--out", out, "--model", model) == 1
    table = pd.read_csv(out, dtype=str)
    assert table["rank"].dropna().tolist() == list("12345")
    assert table["label"].isna().tolist() == [False] * 5 + [True]
    assert table["probability"].dropna().astype(float).between(0, 1).all()


def test_a_folder_of_tasks_lists_its_models(
    models: Path, night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_classifier_as_run(models)
    for folder in (models, models.parent):
        assert call("classify", night, "--model", folder) == 2
        told, *listed = capsys.readouterr().err.splitlines()
        assert f"{folder} is no one model; there are" in told
        assert f"  --model {models / 'speaker_identification' / 'classifier.safetensors'}" in listed
        assert not [line for line in listed if "cry_verification" in line]
    lone = models / "speaker_identification"
    assert call("identify", night, "--gallery", "g", "--model", lone) == 2
    (models.parent.parent / "other" / "t" / "bundle" / "v1" / "bundle").mkdir(parents=True)
    assert call("verify", night, night, "--model", models.parent.parent / "other") == 2
    assert "holds none that `bodysounds verify` takes" in capsys.readouterr().err


def save_classifier_as_run(models: Path) -> None:
    """An entry named as the catalog names it."""
    entry = models / "speaker_identification" / "classifier.safetensors"
    made = made_ensemble.classifier(
        {"name": "resnet18", "width": 4, "dim": 8}, HEARS, PEOPLE, seed=0
    )
    save_classifier(entry / "v1" / "classifier.safetensors", made)
