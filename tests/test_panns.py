"""CNN6, CNN10 and CNN14: their sizes, their arithmetic, and the files they were published in."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bodysounds.audio.log_mel import LogMel
from bodysounds.models.encoder import Encoder, load_encoder, network, save_encoder
from bodysounds.models.network import EmbeddingNetwork, build_body, embedding_dim
from bodysounds.models.panns import build_panns, panns_dim
from bodysounds.models.panns_weights import load_panns
from bodysounds.models.stages import stage_of, stages_of
from bodysounds.types import Array

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = {"cnn6": (64, 128, 256, 512), "cnn10": (64, 128, 256, 512),
         "cnn14": (64, 128, 256, 512, 1024, 2048)}  # fmt: skip
MILLIONS = {"cnn6": 4.30, "cnn10": 4.69, "cnn14": 75.48}
FILES = {"cnn6": "Cnn6_mAP=0.343.pth", "cnn10": "Cnn10_mAP=0.380.pth",
         "cnn14": "Cnn14_mAP=0.431.pth"}  # fmt: skip
HEARS = {"name": "log_mel", "sample_rate": 4000, "n_fft": 256, "hop": 128, "n_mels": 64,
         "f_min": 50.0, "f_max": 1800.0, "clip_s": 8.0, "fill": "circular"}  # fmt: skip


def norm_shapes(name: str, size: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (size,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def trunk_shapes(network: str) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the published trunk, written down from its description."""
    shapes = norm_shapes("bn0", 64)
    n_in, kernels = 1, (5,) if network == "cnn6" else (3, 3)
    for block, size in enumerate(SIZES[network], 1):
        for number, kernel in enumerate(kernels, 1):
            shapes[f"conv_block{block}.conv{number}.weight"] = (size, n_in, kernel, kernel)
            shapes |= norm_shapes(f"conv_block{block}.bn{number}", size)
            n_in = size
    return shapes


