"""Classifiers as ONNX files: the same probabilities of every length, with what belongs to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_ensemble
import numpy as np
import onnx
import pytest
import torch
import yaml
from conftest import FinishedRun
from made_encoders import IMAGE, RESNET, noise
from test_export_onnx import opened, run

from bodysounds.audio.fills import FILLS, fit_length
from bodysounds.audio.packed import to_int16
from bodysounds.audio.read import read_audio
from bodysounds.commands.export import run as command
from bodysounds.corpora.base import Corpus
from bodysounds.exporting import onnx as exporting
from bodysounds.exporting.classifier_facts import BATCH, CYCLES, MEMBER
from bodysounds.exporting.facts import model_and_facts
from bodysounds.exporting.fills import filled
from bodysounds.exporting.onnx import PARITY, as_bytes, export_onnx, known, onnx_parity
from bodysounds.models.bundle import save_bundle
from bodysounds.models.classifier import Classifier, save_classifier
from bodysounds.models.encoder import network
from bodysounds.models.wav2vec2_folder import classifier_to_hf
from bodysounds.reporting.model_card_front import front_matter
from bodysounds.respiratory import RespiratoryClassifier

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ["both", "crackle", "normal", "wheeze"]
MEL = {
    "name": "log_mel", "sample_rate": 4_000, "n_fft": 256, "hop": 64, "n_mels": 64, "f_min": 50.0,
    "f_max": 1800.0, "clip_s": 2.0,
}  # fmt: skip
CNN = {"name": "cnn6", "width": 0.1}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cnn6": (CNN, MEL | {"fill": "circular", "normalise": "band", "std": 15.0}),
    "cnn10": (
        {"name": "cnn10", "width": 0.05, "input_norm": False, "rows": "bands"},
        MEL | {"fill": "reflect", "normalise": "clip"},
    ),
    "cnn14": (
        {"name": "cnn14", "width": 0.02},
        MEL | {"fill": "zeros", "normalise": "batch", "mean": 0.369, "std": 0.0255},
    ),
    "resnet18": (RESNET, IMAGE),
}


def made(kind: str, seed: int = 0) -> Classifier:
    if kind in ("yamnet", "wav2vec2"):
        members: dict[str, Callable[..., Classifier]] = {
            "yamnet": made_ensemble.yamnet, "wav2vec2": made_ensemble.wav2vec2,
        }  # fmt: skip
        return members[kind](seed)
    return made_ensemble.classifier(*KINDS[kind], LABELS, seed)


def expected(classifier: Classifier, waveforms: np.ndarray) -> np.ndarray:
    """Return probabilities of float64 by torch's own filling and network."""
    module = network(classifier.encoder)
    assert module.clip_samples is not None
    clips = fit_length(torch.from_numpy(waveforms), module.clip_samples, module.fill)
    with torch.inference_mode():
        embeddings = module(clips).double().numpy()
    weight, bias = (classifier.head[name].double().numpy() for name in ("weight", "bias"))
    powers = np.exp(embeddings @ weight.T + bias)
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, one_thread: None
) -> Callable[[str], tuple[Classifier, Path]]:
    """Give a classifier of a kind and its file, which is written once."""
    folder = tmp_path_factory.mktemp("classifiers")
    done: dict[str, tuple[Classifier, Path]] = {}

    def get(kind: str) -> tuple[Classifier, Path]:
        if kind not in done:
            classifier, path = made(kind), folder / f"{kind}.onnx"
            assert export_onnx(classifier, path) <= 1e-5
            done[kind] = classifier, path
        return done[kind]

    return get


@pytest.mark.parametrize("kind", [*KINDS, "yamnet", "wav2vec2"])
def test_onnxruntime_gives_the_networks_probabilities(exported, kind: str) -> None:
    classifier, path = exported(kind)
    session = opened(path)
    told = []
    # the same sample again and again is all rounding, where a waveform is brought to variance 1
    shortest = 17 if kind == "wav2vec2" else 1
    lengths = (shortest, 333, 7_999, 8_000, 8_001, 40_000)
    for batch, samples in zip((1, 3, 2, 1, 3, 1), lengths, strict=True):
        for level in (0.9, 0.01):
            waveforms = noise(batch, samples, level, seed=samples)
            found = run(session, waveforms)
            np.testing.assert_allclose(found, expected(classifier, waveforms), atol=PARITY)
            told.append(found)
    everything = np.concatenate(told)
    np.testing.assert_allclose(everything.sum(axis=1), 1.0, atol=1e-5)
    # they are not the same of everything
    assert float(np.ptp(everything, axis=0).max()) > 1e-3


