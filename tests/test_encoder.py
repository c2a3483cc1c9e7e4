"""Encoders on disk: what is saved is what is loaded, and the rest is refused in a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bodysounds.models.ecapa import build_ecapa, res2net_scale
from bodysounds.models.encoder import Encoder, load_encoder, network, save_encoder, untrained

ARCHITECTURE = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}
FRONT_END = {"name": "kaldi", "sample_rate": 16_000, "n_mels": 24, "mean_over": "band"}


def encoder(seed: int = 0) -> Encoder:
    empty = Encoder({}, ARCHITECTURE, FRONT_END, {})
    return replace(untrained(empty, seed), training={"seed": seed, "dev_eer": 0.25, "epochs": 3})


@pytest.mark.parametrize(("channels", "depth"), [(8, 1), (16, 2), (32, 1), (64, 4), (136, 3)])
def test_ecapa_of_every_size_embeds(channels: int, depth: int) -> None:
    module = build_ecapa(24, channels, depth, 12, seed=0).eval()
    assert channels % res2net_scale(channels) == 0
    with torch.inference_mode():
        assert module(torch.randn(3, 7, 24)).shape == (3, 1, 12)


def test_ecapa_follows_its_seed_and_leaves_the_global_one() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (build_ecapa(24, 16, 1, 8, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["fc.conv.weight"], other["fc.conv.weight"])
    with pytest.raises(ValueError, match="multiple of 8, got 12"):
        build_ecapa(24, 12, 1, 8, seed=0)


def test_speechbrain_changes_no_global_numerics() -> None:
    assert torch.backends.cuda.matmul.allow_tf32 is False
    assert torch._C._jit_set_profiling_mode(True) is True


def test_a_round_trip_keeps_everything(tmp_path: Path) -> None:
    saved = encoder()
    save_encoder(tmp_path / "deep" / "e.safetensors", saved)
    loaded = load_encoder(tmp_path / "deep" / "e.safetensors")
    assert loaded.architecture == ARCHITECTURE
    assert loaded.front_end == FRONT_END
    assert loaded.training == saved.training
    assert loaded.state.keys() == saved.state.keys()
    assert all(torch.equal(loaded.state[name], saved.state[name]) for name in saved.state)
    waveforms = torch.randn(2, 4_000)
    with torch.inference_mode():
        assert torch.equal(network(saved)(waveforms), network(loaded)(waveforms))


def test_equal_encoders_have_equal_bytes_and_nothing_is_left_beside(tmp_path: Path) -> None:
    for name in "abc":
        shuffled = encoder()
        state = dict(reversed(shuffled.state.items())) if name == "b" else shuffled.state
        save_encoder(tmp_path / name, replace(shuffled, state=state))
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_failed_save_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    save_encoder(path, encoder())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        save_encoder(path, replace(encoder(1), training={"dev_eer": float("nan")}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_latest_version_of_a_folder_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "encoder.safetensors"
    for version, seed in (("2026-01-02T00.00.00.000Z", 2), ("2026-01-01T00.00.00.000Z", 1)):
        save_encoder(folder / version / folder.name, encoder(seed))
    assert load_encoder(folder).training["seed"] == 2
    assert load_encoder(folder / "2026-01-01T00.00.00.000Z").training["seed"] == 1


def test_the_network_is_in_eval_mode_on_the_cpu() -> None:
    module = network(encoder())
    assert not any(part.training for part in module.modules())
    assert module(torch.randn(2, 8_000)).shape == (2, 8)
    assert next(module.parameters()).device.type == "cpu"


def test_untrained_has_the_same_shape_and_other_weights() -> None:
    first, other = encoder(), untrained(encoder(), seed=7)
    assert other.architecture == first.architecture
    assert other.state.keys() == first.state.keys()
    assert not torch.equal(first.state["fc.conv.weight"], other.state["fc.conv.weight"])


def test_what_is_no_encoder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    save_encoder(whole, encoder())

    def refused(name: str, message: str) -> None:
        with pytest.raises(ValueError, match=message) as caught:
            load_encoder(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)

    refused("absent", "does not exist")
    (tmp_path / "empty").mkdir()
    refused("empty", "holds no <version>/<name>.safetensors")
    (tmp_path / "text").write_text("hello")
    refused("text", "no safetensors file")
    (tmp_path / "short").write_bytes(whole.read_bytes()[:-100])
    refused("short", "cut short")
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign")
    refused("foreign", "does not say what network")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("drop", r"lacks weight 'fc.conv.bias' \(1 in all\)"),
        ("add", r"has the unknown weight 'more'"),
        ("shape", r"weight 'fc.conv.bias' of shape \(3,\) where its architecture has \(8,\)"),
        (
            "name",
            "architecture must be ecapa or backend or resnet18 or yamnet or wav2vec2 or cnn6 or "
            "cnn10 or cnn14, got 'resnet'",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, change: str, message: str) -> None:
    good = encoder()
    state, architecture = dict(good.state), dict(ARCHITECTURE)
    if change == "drop":
        del state["fc.conv.bias"]
    elif change == "add":
        state["more"] = torch.zeros(1)
    elif change == "shape":
        state["fc.conv.bias"] = torch.zeros(3)
    else:
        architecture["name"] = "resnet"
    wrong = replace(good, state=state, architecture=architecture)
    save_encoder(tmp_path / "e", wrong)
    for attempt in (lambda: network(wrong), lambda: load_encoder(tmp_path / "e")):
        with pytest.raises(ValueError, match=message):
            attempt()


def test_a_front_end_that_does_not_say_its_mean_is_refused_in_a_sentence() -> None:
    old = {name: value for name, value in FRONT_END.items() if name != "mean_over"}
    with pytest.raises(ValueError, match=r"does not say mean_over.*train the encoder again"):
        network(replace(encoder(), front_end=old))
