"""wav2vec 2.0 and Hugging Face: folders both ways, published weights, the hub, a catalog entry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
)
from kedro.io import DatasetError, Version
from safetensors.torch import load_file, save_file
from test_wav2vec2 import LAYER, SMALL, small
from torch import Tensor, nn

from bodysounds.audio.waveform import Waveform
from bodysounds.datasets.wav2vec2 import Wav2Vec2Dataset
from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import detached
from bodysounds.models.wav2vec2 import build_wav2vec2
from bodysounds.models.wav2vec2_folder import classifier_from_hf, classifier_to_hf
from bodysounds.models.wav2vec2_published import load_published

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ["crying", "normal", "screaming"]
RENAMED = (("parametrizations.weight.original0", "weight_g"),
           ("parametrizations.weight.original1", "weight_v"))  # fmt: skip


def made(seed: int = 1, normalise: bool = True, **changes: Any) -> Classifier:
    body = small(seed, **changes)
    generator = torch.Generator().manual_seed(seed)
    head = {
        "weight": torch.randn((3, 12), generator=generator),
        "bias": torch.randn(3, generator=generator),
    }
    front_end = {
        "name": "waveform", "sample_rate": 16_000, "normalise": normalise, "clip_s": 0.3,
        "fill": "repeat",
    }  # fmt: skip
    architecture = {"name": "wav2vec2", "config": body.config}
    encoder = Encoder(detached(body), architecture, front_end, {"seed": seed})
    return Classifier(encoder, head, list(LABELS), {"epochs": 3, "dev_accuracy": 0.5})


def waves() -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(5_000) + 0.02).astype(np.float32) for _ in range(4)]


def our_logits(classifier: Classifier) -> Tensor:
    encoder = classifier.encoder
    body = build_wav2vec2(encoder.architecture["config"], seed=0)
    body.load_state_dict(encoder.state)
    front_end = Waveform(16_000, encoder.front_end["normalise"])
    with torch.no_grad():
        embedded = body.eval()(front_end(torch.from_numpy(np.stack(waves()))))
        return embedded @ classifier.head["weight"].T + classifier.head["bias"]


def their_logits(folder: Path) -> tuple[Tensor, Any]:
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    model = AutoModelForAudioClassification.from_pretrained(folder).eval()
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    heard = extractor(waves(), sampling_rate=16_000, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**heard).logits, model


def same(one: Classifier, other: Classifier) -> bool:
    def plain(classifier: Classifier) -> Any:
        encoder = classifier.encoder
        return (
            encoder.architecture, encoder.front_end, encoder.training, classifier.labels,
            classifier.training,
        )  # fmt: skip

    def equal(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
        return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)

    states = equal(one.encoder.state, other.encoder.state) and equal(one.head, other.head)
    return states and plain(one) == plain(other)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    "changes", [{}, LAYER, {"use_weighted_layer_sum": True}, {"normalise": False}]
)
def test_transformers_loads_what_is_saved(tmp_path: Path, changes: dict[str, Any]) -> None:
    classifier = made(**changes)
    classifier_to_hf(classifier, tmp_path / "model")
    theirs, model = their_logits(tmp_path / "model")
    torch.testing.assert_close(our_logits(classifier), theirs, rtol=1e-4, atol=1e-5)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id == {label: k for k, label in enumerate(LABELS)}
    assert next(model.parameters()).dtype == torch.float32
    assert model.config.mask_time_prob == 0.05
    assert model.config.apply_spec_augment
    extractor = json.loads((tmp_path / "model/preprocessor_config.json").read_text())
    assert extractor["return_attention_mask"] == (changes is LAYER)


@pytest.mark.parametrize("normalise", [True, False])
def test_what_transformers_saved_is_loaded(tmp_path: Path, normalise: bool) -> None:
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    # classes in an order that is not that of their names
    names = {0: "screaming", 1: "crying", 2: "normal"}
    torch.manual_seed(0)
    model = Wav2Vec2ForSequenceClassification(
        Wav2Vec2Config(**SMALL, id2label=names, label2id={v: k for k, v in names.items()})
    )
    nn.init.normal_(model.classifier.weight)
    model.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(do_normalize=normalise).save_pretrained(tmp_path)
    classifier = classifier_from_hf(tmp_path)
    assert classifier.labels == LABELS
    assert classifier.encoder.front_end == {
        "name": "waveform", "sample_rate": 16_000, "normalise": normalise,
    }  # fmt: skip
    assert classifier.encoder.training == {"loaded_from": tmp_path.name}
    theirs, _ = their_logits(tmp_path)
    order = [list(names.values()).index(label) for label in LABELS]
    torch.testing.assert_close(our_logits(classifier), theirs[:, order], rtol=1e-4, atol=1e-5)


def test_a_classifier_comes_back_and_equal_ones_give_equal_bytes(tmp_path: Path) -> None:
    classifier = made()
    classifier_to_hf(classifier, tmp_path / "one")
    back = classifier_from_hf(tmp_path / "one")
    assert same(back, classifier)
    assert not same(back, made(2))
    (tmp_path / "two").mkdir()
    classifier_to_hf(back, tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert set(content(tmp_path / "one")) == {
        "config.json", "preprocessor_config.json", "model.safetensors", "bodysounds.json",
    }  # fmt: skip


def test_a_folder_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier_to_hf(made(), tmp_path / "model")
    before = content(tmp_path / "model")
    with pytest.raises(ValueError, match="model is there already"):
        classifier_to_hf(made(2), tmp_path / "model")
    assert content(tmp_path / "model") == before

    def fail(*paths: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        classifier_to_hf(made(), tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_only_a_wav2vec2_is_saved_as_a_folder(tmp_path: Path) -> None:
    encoder = Encoder({}, {"name": "resnet18", "width": 8}, {})
    with pytest.raises(ValueError, match=r"only a wav2vec2 .* got .*resnet18"):
        classifier_to_hf(Classifier(encoder, {}, []), tmp_path / "model")


def pretrained(folder: Path, kind: str) -> Tensor:
    """Save a pretrained model as it may be found, and return what its encoder hears."""
    import transformers

    torch.manual_seed(3)
    vectors = {"num_codevectors_per_group": 4, "codevector_dim": 8, "proj_codevector_dim": 8}
    model = getattr(transformers, kind)(transformers.Wav2Vec2Config(**SMALL, **vectors)).eval()
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    network = getattr(model, "wav2vec2", model)
    heard = Waveform()(torch.from_numpy(np.stack(waves())))
    with torch.no_grad():
        hidden: Tensor = network(heard).last_hidden_state.mean(dim=1)
    return hidden


def embedded(encoder: Encoder) -> Tensor:
    body = build_wav2vec2(encoder.architecture["config"], seed=0)
    body.load_state_dict(encoder.state)
    with torch.no_grad():
        return body.eval()(Waveform()(torch.from_numpy(np.stack(waves()))))


@pytest.mark.parametrize("kind", ["Wav2Vec2Model", "Wav2Vec2ForPreTraining", "Wav2Vec2ForCTC"])
@pytest.mark.parametrize("older", [False, True])
def test_pretrained_weights_start_a_network(tmp_path: Path, kind: str, older: bool) -> None:
    hidden = pretrained(tmp_path, kind)
    if older:
        state = load_file(tmp_path / "model.safetensors")
        for new, old in RENAMED:
            state = {name.replace(new, old): weight for name, weight in state.items()}
        torch.save(state, tmp_path / "pytorch_model.bin")
        (tmp_path / "model.safetensors").unlink()
    start = load_published(tmp_path, seed=5)
    found = embedded(start)
    projected = hidden @ start.state["projector.weight"].T + start.state["projector.bias"]
    torch.testing.assert_close(found, projected, rtol=1e-4, atol=1e-5)
    assert start.training["drawn"] == ["projector.weight", "projector.bias"]
    assert start.training["loaded_from"] == tmp_path.name
    assert start.training["revision"] is None
    ignored = {name.split(".")[0] for name in start.training["ignored"]}
    assert (
        ignored
        == {
            "Wav2Vec2Model": set(),
            "Wav2Vec2ForPreTraining": {"quantizer", "project_hid", "project_q"},
            "Wav2Vec2ForCTC": {"lm_head"},
        }[kind]
    )
    drawn = [load_published(tmp_path, seed=seed).state["projector.weight"] for seed in (5, 6)]
    assert torch.equal(drawn[0], start.state["projector.weight"])
    assert not torch.equal(drawn[0], drawn[1])


def test_the_config_of_published_weights_can_be_changed(tmp_path: Path) -> None:
    pretrained(tmp_path, "Wav2Vec2Model")
    start = load_published(
        tmp_path, {"layerdrop": 0.0, "mask_time_prob": 0.0, "classifier_proj_size": 7}
    )
    assert start.architecture["config"]["layerdrop"] == 0.0
    assert start.training["ignored"] == ["wav2vec2.masked_spec_embed"]
    assert embedded(start).shape == (4, 7)
    with pytest.raises(ValueError, match="unknown key 'layer_drop'"):
        load_published(tmp_path, {"layer_drop": 0.0})
    with pytest.raises(ValueError, match=r"layers\.2.* for its architecture"):
        load_published(tmp_path, {"num_hidden_layers": 3})


def test_a_fine_tuned_folder_starts_a_network_too(tmp_path: Path) -> None:
    classifier = made()
    classifier_to_hf(classifier, tmp_path / "model")
    start = load_published(tmp_path / "model")
    assert start.training["drawn"] == []
    assert start.training["ignored"] == ["classifier.bias", "classifier.weight"]
    for name, weight in classifier.encoder.state.items():
        assert torch.equal(start.state[name], weight)
    smaller = load_published(tmp_path / "model", {"classifier_proj_size": 5})
    assert smaller.training["drawn"] == ["projector.weight", "projector.bias"]


def test_weights_in_several_files_are_one(tmp_path: Path) -> None:
    classifier_to_hf(made(), tmp_path / "model")
    expected = classifier_from_hf(tmp_path / "model")
    file = tmp_path / "model/model.safetensors"
    state, where = load_file(file), {}
    for number, names in enumerate((sorted(state)[::2], sorted(state)[1::2])):
        part = f"model-{number}.safetensors"
        save_file({name: state[name] for name in names}, tmp_path / "model" / part)
        where |= dict.fromkeys(names, part)
    file.unlink()
    index = tmp_path / "model/model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    assert same(classifier_from_hf(tmp_path / "model"), expected)
    (tmp_path / "model/model-1.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model-1.safetensors is no file of weights"):
        classifier_from_hf(tmp_path / "model")


def edit(file: str, **changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        own = json.loads((folder / file).read_text()) | changes
        (folder / file).write_text(json.dumps(own))

    return change


def weights(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors", {"format": "pt"})

    return changed


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def in_torch(kind: str) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        file = folder / "pytorch_model.bin"
        if kind == "code":
            torch.save({"wav2vec2.a": Path("a path is no tensor")}, file)
        elif kind == "list":
            torch.save([1, 2], file)
        else:
            torch.save(state, file)
            file.write_bytes(file.read_bytes()[:-2_000])

    return changed


K, V = "wav2vec2.encoder.layers.1.attention.k_proj.weight", "wav2vec2.encoder.layer_norm.weight"
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "holds no config.json"),
    "no JSON": (
        lambda f: (f / "config.json").write_text("{"),
        "config.json cannot be read as JSON",
    ),
    "a list": (lambda f: (f / "config.json").write_text("[1]"), "cannot be read as JSON"),
    "another": (edit("config.json", model_type="hubert"), "of a model of type 'hubert'"),
    "adapters": (edit("config.json", add_adapter=True), "has adapters"),
    "impossible": (edit("config.json", layerdrop=3), "config.json: .*layerdrop is 3"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "holds no model.safetensors and"),
    "cut": (cut, "model.safetensors is no file of weights, or cut short"),
    "cut bin": (in_torch("cut"), "pytorch_model.bin is no file of weights, or cut short"),
    "code": (in_torch("code"), "pytorch_model.bin is no file of weights"),
    "list": (in_torch("list"), "pytorch_model.bin holds no weights by name"),
    "shape": (weights(lambda s: s.update({K: torch.zeros(3, 3)})), r"k_proj.weight' of shape \(3"),
    "lacking": (weights(lambda s: s.pop(V)), "lacks weight 'wav2vec2.encoder.layer_norm.weight'"),
    "layers": (edit("config.json", num_hidden_layers=3), "lacks weight .*layers.2"),
    "other": (
        weights(lambda s: (s.clear(), s.update(a=torch.zeros(2)))),
        "holds no weights of a wav2vec2",
    ),
}
OF_A_CLASSIFIER: dict[str, tuple[Callable[[Path], object], str]] = {
    "no head": (weights(lambda s: (s.pop("classifier.weight"), s.pop("classifier.bias"))),
                "has no classifier, as after pretraining: .*published"),
    "no names": (edit("config.json", id2label=None), r"does not name each .*\(id2label\)"),
    "twice": (edit("config.json", id2label={"0": "a", "1": "b", "2": "b"}), "does not name each"),
    "a gap": (edit("config.json", id2label={"0": "a", "1": "b", "3": "c"}), "does not name each"),
    "too few": (edit("config.json", id2label={"0": "a", "1": "b"}), "a head .* its 2 labels"),
    "format": (edit("bodysounds.json", format="x/1"), "bodysounds.json has the format 'x/1'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    classifier_to_hf(made(), folder)
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_that_is_no_wav2vec2_is_named(tmp_path: Path, saved: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    folder = Path(shutil.copytree(saved, tmp_path / "given"))
    change(folder)
    for load in (load_published, classifier_from_hf):
        with pytest.raises(ValueError, match=f"given.*{message}") as error:
            load(folder)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("fault", OF_A_CLASSIFIER)
def test_a_folder_that_is_no_classifier_is_named(tmp_path: Path, saved: Path, fault: str) -> None:
    change, message = OF_A_CLASSIFIER[fault]
    folder = Path(shutil.copytree(saved, tmp_path / "given"))
    change(folder)
    with pytest.raises(ValueError, match=f"given.*{message}"):
        classifier_from_hf(folder)
    assert load_published(folder).training["loaded_from"] == "given"


def test_the_hub_is_asked_for_a_name_alone(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    snapshot = tmp_path / "snapshots/0123abc"
    snapshot.mkdir(parents=True)

    def download(name: str, file: str) -> str:
        asked.append((name, file))
        if file == "model.safetensors":
            raise made_error(RemoteEntryNotFoundError)
        if file == "pytorch_model.bin":
            torch.save(load_file(saved / "model.safetensors"), snapshot / file)
        else:
            shutil.copy(saved / file, snapshot / file)
        return str(snapshot / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    load_published(saved)
    for where in (tmp_path / "none", "~/none/here", "./none/here", "none"):
        with pytest.raises(ValueError, match=f"{where} does not exist"):
            load_published(where)
    assert not asked
    start = load_published("someone/wav2vec2-small")
    assert [file for _, file in asked] == [
        "config.json", "model.safetensors", "pytorch_model.bin", "preprocessor_config.json",
    ]  # fmt: skip
    assert start.training["loaded_from"] == "someone/wav2vec2-small"
    assert start.training["revision"] == "0123abc"


def made_error(kind: type[Exception]) -> Exception:
    """An error of the hub without the answer of a server."""
    error = kind.__new__(kind)
    error.args = ("no answer\nsecond line",)
    return error


@pytest.mark.parametrize("kind", [LocalEntryNotFoundError, OfflineModeIsEnabled, TimeoutError])
def test_a_hub_out_of_reach_is_said(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    def download(name: str, file: str) -> str:
        raise made_error(kind)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(ValueError, match=r"a/b is no folder here.*does not give it") as error:
        load_published("a/b")
    assert "second line" not in str(error.value)


def test_the_catalog_entry_keeps_versions(tmp_path: Path) -> None:
    path = tmp_path / "wav2vec2.classifier"
    for number, version in enumerate(("2024-01-01T00.00.00.000Z", "2024-01-02T00.00.00.000Z")):
        dataset = Wav2Vec2Dataset(filepath=str(path), version=Version(None, version))
        assert dataset.exists() == (number > 0)
        dataset.save(made(number + 1))
        assert dataset.exists()
    latest = Wav2Vec2Dataset(filepath=str(path), version=Version(None, None))
    assert latest.exists()
    assert latest.resolve_load_version() == "2024-01-02T00.00.00.000Z"
    assert same(latest.load(), made(2))
    first = Wav2Vec2Dataset(filepath=str(path), version=Version("2024-01-01T00.00.00.000Z", None))
    assert same(first.load(), made(1))
    assert same(classifier_from_hf(path), made(2))

    folder = path / "2024-01-01T00.00.00.000Z" / path.name
    single = Wav2Vec2Dataset(filepath=str(folder), version=Version(None, None))
    assert single.exists()
    assert single.resolve_load_version() is None
    assert same(single.load(), made(1))
    with pytest.raises(DatasetError, match="is a single classifier"):
        single.save(made(2))


def test_nothing_is_shown_and_nothing_heavy_is_imported(tmp_path: Path) -> None:
    classifier_to_hf(made(), tmp_path / "model")
    program = f"""
import sys
import bodysounds.datasets.wav2vec2, bodysounds.models.stages
assert not {{"torch", "transformers"}} & set(sys.modules)
from bodysounds.models import wav2vec2_folder, wav2vec2_lengths, wav2vec2_published
assert "transformers" not in sys.modules
made = wav2vec2_folder.classifier_from_hf({str(tmp_path / "model")!r})
wav2vec2_folder.classifier_to_hf(made, {str(tmp_path / "again")!r})
wav2vec2_published.load_published({str(tmp_path / "again")!r})
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