def test_the_file_says_what_it_is(exported) -> None:
    classifier, path = exported("cnn6")
    session = opened(path)
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == (
        "waveform", "tensor(float)", ["batch", "samples"],
    )  # fmt: skip
    assert (found.name, found.type, found.shape) == (
        "probabilities", "tensor(float)", ["batch", 4],
    )  # fmt: skip
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == LABELS
    assert (about["sample_rate"], about["clip_s"], about["fill"]) == ("4000", "2.0", "circular")
    assert about["activation"] == "softmax"
    assert about["sha256"] == known(classifier)["sha256"] != known(made("cnn6", 1))["sha256"]
    assert json.loads(about["front_end"]) == classifier.encoder.front_end
    onnx.checker.check_model(onnx.load(path), full_check=True)
    content = path.read_bytes()
    for private in ("site-packages", "stack_trace", ".py"):
        assert private.encode() not in content
    assert as_bytes(classifier, {}) == content


def test_only_what_is_not_finite_becomes_nan(exported) -> None:
    _, path = exported("cnn6")
    waveforms = noise(3, 9_000)
    before = run(opened(path), waveforms)
    waveforms[1, 8_500] = np.inf
    found = run(opened(path), waveforms)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], before[[0, 2]], atol=1e-6)


@pytest.mark.parametrize("fill", FILLS)
def test_waveforms_are_filled_as_in_training(fill: str) -> None:
    for length in (1, 2, 3, 7, 8, 9, 20):
        waveforms = torch.arange(2 * length, dtype=torch.float32).reshape(2, length) + 1
        assert torch.equal(filled(waveforms, 8, fill), fit_length(waveforms, 8, fill))


