"""wav2vec 2.0: the network of transformers, masks, lengths, stages, and what training draws."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.waveform import Waveform
from bodysounds.models.encoder import state_sha256
from bodysounds.models.network import detached
from bodysounds.models.stages import stage_of, stages_of
from bodysounds.models.wav2vec2 import (
    Wav2Vec2,
    build_wav2vec2,
    complete_config,
    n_frames,
    shortest,
    span_mask,
    wav2vec2_dim,
)
from bodysounds.models.wav2vec2_lengths import embed_many, padded_batch, plan_batches

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": [16, 16, 16], "conv_kernel": [20, 8, 4], "conv_stride": [10, 8, 4],
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 12,
}  # fmt: skip
LAYER: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
KINDS = [{}, LAYER, {"use_weighted_layer_sum": True}, LAYER | {"use_weighted_layer_sum": True}]
LENGTHS = (4_000, 2_345, 7_999, 4_000, 1_000, 6_001)


def small(seed: int = 1, **changes: Any) -> Wav2Vec2:
    """A network whose norms do something: weights of norms are not all 1 and 0."""
    body = build_wav2vec2(SMALL | changes, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in body.named_parameters():
            if weight.ndim == 1:
                weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.3)
            elif "conv" not in name:
                weight.mul_(10)
    return body.eval()


def noises(lengths: Sequence[int] = LENGTHS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(length, generator=generator) for length in lengths]


def published(body: Wav2Vec2, head: nn.Linear) -> Any:
    """The same weights in the model of transformers."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    config = Wav2Vec2Config(**body.config, num_labels=head.out_features)
    model = Wav2Vec2ForSequenceClassification(config)
    state = body.state_dict() | {f"classifier.{k}": v for k, v in head.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


@pytest.mark.parametrize("changes", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_logits_are_those_of_transformers(changes: dict[str, Any], masked: bool) -> None:
    body, head = small(**changes), nn.Linear(12, 3)
    batch, heard = padded_batch(noises() if masked else noises([4_000] * 3))
    with torch.no_grad():
        found = head(body(batch, heard if masked else None))
        expected = published(body, head)(batch, attention_mask=heard if masked else None).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert found.std(dim=0).min() > 1e-3


def test_weights_follow_the_seed_alone() -> None:
    before = torch.random.get_rng_state()
    first, same, other = (
        state_sha256(detached(build_wav2vec2(SMALL, seed=seed))) for seed in (1, 1, 2)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert first == same != other


@pytest.mark.parametrize("stable", [False, True])
def test_padded_equals_unpadded_where_each_frame_is_normalised(stable: bool) -> None:
    body, front_end = small(**LAYER | {"do_stable_layer_norm": stable}), Waveform()
    waveforms = [wave + 3.0 for wave in noises()]
    with torch.no_grad():
        alone = torch.cat([body(front_end(wave[None])) for wave in waveforms])
    together = embed_many(front_end, body, waveforms, batch_size=4)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert (alone[1:] - alone[:-1]).abs().max(dim=1).values.min() > 1e-2
    # without the mask it would have been another
    batch, _ = padded_batch([front_end(wave[None])[0] for wave in waveforms])
    with torch.no_grad():
        assert (body(batch) - alone).abs().max() > 1e-2


def test_nothing_is_padded_where_a_whole_waveform_is_normalised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body, waveforms = small(), noises()
    with torch.no_grad():
        alone = torch.cat([body(wave[None]) for wave in waveforms])
        padded = body(*padded_batch(waveforms))
    # padding would have changed all but the longest, mask or not
    moved = (padded - alone).abs().max(dim=1).values
    assert moved[np.array(LENGTHS) < max(LENGTHS)].min() > 1e-3

    shapes: list[tuple[int, int]] = []
    forward = Wav2Vec2.forward

    def spy(self: Wav2Vec2, batch: Tensor, heard: Tensor | None = None) -> Tensor:
        assert heard is None
        shapes.append((batch.shape[0], batch.shape[1]))
        return forward(self, batch, heard)

    monkeypatch.setattr(Wav2Vec2, "forward", spy)
    found = embed_many(Waveform(normalise=False), body, waveforms)
    torch.testing.assert_close(found, alone, rtol=0, atol=1e-5)
    assert sorted(shapes) == [(1, 1_000), (1, 2_345), (1, 6_001), (1, 7_999), (2, 4_000)]


def test_batches_hold_each_row_once() -> None:
    lengths = [5, 3, 5, 5, 3, 9]
    assert plan_batches(lengths, 2, padding=False) == [[1, 4], [0, 2], [3], [5]]
    assert plan_batches(lengths, 4, padding=True) == [[1, 4, 0, 2], [3, 5]]


def test_what_cannot_be_embedded_is_said() -> None:
    body, front_end = small(), Waveform()
    for waveforms, message in (
        ([], "no waveform"),
        ([torch.zeros(900), torch.zeros(300)], "at least 330 samples .*got 300"),
    ):
        with pytest.raises(ValueError, match=message):
            embed_many(front_end, body, waveforms)
    with pytest.raises(ValueError, match="no waveform"):
        padded_batch([])
    with pytest.raises(ValueError, match="is training"):
        embed_many(front_end, body.train(), noises())


@pytest.mark.parametrize("config", [{}, SMALL])
def test_frames_and_the_shortest_waveform(config: dict[str, Any]) -> None:
    full = complete_config(config)
    least = shortest(full)
    assert least == (400 if not config else 330)
    for length in (least - 1, least, least + 319, least + 320, 80_000):
        # written out: how often each kernel fits
        count = length
        for kernel, stride in zip(full["conv_kernel"], full["conv_stride"], strict=True):
            count = len(range(0, count - kernel + 1, stride))
        assert max(n_frames(full, length), 0) == count
    assert n_frames(full, 80_000) == pytest.approx(250, abs=1)
    if config:
        body = small()
        assert body(torch.randn(2, least)).shape == (2, 12)
        with pytest.raises(ValueError, match="at least 330 samples"):
            body(torch.randn(2, least - 1))
        batch, heard = padded_batch([torch.zeros(1_000), torch.zeros(329)])
        with pytest.raises(ValueError, match="got 329"):
            body(batch, heard)


def test_a_frozen_feature_encoder_costs_no_gradient() -> None:
    body = small(layerdrop=0.0).train()
    extractor = body.get_submodule("wav2vec2.feature_extractor")
    seen: list[bool] = []
    extractor.register_forward_hook(lambda *given: seen.append(given[-1].requires_grad))
    body(torch.randn(2, 2_000)).sum().backward()
    assert all(weight.grad is not None for weight in extractor.parameters())

    body.zero_grad()
    architecture = {"name": "wav2vec2", "config": body.config}
    for name, weight in body.named_parameters():
        weight.requires_grad_(stage_of(architecture, name) != "feature_encoder")
    body(torch.randn(2, 2_000)).sum().backward()
    assert seen == [True, False]
    for name, weight in body.named_parameters():
        assert (weight.grad is None) == name.startswith("wav2vec2.feature_extractor."), name

    for weight in extractor.parameters():
        weight.requires_grad_(True)
    body(torch.randn(2, 2_000)).sum().backward()
    assert all(weight.grad is not None for weight in extractor.parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"mask_time_prob": 0.5, "mask_time_length": 3},
        {"mask_time_prob": 0.0, "mask_feature_prob": 0.5, "mask_feature_length": 2},
        {"mask_time_prob": 0.0, "layerdrop": 0.5},
        {"mask_time_prob": 0.0, "hidden_dropout": 0.5},
    ],
)
def test_what_training_draws_follows_torch_alone(changes: dict[str, Any]) -> None:
    still = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
    body = small(**still | {"layerdrop": 0.0} | changes)
    batch = torch.randn(4, 8_000, generator=torch.Generator().manual_seed(0))

    def drawn(seed: int) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return body(batch).detach()

    heard = body(batch).detach()
    assert torch.equal(drawn(1), heard)
    body.train()
    before = np.random.get_state()[1].tobytes()  # type: ignore[union-attr]
    first, same = drawn(1), drawn(1)
    assert torch.equal(first, same)
    assert any(not torch.equal(drawn(seed), first) for seed in range(2, 8))
    assert any((drawn(seed) - heard).abs().max() > 1e-3 for seed in range(8))
    assert np.random.get_state()[1].tobytes() == before  # type: ignore[union-attr]


@pytest.mark.parametrize("changes", [{}, {"apply_spec_augment": False}])
def test_a_clip_below_one_span_is_not_masked(changes: dict[str, Any]) -> None:
    still = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
    masks = {"mask_time_prob": 0.9, "mask_time_length": 10, "layerdrop": 0.0}
    body = small(**still | masks | changes)
    short, long = torch.randn(2, 1_000), torch.randn(2, 8_000)
    for batch in (short, long):
        heard = body.eval()(batch)
        masked = not changes and batch is long
        assert torch.equal(body.train()(batch), heard) != masked


def test_spans_are_as_asked() -> None:
    torch.manual_seed(0)
    shares = []
    for _ in range(300):
        mask = span_mask(2, 100, 0.3, 5, 2)
        shares.append(float(mask.float().mean()))
        for row in mask.int():
            edges = functional.pad(row, (1, 1)).diff().nonzero()[:, 0].tolist()
            assert all(b - a >= 5 for a, b in zip(edges[::2], edges[1::2], strict=True))
    # six spans of 5 in 100, less what they share
    assert 0.2 < np.mean(shares) < 0.3
    assert span_mask(3, 100, 0.001, 10, 2).sum(dim=1).min() >= 11
    assert span_mask(3, 10, 1.0, 10, 2).all()
    assert not span_mask(3, 9, 1.0, 10, 2).any()
    assert not span_mask(3, 50, 0.0, 10, 0).any()


@pytest.mark.parametrize("changes", KINDS)
def test_every_weight_and_part_is_in_one_stage(changes: dict[str, Any]) -> None:
    body = small(**changes)
    architecture = {"name": "wav2vec2", "config": body.config}
    stages = stages_of(architecture)
    assert list(stages) == ["feature_encoder", "projection", "layer_0", "layer_1", "projector"]
    parts = [name for name, part in body.named_modules() if not list(part.children())]
    names = [name for name, _ in body.named_parameters()] + parts
    for name in names:
        own = [stage for stage, prefixes in stages.items() if f"{name}.".startswith(prefixes)]
        assert own == [stage_of(architecture, name)], name
    assert {stage_of(architecture, name) for name in names} == set(stages)
    # a post-norm model normalises before its layers, the others after them
    after = "projector" if changes.get("do_stable_layer_norm") else "projection"
    assert stage_of(architecture, "wav2vec2.encoder.layer_norm.weight") == after
    # named by an incomplete config too
    assert list(stages_of({"name": "wav2vec2", "config": {}}))[-2:] == ["layer_11", "projector"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hiden_size": 8}, "unknown key 'hiden_size'"),
        ({"hidden_size": "wide"}, "cannot be built.*hidden_size.*expected int"),
        ({"num_attention_heads": 3}, "cannot be built.*divisible by num_heads"),
        ({"conv_dim": [16]}, r"cannot be built.*conv_dim\) = 1"),
        ({"conv_stride": [10, 0, 4]}, "conv_stride.*at least 1"),
        ({"feat_extract_norm": "batch"}, "cannot be built.*batch.*'group', 'layer'"),
        ({"hidden_act": "step"}, "cannot be built.*'step'"),
        ({"layerdrop": 1.5}, "layerdrop is 1.5, and goes from 0 to 1"),
        ({"mask_time_length": 0}, "mask_time_length is 0, and is at least 1"),
    ],
)
def test_a_config_that_cannot_be_built_is_said(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        build_wav2vec2(SMALL | changes, seed=0)
    assert "\n" not in str(error.value)


def test_a_config_is_completed_and_plain() -> None:
    full = complete_config({"conv_dim": (8,) * 7})
    assert complete_config(full) == full
    assert full["conv_dim"] == [8] * 7
    assert wav2vec2_dim({}) == full["classifier_proj_size"] == 256
    assert wav2vec2_dim(SMALL) == 12


def test_the_front_end_is_the_feature_extractor_of_transformers() -> None:
    from transformers import Wav2Vec2FeatureExtractor

    waveforms = [(0.1 * wave + 0.02).numpy() for wave in noises([1_000, 3_000])]
    for normalise in (True, False):
        extractor = Wav2Vec2FeatureExtractor(do_normalize=normalise)
        front_end = Waveform(16_000, normalise)
        for wave in waveforms:
            expected = extractor(wave, sampling_rate=16_000).input_values[0]
            found = front_end(torch.from_numpy(wave)[None])[0].numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not Waveform()(torch.full((2, 500), 0.3)).abs().max() > 1e-3


def test_threads_share_a_network() -> None:
    body = small(use_weighted_layer_sum=True)
    waveforms = noises([3_000] * 12)
    with torch.inference_mode():
        expected = [body(wave[None]) for wave in waveforms]

    def embedded(wave: Tensor) -> Tensor:
        with torch.inference_mode():
            return body(wave[None])

    with ThreadPoolExecutor(4) as pool:
        for found, own in zip(pool.map(embedded, waveforms), expected, strict=True):
            torch.testing.assert_close(found, own)


def test_a_small_network_learns_tones_from_noise() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(8_000) / 16_000

    def clip(kind: int) -> np.ndarray[Any, Any]:
        pitch = rng.uniform(300, 500) if kind else rng.uniform(1_000, 1_500)
        tone = np.sin(2 * np.pi * pitch * time + rng.uniform(0, 6))
        sound = rng.standard_normal(8_000) if kind == 2 else tone
        return np.float32(rng.uniform(0.05, 0.5)) * sound.astype(np.float32)

    labels = torch.arange(48) % 3
    clips = torch.from_numpy(np.stack([clip(int(kind)) for kind in labels]))
    config = SMALL | LAYER | {"hidden_size": 32, "conv_dim": [32, 32, 32], "layerdrop": 0.0}
    body, front_end = build_wav2vec2(config | {"mask_time_min_masks": 0}, seed=0), Waveform()
    torch.manual_seed(0)
    head = nn.Linear(12, 3)
    weights = [*body.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, 3e-3)
    body.train()
    for step in range(45):
        rows = slice(step % 3 * 16, step % 3 * 16 + 16)
        loss = functional.cross_entropy(head(body(front_end(clips[rows]))), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
    fresh = torch.from_numpy(np.stack([clip(int(kind)) for kind in labels]))
    with torch.no_grad():
        said = head(body.eval()(front_end(fresh))).argmax(dim=1)
    assert float((said == labels).float().mean()) > 0.9
