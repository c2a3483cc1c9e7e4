"""SpeechBrain's pretrained folder: the same embeddings, nothing executed, misfits named."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from kedro.io import DatasetError, Version

# first of all that imports SpeechBrain: it keeps its changes of global numerics out
from bodysounds._speechbrain import ECAPA_TDNN
from bodysounds.datasets.encoder import EncoderDataset
from bodysounds.models.encoder import (
    Encoder,
    load_encoder,
    network,
    save_encoder,
    state_sha256,
    untrained,
)
from bodysounds.models.network import build_body
from bodysounds.models.transfer import load_weights

# the form of the published file; sizes, and options that small networks need, are filled in
HYPERPARAMS = """
# Model: ECAPA for speaker verification
n_mels: {n_mels}
pretrained_path: {path}
out_n_neurons: {speakers}

compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: !ref <n_mels>

mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False

embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: !ref <n_mels>
    channels: {channels}
    kernel_sizes: {kernels}
    dilations: {dilations}
    attention_channels: {attention}
    lin_neurons: {dim}{small}

classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: {dim}
    out_neurons: !ref <out_n_neurons>

mean_var_norm_emb: !new:speechbrain.processing.features.InputNormalization
    norm_type: global
    std_norm: False

modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    mean_var_norm_emb: !ref <mean_var_norm_emb>
    classifier: !ref <classifier>

label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        mean_var_norm_emb: !ref <mean_var_norm_emb>
        classifier: !ref <classifier>
        label_encoder: !ref <label_encoder>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
        mean_var_norm_emb: !ref <pretrained_path>/mean_var_norm_emb.ckpt
        classifier: !ref <pretrained_path>/classifier.ckpt
        label_encoder: !ref <pretrained_path>/label_encoder.txt
