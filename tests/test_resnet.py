"""ResNet-18: published names and shapes, published weights, an encoder like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import torch
from torch import Tensor

from bodysounds.models.encoder import (
    Encoder,
    check_state,
    load_encoder,
    network,
    save_encoder,
    state_sha256,
    untrained,
)
from bodysounds.models.network import EmbeddingNetwork, build_body, detached
from bodysounds.models.resnet import ResNet18, build_resnet18, read_torchvision
from bodysounds.scoring.embed import embed_sides, embed_waveforms
from bodysounds.training.classifier_start import load_start

FRONT_END: dict[str, Any] = {
    "name": "stft_image", "sample_rate": 16_000, "clip_s": 0.4, "fill": "repeat", "n_fft": 128,
    "win_s": 0.008, "hop_s": 0.004, "log": True, "size": 32, "normalise": "min_max",
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of torchvision's resnet18, from the table of He et al. 2015."""

    def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (channels,) for part in parts} | {
            f"{name}.num_batches_tracked": ()
        }

    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)} | norm("bn1", 64)
    before = 64
    for layer, channels in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name = f"layer{layer}.{block}"
            shapes[f"{name}.conv1.weight"] = (channels, before, 3, 3)
            shapes |= norm(f"{name}.bn1", channels)
            shapes[f"{name}.conv2.weight"] = (channels, channels, 3, 3)
            shapes |= norm(f"{name}.bn2", channels)
            if before != channels:
                shapes[f"{name}.downsample.0.weight"] = (channels, before, 1, 1)
                shapes |= norm(f"{name}.downsample.1", channels)
            before = channels
    return shapes | {"fc.weight": (1000, 512), "fc.bias": (1000,)}


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(shape, generator=generator) + 0.1 if shape else torch.tensor(7)
        for name, shape in published_shapes().items()
    }