def other_shapes(network: str) -> dict[str, tuple[int, ...]]:
    dim = SIZES[network][-1]
    return {
        "spectrogram_extractor.stft.conv_real.weight": (513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": (513, 1, 1024),
        "logmel_extractor.melW": (513, 64),
        "fc1.weight": (dim, dim),
        "fc1.bias": (dim,),
        "fc_audioset.weight": (527, dim),
        "fc_audioset.bias": (527,),
    }


def published(network: str, *, drawn: bool = False) -> dict[str, Tensor]:
    """A state dict of the published names and shapes; one number each unless drawn."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in (other_shapes(network) | trunk_shapes(network)).items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif drawn and name in trunk_shapes(network):
            spread = 0.02 if len(shape) > 1 else 0.2
            state[name] = spread * torch.randn(shape, generator=generator) + (len(shape) == 1)
            if name.endswith("running_var"):
                state[name].abs_().add_(0.1)
        else:
            # a view: the file stays small
            state[name] = torch.ones(1).expand(shape)
    return state


def slow_forward(state: dict[str, Array], features: Array, rows: str = "frames") -> Array:
    """Embeddings (batch, dim) in float64: sums over shifts, no convolution of torch's."""

    def norm(name: str, found: Array) -> Array:
        scale = state[f"{name}.weight"] / np.sqrt(state[f"{name}.running_var"] + 1e-5)
        shift = state[f"{name}.bias"] - scale * state[f"{name}.running_mean"]
        return found * scale[:, None, None] + shift[:, None, None]

    found = features[:, None]
    if "bn0.weight" in state:
        found = norm("bn0", features.transpose(0, 2, 1)[..., None])[..., 0].transpose(0, 2, 1)
        found = found[:, None]
    if rows == "bands":
        found = found.swapaxes(2, 3)
    block = 1
    while f"conv_block{block}.conv1.weight" in state:
        number = 1
        while f"conv_block{block}.conv{number}.weight" in state:
            weight = state[f"conv_block{block}.conv{number}.weight"]
            kernel, (height, width) = weight.shape[-1], found.shape[2:]
            half = kernel // 2
            padded = np.pad(found, ((0, 0), (0, 0), (half, half), (half, half)))
            total = np.zeros((len(found), len(weight), height, width))
            for i in range(kernel):
                for j in range(kernel):
                    part = padded[:, :, i : i + height, j : j + width]
                    total += np.einsum("oc,bchw->bohw", weight[:, :, i, j], part)
            found = np.maximum(norm(f"conv_block{block}.bn{number}", total), 0)
            number += 1
        if block < 6:
            height, width = found.shape[2] // 2, found.shape[3] // 2
            cut = found[:, :, : 2 * height, : 2 * width]
            found = cut.reshape(*found.shape[:2], height, 2, width, 2).mean(axis=(3, 5))
        block += 1
    columns = found.mean(axis=3)
    return columns.max(axis=2) + columns.mean(axis=2)


def shaken(body: nn.Module, seed: int = 1) -> nn.Module:
    """The network with norms that do something."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in body.state_dict().items():
        if tensor.ndim == 1:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.3)
        if name.endswith(("bias", "running_mean")):
            tensor.sub_(0.8)
    return body.eval()


def plain(state: dict[str, Tensor]) -> dict[str, Array]:
    return {name: weight.double().numpy() for name, weight in state.items()}


# --- the networks ---


@pytest.mark.parametrize("name", SIZES)
def test_the_published_size_and_names(name: str) -> None:
    with torch.device("meta"):
        body = build_panns(name, seed=0)
    millions = sum(weight.numel() for weight in body.parameters()) / 1e6
    assert round(millions, 2) == MILLIONS[name]
    shapes = {key: tuple(weight.shape) for key, weight in body.state_dict().items()}
    assert shapes == trunk_shapes(name)
    assert panns_dim(name) == SIZES[name][-1]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("options", [{}, {"rows": "bands", "input_norm": False}])
def test_the_arithmetic_is_that_of_a_slow_forward_pass(name: str, options: dict[str, Any]) -> None:
    body = shaken(build_panns(name, 0.08, n_mels=35, **options, seed=0))
    features = np.random.default_rng(0).normal(size=(2, 45, 35))
    expected = slow_forward(plain(body.state_dict()), features, options.get("rows", "frames"))
    with torch.inference_mode():
        found = body(torch.from_numpy(features).float())
    assert found.shape == (2, panns_dim(name, 0.08))
    assert expected.std() > 0.01
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("width", "dim"), [(0.25, 128), (0.1, 48), (0.001, 8), (2.0, 1024)])
def test_width_scales_channels(width: float, dim: int) -> None:
    body = build_panns("cnn6", width, seed=0)
    first = body.state_dict()["conv_block1.conv1.weight"]
    assert len(first) == max(8, round(64 * width / 8) * 8)
    assert len(body.state_dict()["conv_block4.conv1.weight"]) == dim
    assert embedding_dim({"name": "cnn6", "width": width}) == dim


def test_the_seed_alone_draws_the_weights() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first = build_panns("cnn10", 0.1, seed=5).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(4)
    again = build_panns("cnn10", 0.1, seed=5).state_dict()
    other = build_panns("cnn10", 0.1, seed=6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    for name in (name for name in first if ".conv" in name and first[name].ndim == 4):
        assert not torch.equal(first[name], other[name])
        # Glorot's uniform: no weight beyond the square root of 6 / (fan in + fan out)
        n_out, n_in, kernel, _ = first[name].shape
        bound = (6 / ((n_in + n_out) * kernel**2)) ** 0.5
        assert 0.9 * bound < first[name].abs().max() <= bound


def test_the_order_of_memory_changes_nothing() -> None:
    body = shaken(build_panns("cnn10", 0.25, seed=0))
    assert body.state_dict()["conv_block2.conv1.weight"].is_contiguous(
        memory_format=torch.channels_last
    )
    features = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        fast = body(features)
        plainly = body.to(memory_format=torch.contiguous_format)(features)  # type: ignore[call-overload]
    torch.testing.assert_close(fast, plainly, rtol=1e-5, atol=1e-5)


def test_autocast_stays_close() -> None:
    body = shaken(build_panns("cnn6", 0.25, seed=0))
    features = torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact = body(features)
        with torch.autocast("cpu", torch.bfloat16):
            rough = body(features)
    assert rough.dtype == torch.bfloat16
    assert 0 < (rough.float() - exact).norm() / exact.norm() < 0.02


def test_each_clip_stands_alone_and_everything_learns() -> None:
    body = shaken(build_panns("cnn14", 0.05, seed=0))
    features = torch.randn(3, 70, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(body(features)[1:2], body(features[1:2]))
    body.train()
    body(features).square().sum().backward()
    for name, weight in body.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0, name


def test_dropout_is_of_training_only() -> None:
    body = shaken(build_panns("cnn6", 0.1, dropout=0.2, seed=0))
    features = torch.randn(2, 32, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(body(features), body(features))
    body.train()
    assert not torch.equal(body(features), body(features))
    without = shaken(build_panns("cnn6", 0.1, seed=0)).train()
    assert torch.equal(without(features), without(features))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cnn8", {}, "a PANN is one of cnn6, cnn10, cnn14, got 'cnn8'"),
        ("cnn6", {"width": 0.0}, "cnn6 needs a width above 0 and at most 4, got 0"),
        ("cnn6", {"width": float("nan")}, "needs a width above 0 and at most 4, got nan"),
        ("cnn14", {"n_mels": 31}, "cnn14 needs at least 32 bands, got n_mels 31"),
        ("cnn6", {"rows": "time"}, "the rows of cnn6 must be frames or bands, got 'time'"),
        ("cnn6", {"dropout": 1.0}, "needs a dropout of at least 0 and below 1, got 1"),
    ],
)
def test_networks_that_there_are_not(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_panns(name, **options, seed=0)


def test_features_that_do_not_fit() -> None:
    body = build_panns("cnn6", 0.1, seed=0)
    with pytest.raises(ValueError, match=r"features of shape \(batch, frames, 64\), got \(2, 80,"):
        body(torch.zeros(2, 80, 32))
    with pytest.raises(ValueError, match="cnn6 needs at least 16 frames, got 15"):
        body(torch.zeros(2, 15, 64))
    assert body(torch.zeros(2, 16, 64)).shape == (2, 48)


def test_the_network_hears_waveforms() -> None:
    module = EmbeddingNetwork({"name": "cnn6", "width": 0.1}, HEARS, seed=0).eval()
    assert isinstance(module.front_end, LogMel)
    assert (module.dim, module.clip_samples, module.fill) == (48, 32_000, "circular")
    waves = 0.1 * torch.randn(2, 32_000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = module.features(waves)
        assert features.shape == (2, 251, 64)
        assert torch.equal(module(waves), module.body(features))
    with pytest.raises(ValueError, match="cnn10 needs the front end log_mel, got 'kaldi'"):
        EmbeddingNetwork({"name": "cnn10"}, {"name": "kaldi"}, seed=0)
    with pytest.raises(ValueError, match=r"the front end .* is not complete: .*'hops'"):
        EmbeddingNetwork({"name": "cnn6"}, HEARS | {"hops": 1}, seed=0)


@pytest.mark.parametrize("name", SIZES)
def test_every_weight_is_in_one_stage(name: str) -> None:
    stages = stages_of({"name": name})
    assert list(stages) == ["bn0", *(f"conv_block{k}" for k in range(1, len(SIZES[name]) + 1))]
    for weight in trunk_shapes(name):
        assert stage_of({"name": name}, weight) == weight.split(".")[0]
    assert "bn0" not in stages_of({"name": name, "input_norm": False})


# --- the published files ---


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("nested", [True, False])
def test_a_published_file_loads(
    name: str, nested: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILES[name]
    state = published(name)
    torch.save({"iteration": 600_000, "model": state} if nested else state, path)
    with caplog.at_level(logging.INFO):
        encoder = load_panns(path)
    assert encoder.architecture == {
        "name": name, "width": 1.0, "n_mels": 64, "input_norm": True, "rows": "frames",
        "dropout": 0.0,
    }  # fmt: skip
    assert encoder.front_end == {}
    shapes = {key: tuple(weight.shape) for key, weight in encoder.state.items()}
    assert shapes == trunk_shapes(name)
    assert encoder.training["loaded_from"] == path.name
    assert encoder.training["ignored"] == sorted(other_shapes(name))
    assert all(key in caplog.text for key in other_shapes(name))


def test_a_loaded_network_computes_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / FILES["cnn6"]
    state = published("cnn6", drawn=True)
    torch.save({"model": state}, path)
    encoder = load_panns(path)
    body = build_body(encoder.architecture, seed=9).eval()
    body.load_state_dict(encoder.state)
    features = np.random.default_rng(0).normal(size=(1, 33, 64))
    with torch.inference_mode():
        found = body(torch.from_numpy(features).float())
    expected = slow_forward(plain(state), features)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)
    # and comes back from a file of ours, its order of memory aside
    heard = Encoder(encoder.state, encoder.architecture, HEARS, encoder.training)
    save_encoder(tmp_path / "encoder.safetensors", heard)
    again = load_encoder(tmp_path / "encoder.safetensors")
    assert again.training["ignored"] == sorted(other_shapes("cnn6"))
    with torch.inference_mode():
        assert torch.equal(network(again).body(torch.from_numpy(features).float()), found)


def test_without_the_norm_of_the_bands(tmp_path: Path) -> None:
    path = tmp_path / FILES["cnn6"]
    torch.save({"model": published("cnn6")}, path)
    encoder = load_panns(path, rows="bands", input_norm=False, dropout=0.2)
    assert not any(name.startswith("bn0.") for name in encoder.state)
    assert set(norm_shapes("bn0", 64)) <= set(encoder.training["ignored"])
    build_body(encoder.architecture, seed=0).load_state_dict(encoder.state)
    assert (encoder.architecture["rows"], encoder.architecture["dropout"]) == ("bands", 0.2)


def test_counters_that_older_files_lack(tmp_path: Path) -> None:
    path = tmp_path / FILES["cnn6"]
    state = published("cnn6")
    torch.save({"model": {k: v for k, v in state.items() if "num_batches" not in k}}, path)
    assert load_panns(path).state["conv_block1.bn1.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv_block3.conv2.weight": None},
         r"lacks the weight 'conv_block3.conv2.weight' \(1 in all\) for the trunk of cnn10"),
        ({"bn0.weight": torch.ones(128)}, r"bn0.weight has the shape \(128,\), cnn10 has \(64,\)"),
        ({"conv_block5.conv1.weight": torch.ones(1)}, "has the unknown weight 'conv_block5.conv1"),
        ({"bn0.bias": torch.full((64,), float("nan"))}, "bn0.bias has NaN or infinite values"),
        ({"conv_block1.conv1.weight": None}, "holds no CNN6, CNN10 or CNN14"),
        ({"conv_block1.conv1.weight": torch.ones(64, 1, 7, 7)}, "holds no CNN6, CNN10 or CNN14"),
    ],
)  # fmt: skip
def test_a_file_of_another_trunk(
    change: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.pth"
    state = {name: weight for name, weight in (published("cnn10") | change).items()
             if weight is not None}  # fmt: skip
    torch.save({"model": state}, path)
    with pytest.raises(ValueError, match=rf"mine.pth.*{message}.*give the published Cnn6_mAP"):
        load_panns(path)


class Surprise:
    """An object: a file may not bring one."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"bn0.weight": 3}}, "holds no weights by name"),
        ([torch.ones(2)], "holds no weights by name"),
        ({}, "holds no weights by name"),
        ({"model": Surprise()}, "is no file of weights"),
    ],
)
def test_a_file_of_other_things(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(ValueError, match=f"other.pth {message}"):
        load_panns(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.pth is no file of weights"):
        load_panns(tmp_path / "gone.pth")
    (tmp_path / "text.pth").write_text("Cnn6")
    with pytest.raises(ValueError, match=r"text\.pth is no file of weights"):
        load_panns(tmp_path / "text.pth")
    whole = tmp_path / FILES["cnn6"]
    torch.save({"model": published("cnn6")}, whole)
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.pth is no file of weights"):
        load_panns(tmp_path / "cut.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Surprise(), 2))
    with pytest.raises(ValueError, match=r"plain\.pth is no file of weights"):
        load_panns(tmp_path / "plain.pth")