"""
LARGE = {"n_mels": 80, "channels": 1024, "depth": 3, "dim": 192}
SMALL = {"n_mels": 24, "channels": 16, "depth": 2, "dim": 12}


def folder_of(folder: Path, size: dict[str, int], seed: int = 0) -> Path:
    """Write a folder as SpeechBrain publishes it, with random weights, by its own classes."""
    from speechbrain.lobes.models.ECAPA_TDNN import Classifier

    from bodysounds.models.ecapa import res2net_scale

    folder.mkdir()
    channels, depth = size["channels"], size["depth"]
    squeeze = min(128, max(8, channels // 2))
    options: dict[str, Any] = {
        "channels": [channels] * (depth + 1) + [3 * channels],
        "kernel_sizes": [5, *[3] * depth, 1],
        "dilations": [1, *range(2, depth + 2), 1],
        "attention_channels": squeeze,
        "lin_neurons": size["dim"],
    }
    small = {}
    if size != LARGE:
        small = {
            "se_channels": squeeze,
            "res2net_scale": res2net_scale(channels),
            "groups": [1] * (depth + 2),
        }
    torch.manual_seed(seed)
    body = ECAPA_TDNN(size["n_mels"], **options, **small)
    for module in body.modules():  # statistics as training leaves them, not zeros and ones
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    torch.save(body.state_dict(), folder / "embedding_model.ckpt")
    speakers = 7
    torch.save(
        Classifier(size["dim"], out_neurons=speakers).state_dict(), folder / "classifier.ckpt"
    )
    mean = {"count": 3, "glob_mean": torch.randn(size["dim"]), "glob_std": torch.ones(1)}
    torch.save({**mean, "spk_dict_mean": {}}, folder / "mean_var_norm_emb.ckpt")
    labels = [f"'id{k:05d}' => {k}" for k in range(speakers)]
    end = ["=" * 16, "'starting_index' => 0"]
    (folder / "label_encoder.txt").write_text("\n".join([*labels, *end]) + "\n")
    (folder / "hyperparams.yaml").write_text(
        HYPERPARAMS.format(
            path=folder,
            speakers=speakers,
            n_mels=size["n_mels"],
            channels=options["channels"],
            kernels=options["kernel_sizes"],
            dilations=options["dilations"],
            attention=squeeze,
            dim=size["dim"],
            small="".join(f"\n    {name}: {value}" for name, value in small.items()),
        )
    )
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "spkrec-ecapa", SMALL)


def speechbrain_embeddings(
    folder: Path, waveforms: torch.Tensor, normalize: bool = False
) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from speechbrain.inference import EncoderClassifier

        theirs = EncoderClassifier.from_hparams(source=str(folder), savedir=str(folder))
        with torch.inference_mode():
            found: torch.Tensor = theirs.encode_batch(waveforms, normalize=normalize)
    return found.squeeze(1)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "published"])
def test_embeddings_equal_those_of_encode_batch(tmp_path: Path, size: dict[str, int]) -> None:
    folder = folder_of(tmp_path / "folder", size)
    encoder = load_encoder(folder)
    assert encoder.architecture == {"name": "ecapa", **size}
    waveforms = 0.1 * torch.randn(2, 9_000, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = network(encoder)(waveforms)
    theirs = speechbrain_embeddings(folder, waveforms)
    assert ours.shape == theirs.shape == (2, size["dim"])
    assert float(theirs.std()) > 1e-3  # not equal because both are nothing
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    centred = speechbrain_embeddings(folder, waveforms, normalize=True)
    assert float((centred - ours).abs().max()) > 0.1


def test_the_record_says_where_the_weights_came_from(small: Path, tmp_path: Path) -> None:
    encoder = load_encoder(small)
    weights = (small / "embedding_model.ckpt").read_bytes()
    assert encoder.training == {
        "loaded_from": "spkrec-ecapa",
        "published_as": str(small),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    assert encoder.front_end == {
        "name": "speechbrain",
        "sample_rate": 16_000,
        "n_mels": 24,
        "mean_over": "band",
    }
    save_encoder(tmp_path / "e.safetensors", encoder)  # it is an encoder like others
    again = load_encoder(tmp_path / "e.safetensors")
    assert again.training == encoder.training
    assert state_sha256(again.state) == state_sha256(encoder.state)


class Trap:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "executed")


def test_the_catalog_takes_a_folder_as_it_stands(small: Path) -> None:
    dataset = EncoderDataset(filepath=str(small), version=Version(None, "v"))
    assert dataset.exists()
    assert dataset.resolve_load_version() is None
    assert state_sha256(dataset.load().state) == state_sha256(load_encoder(small).state)
    with pytest.raises(DatasetError, match="is a single encoder"):
        dataset.save(load_encoder(small))


def test_nothing_of_a_folder_is_executed(small: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    settings = small / "hyperparams.yaml"
    text = settings.read_text()
    calls = (
        f"evil: !apply:pathlib.Path.write_text [!new:pathlib.Path [{mark}], executed]\n"
        f"worse: !!python/object/apply:os.system ['touch {mark}']\n"
    )
    settings.write_text(text + calls)
    load_encoder(small)
    assert not mark.exists()
    torch.save({"fc.conv.weight": Trap(mark)}, small / "embedding_model.ckpt")
    with pytest.raises(ValueError, match=r"embedding_model.ckpt is no file of weights"):
        load_encoder(small)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists()  # the trap works where it is let


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("norm_type: sentence", "norm_type: global", "norm_type 'global'.*with 'sentence'"),
        ("std_norm: False\n\nemb", "std_norm: True\n\nemb", "std_norm True.*with False"),
        ("n_mels: 24", "n_mels: 40", "n_mels 40.*with 24"),
        ("dilations: [1, 2, 3, 1]", "dilations: [1, 1, 1, 1]", r"dilations \[1, 1, 1, 1\]"),
        ("n_mels: !ref <n_mels>\n", "n_mels: 24\n    sample_rate: 8000\n", "sample_rate 8000"),
        ("n_mels: !ref <n_mels>\n", "n_mels: 24\n    n_fft: 512\n", "n_fft 512.*with 400"),
        ("n_mels: !ref <n_mels>\n", "n_mels: 24\n    log: 1\n", "sets compute_features.log"),
        ("lin_neurons: 12", "activation: !name:torch.nn.GELU", "activation '!name:torch.nn.GELU'"),
        ("features.Fbank", "features.MFCC", "has no compute_features: !new:.*Fbank"),
        ("ECAPA_TDNN.ECAPA_TDNN", "Xvector.Xvector", "has no embedding_model: !new:"),
        ("# Model: ECAPA", "[ ECAPA", "hyperparams.yaml is no YAML"),
    ],
)
def test_settings_of_another_network_are_named(small: Path, old: str, new: str, said: str) -> None:
    settings = small / "hyperparams.yaml"
    text = settings.read_text()
    assert old in text
    settings.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=said) as caught:
        load_encoder(small)
    assert str(settings) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_of_no_effect_and_defaults_spelled_out_are_taken(small: Path) -> None:
    """As the hyperparameters of the CryCeleb2023 baseline spell them out."""
    settings = small / "hyperparams.yaml"
    text = settings.read_text().replace("n_mels: 24\n", "n_mels: 24\ndeltas: False\nleft: 0\n", 1)
    more = "n_mels: !ref <n_mels>\n    left_frames: !ref <left>\n    deltas: !ref <deltas>\n"
    settings.write_text(text.replace("n_mels: !ref <n_mels>\n", more, 1) + "seed: !PLACEHOLDER\n")
    assert load_encoder(small).architecture["n_mels"] == 24
    settings.write_text(settings.read_text().replace("deltas: False", "deltas: True"))
    with pytest.raises(ValueError, match="deltas True"):
        load_encoder(small)


def test_weights_of_another_network_are_named(small: Path, tmp_path: Path) -> None:
    path = small / "embedding_model.ckpt"
    state = torch.load(path, weights_only=True)

    def refused(content: Any, said: str) -> None:
        torch.save(content, path)
        with pytest.raises(ValueError, match=said) as caught:
            load_encoder(small)
        assert str(path) in str(caught.value)

    refused({k: v for k, v in state.items() if k != "asp.conv.conv.bias"}, "lacks weight 'asp.conv")
    refused({**state, "asp.conv.conv.bias": torch.zeros(3)}, r"of shape \(3,\)")
    refused({"weight": torch.zeros(3)}, "no weights of SpeechBrain's ECAPA_TDNN")
    refused([1, 2], "holds no weights by name")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ValueError, match=r"is cut short"):
        load_encoder(small)
    torch.save(state, path)
    (small / "hyperparams.yaml").unlink()
    with pytest.raises(ValueError, match=r"hyperparams.yaml is not there"):
        load_encoder(small)


def test_the_settings_of_the_test_are_those_that_speechbrain_reads(small: Path) -> None:
    """Its own parser agrees with the plain reading, so the test's file is no invention of ours."""
    from hyperpyyaml import load_hyperpyyaml

    from bodysounds.models.hyperparams import read_hyperparams

    plain = read_hyperparams(small / "hyperparams.yaml")
    with open(small / "hyperparams.yaml") as file:
        theirs = load_hyperpyyaml(file)
    assert plain["n_mels"] == theirs["n_mels"] == 24
    assert plain.keys() == theirs.keys()
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load((small / "hyperparams.yaml").read_text())