def test_what_answers_otherwise_is_not_kept(
    exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = exported("cnn6")
    monkeypatch.setattr(exporting, "as_bytes", lambda *_: path.read_bytes())
    with pytest.raises(ValueError, match=r"new.onnx was not written: .* 0.0001 is allowed"):
        export_onnx(made("cnn6", 1), tmp_path / "new.onnx")
    assert not list(tmp_path.iterdir())


def test_limits_name_what_the_network_hears(tmp_path: Path) -> None:
    for kind, told in (("cnn6", CYCLES), ("cnn14", BATCH)):
        save_classifier(tmp_path / f"{kind}.safetensors", made(kind))
        model, facts = model_and_facts(tmp_path / f"{kind}.safetensors")
        assert isinstance(model, Classifier)
        assert set(facts) == {"limits"}
        assert facts["limits"][0].startswith("The first 2 s of a waveform are heard")
        assert told in facts["limits"]
    assert BATCH not in model_and_facts(tmp_path / "cnn6.safetensors")[1]["limits"]


@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize("licence", ["cc-by-4.0", "Terms of ICBHI", ""])
def test_the_runs_card_tells_licence_and_whether_sound_was_synthetic(
    tmp_path: Path, synthetic: bool, licence: str
) -> None:
    version = "2026-01-02T03.04.05.678Z"
    model = tmp_path / "06_models/made/respiratory_scl/classifier.safetensors" / version
    save_classifier(model / "classifier.safetensors", made("cnn6"))
    corpus = Corpus(tmp_path, "icbhi", "Lungs --- 2", synthetic=synthetic, licence=licence)
    front = front_matter(
        corpus, "respiratory_scl", pipeline_tag="audio-classification", tags=[], subset="test",
        rates={}, level=0.95,
    )  # fmt: skip
    card = tmp_path / "08_reporting/made/respiratory_scl/model_card.md" / version / "model_card.md"
    card.parent.mkdir(parents=True)
    card.write_text(f"---\n{yaml.safe_dump(front)}---\n\n# A card\n\n---\n")
    for path in (model.parent, model / "classifier.safetensors"):
        _, facts = model_and_facts(path)
        assert (facts["task"], facts["corpus"]) == ("respiratory_scl", "Lungs --- 2")
        known_as = {"cc-by-4.0": "cc-by-4.0", "Terms of ICBHI": "terms-of-icbhi", "": ""}
        assert facts["licence"] == known_as[licence]
        assert facts["synthetic"] is synthetic
    told = "model-index: [{results: [{dataset: {name: %s, args: {synthetic: true}}}]}]\n"
    for front_of_another in ("no card", "5", told % 5 + "license: mit", told % "Lungs"):
        card.write_text(f"---\n{front_of_another}\n---\n")
        assert set(model_and_facts(model.parent)[1]) == {"limits"}


def test_members_leave_and_their_ensemble_does_not(
    exported, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    members = {"yamnet": made("yamnet"), "wav2vec2": made("wav2vec2")}
    save_bundle("night", members, made_ensemble.rule())
    sentence = (
        r"an ensemble does not leave as one file, its members do: "
        r"give night/wav2vec2 or night/yamnet.safetensors"
    )
    with pytest.raises(ValueError, match=sentence):
        command(["onnx", "night", "a.onnx"])
    for member, place, temperature in (
        ("yamnet", "night/yamnet.safetensors", 1.5), ("wav2vec2", "night/wav2vec2", 2.5),
    ):  # fmt: skip
        model, facts = model_and_facts(place)
        assert isinstance(model, Classifier)
        # the bundle's are the very classifiers, whose files are tried above
        assert known(model)["sha256"] == known(members[member])["sha256"]
        assert (facts["temperature"], facts["hop_s"]) == (temperature, 0.5)
        assert MEMBER in facts["limits"]
    classifier_to_hf(members["wav2vec2"], "alone")
    assert "temperature" not in model_and_facts("alone")[1]
    with pytest.raises(ValueError, match="a classifier cannot be exported to SpeechBrain"):
        command(["speechbrain", "night/yamnet.safetensors", "b"])
    assert command(["onnx", "night/yamnet.safetensors", "yamnet.onnx", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["labels"], said["temperature"]) == (made_ensemble.LABELS, 1.5)
    assert said["parity"] <= PARITY


@pytest.mark.parametrize(
    "changes",
    [
        {"files": ["yamnet.safetensors"]},
        {"files": None},
        {"rule": None},
        {"rule": made_ensemble.rule() | {"temperatures": {}}},
        {"rule": {"temperatures": 5}},
    ],
)
def test_of_an_odd_ensemble_one_sentence_is_told(tmp_path: Path, changes: dict[str, Any]) -> None:
    members = {"yamnet": made("yamnet"), "wav2vec2": made("wav2vec2")}
    save_bundle(tmp_path / "night", members, made_ensemble.rule())
    file = tmp_path / "night" / "ensemble.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    for place in (tmp_path / "night", tmp_path / "night" / "yamnet.safetensors"):
        with pytest.raises(ValueError, match=r"ensemble.json.*: give a folder that the stage"):
            model_and_facts(place)


def test_of_a_run_the_file_answers_as_its_classifier(
    finished_respiratory: FinishedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = finished_respiratory.results("06_models")
    out = tmp_path / "breath.onnx"
    assert command(["onnx", str(task), str(out)]) == 0
    told, code = capsys.readouterr().out.split("\n\n")
    assert "probabilities of 4 classes (both, crackle, normal, wheeze)" in told
    assert CYCLES in told
    ours = RespiratoryClassifier.load(task / "classifier.safetensors", device="cpu")
    rate = ours.module.sample_rate
    # one breath: what lasts no longer than a clip is one window
    breath = to_int16(noise(1, round(0.9 * ours.clip_s * rate))[0])
    scope: dict[str, Any] = {"waveforms": breath[None] / np.float32(32_768)}
    exec(code, scope)
    table = ours.predict((breath, rate))
    assert len(table) == 1
    columns = table[[f"p_{label}" for label in scope["labels"]]].to_numpy()
    np.testing.assert_allclose(scope["probabilities"], columns, atol=PARITY)
    about = scope["session"].get_modelmeta().custom_metadata_map
    assert (about["task"], about["synthetic"]) == ("respiratory_scl", "true")
    assert {"corpus", "licence", "limits"} <= set(about)


PUBLISHED = {
    "name": "log_mel", "sample_rate": 16_000, "n_fft": 1024, "hop": 512, "n_mels": 64,
    "f_min": 50.0, "f_max": 2000.0, "normalise": "clip", "clip_s": 8.0, "fill": "circular",
}  # fmt: skip
REAL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "breath": (CNN | {"input_norm": False, "rows": "bands"}, PUBLISHED),
    "speakers": (RESNET, IMAGE | {"clip_s": 3.0, "size": 112}),
}


@pytest.mark.data
@pytest.mark.parametrize("kind", REAL)
def test_probabilities_of_real_recordings(kind: str, data_dir: Path, tmp_path: Path) -> None:
    classifier = made_ensemble.classifier(*REAL[kind], LABELS, 0)
    rate = int(classifier.encoder.front_end["sample_rate"])
    files = sorted(
        file
        for folder in ("speech", "infant_cries", "vocal_bursts", "respiratory")
        for file in sorted((data_dir / folder).rglob("*.*"))
        if file.suffix in (".flac", ".mp3")
    )
    batches = [
        (to_int16(read_audio(file, rate)) / np.float32(32_768))[None] for file in files[::100]
    ]
    assert len(batches) > 50
    assert export_onnx(classifier, tmp_path / "it.onnx") <= PARITY
    assert onnx_parity(classifier, tmp_path / "it.onnx", batches) <= PARITY
    if kind == "speakers":
        assert export_onnx(classifier.encoder, tmp_path / "encoder.onnx") <= PARITY
        assert onnx_parity(classifier.encoder, tmp_path / "encoder.onnx", batches) <= PARITY