def slow_forward(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Return the pooled vector, written out without modules."""

    def conv(name: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
        return torch.conv2d(x, state[f"{name}.weight"], stride=stride, padding=padding)

    def norm(name: str, x: Tensor) -> Tensor:
        of = {part: state[f"{name}.{part}"][None, :, None, None] for part in
              ("weight", "bias", "running_mean", "running_var")}  # fmt: skip
        return (x - of["running_mean"]) / (of["running_var"] + 1e-5).sqrt() * of["weight"] + of[
            "bias"
        ]

    x = norm("bn1", conv("conv1", images, 2, 3)).clamp_min(0)
    x = torch.max_pool2d(x, 3, 2, 1)
    for layer in range(1, 5):
        for block in range(2):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            short = x
            if f"{name}.downsample.0.weight" in state:
                short = norm(
                    f"{name}.downsample.1", conv(f"{name}.downsample.0", x, stride, padding=0)
                )
            y = norm(f"{name}.bn1", conv(f"{name}.conv1", x, stride)).clamp_min(0)
            x = (norm(f"{name}.bn2", conv(f"{name}.conv2", y)) + short).clamp_min(0)
    return x.mean(dim=(2, 3))


def test_names_shapes_and_count_are_those_published(published: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        body = build_resnet18(seed=0)
    own = {name: tuple(weight.shape) for name, weight in body.state_dict().items()}
    theirs = {k: v for k, v in published_shapes().items() if not k.startswith("fc.")}
    assert own == theirs
    count = sum(weight.numel() for weight in body.parameters())
    assert count + 512 * 1000 + 1000 == 11_689_512
    assert len(published) == 122


def test_the_network_is_that_of_the_paper() -> None:
    body = build_resnet18(8, seed=3)
    for name, weight in body.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            weight.normal_(generator=torch.Generator().manual_seed(len(name)))
        if name.endswith("running_var"):
            weight.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(len(name)))
    images = torch.randn((2, 3, 50, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = body.eval()(images)
    assert found.shape == (2, 64)
    torch.testing.assert_close(found, slow_forward(body.state_dict(), images), rtol=1e-4, atol=1e-5)


def test_weights_follow_the_seed_alone() -> None:
    before = torch.random.get_rng_state()
    first, same, other = (state_sha256(detached(build_resnet18(8, seed=s))) for s in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first == same != other


@pytest.mark.parametrize(("dim", "size"), [(None, 64), (64, 64), (10, 10)])
def test_another_size_of_embedding_adds_a_layer(dim: int | None, size: int) -> None:
    body = build_resnet18(8, dim, seed=0)
    assert ("project.weight" in body.state_dict()) == (size != 64)
    module = EmbeddingNetwork({"name": "resnet18", "width": 8, "dim": dim}, FRONT_END, 0)
    assert module.dim == size
    assert module.eval()(torch.zeros(2, 3000)).shape == (2, size)


@pytest.mark.parametrize("counters", [True, False])
def test_published_weights_start_a_network(
    tmp_path: Path, published: dict[str, Tensor], counters: bool
) -> None:
    content = {k: v for k, v in published.items() if counters or "num_batches" not in k}
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(content, path)
    state, left = read_torchvision(path)
    assert left == ("fc.weight", "fc.bias")
    body = build_resnet18(seed=0)
    body.load_state_dict(state)
    assert torch.equal(body.state_dict()["layer4.1.conv2.weight"], content["layer4.1.conv2.weight"])
    assert int(state["bn1.num_batches_tracked"]) == (7 if counters else 0)
    start = load_start(path)
    assert start.architecture == {"name": "resnet18", "width": 64}
    assert start.training == {
        "loaded_from": "resnet18-f37072fd.pth",
        "ignored": ["fc.weight", "fc.bias"],
    }
    check_state(start, "the file")


def test_files_that_are_no_weights_are_named(tmp_path: Path) -> None:
    class Other:
        pass

    for name, content, message in (
        ("code.pth", {"conv1.weight": Other()}, "no file of weights"),
        ("list.pth", [torch.zeros(2)], "holds no weights of a ResNet"),
        ("other.pth", {"a.weight": torch.zeros(2)}, "holds no weights of a ResNet"),
    ):
        # a class that is only known here can be pickled by name alone
        globals()["Other"] = Other
        Other.__qualname__ = "Other"
        torch.save(content, tmp_path / name)
        with pytest.raises(ValueError, match=f"{name} {'is' if 'code' in name else ''}.*{message}"):
            read_torchvision(tmp_path / name)
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 no more")
    for name in ("cut.pth", "absent.pth"):
        with pytest.raises(ValueError, match=f"{name} is no file of weights"):
            read_torchvision(tmp_path / name)


def encoder(**front_end: Any) -> Encoder:
    architecture = {"name": "resnet18", "width": 8, "dim": 64}
    body = build_body(architecture, 5)
    return Encoder(detached(body), architecture, FRONT_END | front_end, {"seed": 5})


def test_an_encoder_is_saved_loaded_and_embeds_sides(tmp_path: Path) -> None:
    saved = encoder()
    save_encoder(tmp_path / "e.safetensors", saved)
    loaded = load_encoder(tmp_path / "e.safetensors")
    assert (loaded.architecture, loaded.front_end) == (saved.architecture, saved.front_end)
    assert state_sha256(loaded.state) == state_sha256(saved.state)
    assert state_sha256(untrained(loaded, 6).state) != state_sha256(saved.state)

    packed, sides, _ = made.corpus(tmp_path, {"test": 3})
    embeddings = embed_sides(loaded, packed, sides, np.arange(len(sides)), 60.0, "cpu")
    assert embeddings.shape == (6, 64)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, rtol=1e-5)
    module = network(loaded)
    first = packed.samples[sides.spans[0][0, 0] :][: sides.spans[0][0, 1]]
    with torch.no_grad():
        alone = module(torch.from_numpy(np.array(first))[None].float() / 32768)
    # a side of about 1.2 s: its first 0.4 s are heard, and lie within its first segment
    cosine = torch.nn.functional.cosine_similarity(alone, torch.from_numpy(embeddings[:1]))
    assert float(cosine) == pytest.approx(1.0, abs=1e-5)


def test_only_the_start_of_a_long_side_is_heard() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    changed = wave.copy()
    changed[6_400:] = 0.5
    first, second = embed_waveforms(encoder(), [wave, changed], "cpu")
    np.testing.assert_array_equal(first, second)
    longer, other = embed_waveforms(encoder(clip_s=1.0), [wave, changed], "cpu")
    assert np.abs(longer - other).max() > 1e-3


@pytest.mark.parametrize(
    ("architecture", "front_end", "message"),
    [
        ({"name": "resnet18"}, {"name": "kaldi"}, "resnet18 needs the front end stft_image"),
        ({"name": "ecapa"}, {}, "ecapa needs the front end speechbrain or kaldi, got 'stft_image'"),
        ({"width": 0}, {}, "a width of at least 1"),
        ({"layers": 3}, {}, "is not complete"),
        ({}, {"bands": 3}, "is not complete"),
        ({}, {"size": 32, "fill": "mirror"}, "fill must be one of"),
    ],
)
def test_what_does_not_go_together_is_named(
    architecture: dict[str, Any], front_end: dict[str, Any], message: str
) -> None:
    built = {"name": "resnet18", "width": 8} | architecture
    with pytest.raises(ValueError, match=message):
        EmbeddingNetwork(built, FRONT_END | front_end, 0)


def test_a_lost_weight_is_named() -> None:
    good = encoder()
    state = {k: v for k, v in good.state.items() if k != "layer3.0.conv1.weight"}
    with pytest.raises(ValueError, match=r"lacks weight 'layer3\.0\.conv1\.weight'"):
        check_state(replace(good, state=state), "it")
    with pytest.raises(ValueError, match=r"has weight 'conv1\.weight' of shape"):
        check_state(replace(good, architecture={"name": "resnet18", "width": 4}), "it")


def test_stages_are_named() -> None:
    body = build_resnet18(8, seed=0)
    assert isinstance(body, ResNet18)
    assert body.stage("stem") == [body.conv1, body.bn1]
    with pytest.raises(ValueError, match="one of stem, layer1, layer2, layer3, layer4, got 'fc'"):
        body.stage("fc")