# --- weights of one network into another ----------------------------------------------------------


def body(**changes: int) -> torch.nn.Module:
    return build_body({"name": "ecapa", **SMALL, **changes}, seed=5)


def test_strict_takes_everything(small: Path) -> None:
    encoder, module = load_encoder(small), body()
    loaded = load_weights(module, encoder.state, strict=True)
    assert set(loaded.matched) == set(encoder.state)
    assert loaded.missing == loaded.skipped == ()
    assert state_sha256(module.state_dict()) == state_sha256(encoder.state)


def test_another_dimension_skips_only_the_last_layer(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "folder", {**SMALL, "dim": 192})
    encoder, module = load_encoder(folder), body()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with pytest.raises(
        ValueError, match=r"2 weights do not fit, the first is fc.conv.weight: its "
    ):
        load_weights(module, encoder.state, strict=True)
    assert state_sha256(module.state_dict()) == state_sha256(before)  # refused whole
    loaded = load_weights(module, encoder.state, strict=False)
    last = {"fc.conv.weight", "fc.conv.bias"}
    assert set(loaded.matched) == set(before) - last
    assert loaded.missing == ()
    assert loaded.skipped == (
        "fc.conv.weight: its shape is (192, 96, 1), the network's (12, 96, 1)",
        "fc.conv.bias: its shape is (192,), the network's (12,)",
    )
    after = module.state_dict()
    assert all(torch.equal(after[name], encoder.state[name]) for name in loaded.matched)
    assert all(torch.equal(after[name], before[name]) for name in last)


def test_what_either_lacks_is_listed(small: Path) -> None:
    encoder = load_encoder(small)
    deeper = body(depth=3)
    loaded = load_weights(deeper, {**encoder.state, "classifier.w": torch.ones(2)}, strict=False)
    assert loaded.missing
    assert all(name.startswith("blocks.3.") for name in loaded.missing)
    assert "classifier.w: the network has none of that name" in loaded.skipped
    own = set(deeper.state_dict())
    shapes = {line.split(":")[0] for line in loaded.skipped} & own
    assert set(loaded.matched) | set(loaded.missing) | shapes == own
    with pytest.raises(ValueError, match=r"first is mfa.conv.conv.weight.*init_strict: false"):
        load_weights(body(depth=3), encoder.state, strict=True)
    with pytest.raises(ValueError, match=r"the first is fc.conv.bias: the other network lacks it"):
        load_weights(
            body(), {k: v for k, v in encoder.state.items() if k != "fc.conv.bias"}, strict=True
        )


def test_where_nothing_matches_it_is_said(small: Path) -> None:
    encoder = load_encoder(small)
    other = untrained(Encoder({}, {"name": "ecapa", **LARGE}, encoder.front_end), seed=0)
    module = body()
    # counters of batches have equal names and shapes in both, and say nothing
    with pytest.raises(ValueError, match=r"none of the .* weights fits"):
        load_weights(module, other.state, strict=False)
    with pytest.raises(ValueError, match="none of the 0 weights fits"):
        load_weights(module, {}, strict=False)


def test_weights_that_are_not_finite_are_named(small: Path) -> None:
    state = dict(load_encoder(small).state)
    state["fc.conv.bias"] = torch.full((12,), float("nan"))
    with pytest.raises(ValueError, match=r"'fc.conv.bias' to start from has NaN"):
        load_weights(body(), state, strict=False)
