"""YAMNet: its front end, its body and its published weights."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tflite_files import KINDS, TYPES, packed, schema, yamnet_file
from torch import nn

from bodysounds.audio.read import read_audio
from bodysounds.audio.yamnet_log_mel import YamnetLogMel, mel_bands, n_patches
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.models.stages import stage_of, stages_of
from bodysounds.models.stored import METADATA
from bodysounds.models.yamnet import STAGES, Yamnet, build_yamnet, yamnet_dim
from bodysounds.models.yamnet_weights import PublishedYamnet, load_yamnet, save_yamnet
from bodysounds.types import Array

pytestmark = pytest.mark.usefixtures("one_thread")
N_CLIPS = 120


def slow_log_mel(waveforms: Array) -> Array:
    """Frames (batch, frames, 64) in float64, from the formulas of YAMNet's description."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.lib.stride_tricks.sliding_window_view(waveforms.astype(float), 400, axis=1)
    magnitudes = np.abs(np.fft.rfft(frames[:, ::160] * window, 512))
    mels = 1127 * np.log1p(np.arange(257) * 8000 / 256 / 700)
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    bands = [np.interp(mels, edges[k : k + 3], [0, 1, 0], left=0, right=0) for k in range(64)]
    return np.log(magnitudes @ np.stack(bands, 1) + 0.001)


def score(published: PublishedYamnet, patches: torch.Tensor) -> Array:
    """Scores (batch, classes) of patches (batch, 96, 64)."""
    architecture = {name: published.architecture[name] for name in ("width", "batch_norm")}
    body = build_yamnet(**architecture, seed=0).eval()
    body.load_state_dict(published.state)
    with torch.inference_mode():
        embeddings = body(patches[:, None])
        head = published.head
        return torch.sigmoid(embeddings @ head["weight"].T + head["bias"]).numpy()


def interpret(content: bytes, given: Array) -> list[Array]:
    """What the TFLite interpreter computes of each of `given`: one array an output."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    (into,) = interpreter.get_input_details()
    outputs = [one["index"] for one in interpreter.get_output_details()]
    found: list[list[Array]] = [[] for _ in outputs]
    for one in given:
        interpreter.set_tensor(into["index"], one.reshape(into["shape"]))
        interpreter.invoke()
        for kept, output in zip(found, outputs, strict=True):
            kept.append(interpreter.get_tensor(output).reshape(-1).copy())
    return [np.stack(kept) for kept in found]


# --- the front end ---


@pytest.mark.parametrize("level", [1.0, 0.01, 0.0])
def test_the_front_end_is_that_of_the_formulas(level: float) -> None:
    rng = np.random.default_rng(0)
    tones = np.sin(2 * np.pi * np.array([[220.0], [6000.0]]) * np.arange(15_600) / 16_000)
    waveforms = np.concatenate([rng.uniform(-1, 1, (2, 15_600)), tones]).astype(np.float32) * level
    found = YamnetLogMel()(torch.from_numpy(waveforms))
    assert found.shape == (4, 1, 96, 64)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[:, 0].numpy(), slow_log_mel(waveforms), rtol=0, atol=1e-5)


@pytest.mark.parametrize("length", [1, 399, 15_599, 15_600, 15_601, 23_280, 23_281, 80_000])
@pytest.mark.parametrize("hop_s", [0.48, 0.96, 0.1])
def test_a_waveform_is_filled_up_to_whole_patches(length: int, hop_s: float) -> None:
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, length)).astype(np.float32)
    step, wanted = round(hop_s * 16_000), 1
    while 15_600 + (wanted - 1) * step < length:
        wanted += 1
    found = YamnetLogMel(patch_hop_s=hop_s)(torch.from_numpy(waveform)).numpy()
    assert found.shape == (1, wanted, 96, 64)
    assert n_patches(length, hop_s) == wanted
    filled = np.zeros((1, 15_600 + (wanted - 1) * step), np.float32)
    filled[:, :length] = waveform
    for k in range(wanted):
        part = slow_log_mel(filled[:, k * step : k * step + 15_600])
        np.testing.assert_allclose(found[:, k], part, rtol=0, atol=1e-5)


def test_the_front_end_stays_precise_under_autocast() -> None:
    waveforms = torch.rand(2, 20_000, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.autocast("cpu", torch.bfloat16):
        found = YamnetLogMel()(waveforms)
    assert torch.equal(found, YamnetLogMel()(waveforms))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 22_050}, "hears 16000 Hz, got 22050"),
        ({"patch_hop_s": 0.0}, "a multiple of 0.01 s and at least that, got 0"),
        ({"patch_hop_s": 0.125}, "a multiple of 0.01 s and at least that, got 0.125"),
        ({"patch_hop_s": float("nan")}, "a multiple of 0.01 s and at least that, got nan"),
    ],
)
def test_front_ends_that_there_are_not(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        YamnetLogMel(**options)


def test_a_waveform_without_samples() -> None:
    with pytest.raises(ValueError, match="has no samples"):
        YamnetLogMel()(torch.zeros(2, 0))


# --- the body ---


def test_the_size_of_the_published_network() -> None:
    body = build_yamnet(batch_norm=False, seed=0)
    # convolutions by hand: 3 x 3 and 1 x 1, a bias each
    sizes = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    wanted = 9 * 32 + 32
    for n_in, n_out in pairwise(sizes):
        wanted += 9 * n_in + n_in + n_in * n_out + n_out
    assert sum(weight.numel() for weight in body.parameters()) == wanted
    assert yamnet_dim() == 1024


@pytest.mark.parametrize(("width", "dim"), [(0.25, 256), (0.1, 104), (0.001, 8)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_embedding_is_the_mean_over_the_patches(
    width: float, dim: int, batch_norm: bool
) -> None:
    body = build_yamnet(width, batch_norm, seed=0).eval()
    assert isinstance(body, Yamnet)
    patches = torch.randn(3, 2, 96, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = body(patches)
        alone = [[body(patches[i : i + 1, k : k + 1])[0] for k in range(2)] for i in range(3)]
    assert found.shape == (3, dim) == (3, yamnet_dim(width))
    for one, parts in zip(found, alone, strict=True):
        torch.testing.assert_close(one, (parts[0] + parts[1]) / 2)


def test_seeds_give_weights_and_leave_the_global_generator() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (build_yamnet(0.25, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["stem.conv.weight"], other["stem.conv.weight"])


@pytest.mark.parametrize("batch_norm", [True, False])
def test_every_weight_is_in_one_stage(batch_norm: bool) -> None:
    architecture = {"name": "yamnet", "width": 0.25, "batch_norm": batch_norm}
    body = build_yamnet(0.25, batch_norm, seed=0)
    assert isinstance(body, Yamnet)
    seen = []
    for name in body.state_dict():
        stage = stage_of(architecture, name)
        heads = [s for s, prefixes in stages_of(architecture).items() if name.startswith(prefixes)]
        assert heads == [stage]
        assert body.stage(stage) == [body.get_submodule(name.partition(".")[0])]
        seen += [] if stage in seen else [stage]
    assert tuple(seen) == tuple(stages_of(architecture)) == STAGES
    with pytest.raises(ValueError, match="a stage of yamnet is one of stem, block_1"):
        body.stage("block_14")


def test_random_weights_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    network = EmbeddingNetwork(
        {"name": "yamnet", "width": 0.25, "batch_norm": True},
        {"name": "yamnet_log_mel", "sample_rate": 16_000, "patch_hop_s": 0.48},
        seed=0,
    )
    head, labels = nn.Linear(network.dim, 3), torch.arange(12) % 3
    pitch = torch.tensor([300.0, 1000.0, 4000.0])[labels][:, None]
    tones = torch.sin(2 * torch.pi * pitch * torch.arange(15_600) / 16_000)
    waveforms = tones * 0.3 + 0.05 * torch.randn(12, 15_600, generator=generator)
    optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], 1e-3)
    network.train()
    losses = []
    for _ in range(15):
        loss = nn.functional.cross_entropy(head(network(waveforms)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("shape", [(2, 96, 64), (2, 1, 64, 96), (2, 1, 95, 64)])
def test_patches_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs patches of shape \(batch, patches, 96, 64\)"):
        build_yamnet(0.25, seed=0)(torch.zeros(shape))


@pytest.mark.parametrize("width", [0.0, -1.0, 4.1, float("nan")])
def test_widths_out_of_range(width: float) -> None:
    with pytest.raises(ValueError, match="a width above 0 and at most 4"):
        build_yamnet(width, seed=0)


# --- published weights, from a file that the test makes ---


def test_a_made_file_scores_as_the_interpreter_does(tmp_path: Path) -> None:
    path = yamnet_file(tmp_path / "made.tflite", width=0.25, n_classes=7)
    published = load_yamnet(path)
    assert published.architecture == {"name": "yamnet", "width": 0.25, "batch_norm": False}
    assert published.labels == []
    patches = np.random.default_rng(0).normal(-2, 2, (5, 96, 64)).astype(np.float32)
    (wanted,) = interpret(path.read_bytes(), patches)
    assert wanted.std(0).min() > 1e-4, "the scores must depend on the patches"
    found = score(published, torch.from_numpy(patches))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_classes_are_named_by_the_map_beside_the_file(tmp_path: Path) -> None:
    path = yamnet_file(tmp_path / "made.tflite", width=0.25, n_classes=2)
    names = tmp_path / "yamnet_class_map.csv"
    names.write_text('index,mid,display_name\n0,/m/1,Speech\n1,/m/2,"Whoop, shout"\n')
    assert load_yamnet(path).labels == ["Speech", "Whoop, shout"]
    for wrong, message in (
        ("index,mid,display_name\n0,/m/1,Speech\n", "names 1 classes where 2"),
        ("index,mid,display_name\n1,/m/1,a\n0,/m/1,b\n", "in order"),
        ("index,mid,display_name\nx,/m/1,a\n", "is no class map of YAMNet"),
        ("a,b\n1,2\n", "is no class map of YAMNet"),
    ):
        names.write_text(wrong)
        with pytest.raises(ValueError, match=f"yamnet_class_map.csv.*{message}"):
            load_yamnet(path)
    names.write_bytes(b"index,mid,display_name\n0,\xff\xfe,a\n")
    with pytest.raises(ValueError, match="is no class map of YAMNet"):
        load_yamnet(path)


def only(layer: str, change: Callable[[Array, Array], tuple[Array, Array]]) -> Any:
    return lambda name, w, b: change(w, b) if name == layer else (w, b)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_blocks": 12}, "has 25 convolutions and 1 linear layers behind them, YAMNet 27 and 1"),
        (
            {"change": only("block_3.pointwise", lambda w, b: (w[:, :, :, :-1], b))},
            r"block_3.pointwise.conv.weight has the shape \(32, 31, 1, 1\), not \(32, 32, 1, 1\)",
        ),
        (
            {"change": only("block_3.depthwise", lambda w, b: (w[0], b))},
            r"block_3.depthwise has constants of shapes \[\(3, 3, 32\), \(32,\)\]",
        ),
        (
            {"change": only("block_9.depthwise", lambda w, b: (w, b[:-2]))},
            r"block_9.depthwise.conv.bias has the shape \(126,\), not \(128,\)",
        ),
        (
            {"change": only("block_2.pointwise", lambda w, b: (w * np.float32("nan"), b))},
            "block_2.pointwise.conv.weight has NaN or infinite values",
        ),
        (
            {"change": only("head", lambda w, b: (w[:, :-1].copy(), b))},
            r"weight has the shape \(5, 255\), not \(5, 256\)",
        ),
        (
            {"change": only("stem", lambda w, b: (w, b.astype(np.int32)))},
            "computes in integers",
        ),
    ],
)
def test_files_of_other_networks(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = yamnet_file(tmp_path / "other.tflite", **options)
    with pytest.raises(ValueError, match=f"other.tflite.*{message}.*: give YAMNet's TensorFlow"):
        load_yamnet(path)


def test_files_that_are_cut_short_or_missing(tmp_path: Path) -> None:
    path = yamnet_file(tmp_path / "made.tflite")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"made\.tflite is cut short or damaged"):
        load_yamnet(path)
    with pytest.raises(ValueError, match=r"missing\.tflite is no file: give YAMNet's"):
        load_yamnet(tmp_path / "missing.tflite")


def test_our_file_holds_all_of_it(tmp_path: Path) -> None:
    published = load_yamnet(yamnet_file(tmp_path / "made.tflite", n_classes=2))
    published = dataclasses.replace(published, labels=["cry", "rest"])
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    save_yamnet(one, published)
    save_yamnet(other, load_yamnet(one))
    assert one.read_bytes() == other.read_bytes()
    found = load_yamnet(one)
    assert (found.architecture, found.labels) == (published.architecture, ["cry", "rest"])
    assert found.about == published.about
    assert found.about["loaded_from"] == "made.tflite"
    for part in ("state", "head"):
        have, want = getattr(found, part), getattr(published, part)
        assert have.keys() == want.keys()
        assert all(torch.equal(have[name], want[name]) for name in want)


def test_our_files_that_do_not_fit(tmp_path: Path) -> None:
    published = load_yamnet(yamnet_file(tmp_path / "made.tflite", n_classes=2))
    path = tmp_path / "x.safetensors"

    def refused(message: str, **changes: Any) -> None:
        save_yamnet(path, dataclasses.replace(published, **changes))
        with pytest.raises(ValueError, match=rf"x\.safetensors.*{message}.*: give YAMNet's"):
            load_yamnet(path)

    state = published.state
    fewer = {name: weight for name, weight in state.items() if name != "stem.conv.bias"}
    refused("lacks the weight stem.conv.bias", state=fewer)
    refused("has, but YAMNet has not, the weight more", state=state | {"more": torch.zeros(1)})
    refused(
        r"stem.conv.bias has the shape \(3,\), not \(8,\)",
        state=state | {"stem.conv.bias": torch.zeros(3)},
    )
    refused("lacks the weight bias", head={"weight": published.head["weight"]})
    refused("names 1 classes and scores 2", labels=["cry"])
    refused("5.0 times as wide", architecture={**published.architecture, "width": 5.0})
    refused("does not say what its weights are", architecture={})
    save_yamnet(path, published)
    whole = path.read_bytes()
    weights = load_file(path)
    save_file(weights, path, {METADATA: '{"format": "bodysounds.encoder/1"}'})
    with pytest.raises(ValueError, match=r"has the format 'bodysounds.encoder/1', not"):
        load_yamnet(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"x\.safetensors is no safetensors file, or cut short"):
        load_yamnet(path)


# --- the published file and real recordings ---


@pytest.fixture(scope="module")
def published_file(data_dir: Path) -> Path:
    return data_dir / "weights" / "yamnet" / "yamnet_waveform.tflite"


@pytest.fixture(scope="module")
def clips(data_dir: Path) -> Array:
    """The loudest 0.975 s of real recordings of all classes, (N_CLIPS, 15600) float32."""
    root = data_dir / "cry_scream"
    with open(root / "data_manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: list[Array] = []
    for number in np.random.default_rng(0).permutation(len(rows)):
        waveform = read_audio((root / rows[number]["file_path"]).resolve(), 16_000)
        if len(waveform) >= 15_600:
            starts = range(0, len(waveform) - 15_599, 1600)
            powers = [np.square(waveform[start : start + 15_600]).sum() for start in starts]
            start = starts[int(np.argmax(powers))]
            found.append(waveform[start : start + 15_600])
        if len(found) == N_CLIPS:
            break
    return np.stack(found).astype(np.float32)


def in_floats(content: bytes) -> tuple[bytes, dict[int, tuple[float, float]]]:
    """Return the published graph with each int8 constant as the float32 that it stands for.

    The transform and the bands become what they were rounded from; second are, for each of these
    tensors, the largest change and half a step of its int8.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    angles = 2 * np.pi * np.outer(np.arange(257), np.arange(512)) / 512
    exact = {40: np.cos(angles), 41: -np.sin(angles), 42: mel_bands().numpy().T}
    rounded = {}
    for number, tensor in enumerate(graph.tensors):
        buffer = model.buffers[tensor.buffer]
        if tensor.type != TYPES["int8"]:
            continue
        values = np.asarray(buffer.data, np.uint8).view(np.int8).reshape(tensor.shape)
        (step,) = tensor.quantization.scale
        plain = values.astype(np.float32) * step
        if number in exact:
            # a magnitude does not tell the sign of the imaginary part
            changes = [np.abs(plain - sign * exact[number]).max() for sign in (1, -1)]
            rounded[number] = (min(changes), step / 2)
            plain = exact[number].astype(np.float32)
        tensor.type, tensor.quantization = TYPES["float32"], None
        buffer.data = np.frombuffer(plain.tobytes(), np.uint8)
    codes = [max(one.builtinCode, one.deprecatedBuiltinCode) for one in model.operatorCodes]
    renamed, kept = {}, []
    for operator in graph.operators:
        if codes[operator.opcodeIndex] == KINDS.DEQUANTIZE:
            renamed[operator.outputs[0]] = operator.inputs[0]
        else:
            operator.inputs = [renamed.get(one, one) for one in operator.inputs]
            kept.append(operator)
    graph.operators = kept
    return packed(model), rounded


@pytest.mark.data
def test_the_published_names(published_file: Path) -> None:
    published = load_yamnet(published_file)
    assert len(published.labels) == len(published.head["bias"]) == 521
    assert (published.labels[0], published.labels[20]) == ("Speech", "Baby cry, infant cry")


@pytest.mark.data
def test_parity_with_the_published_graph_in_floats(published_file: Path, clips: Array) -> None:
    """Measured on 120 clips: front end 0.0016 at most, 2 values of 737,280 above 0.001 (ours are
    within 5e-7 of float64 there); scores 3.2e-5 at most, 1.1e-8 in the mean."""
    content, rounded = in_floats(published_file.read_bytes())
    assert sorted(rounded) == [40, 41, 42]
    assert all(change <= half * 1.001 for change, half in rounded.values())
    scores, log_mel = interpret(content, clips)
    with torch.inference_mode():
        patches = YamnetLogMel()(torch.from_numpy(clips))[:, 0]
    np.testing.assert_allclose(patches.numpy(), slow_log_mel(clips), rtol=0, atol=1e-5)
    apart = np.abs(patches.numpy() - log_mel.reshape(patches.shape))
    assert (apart > 1e-3).mean() < 1e-5
    assert apart.max() < 5e-3
    found = score(load_yamnet(published_file), patches)
    np.testing.assert_allclose(found, scores, rtol=0, atol=2e-4)
    assert (found.argmax(1) == scores.argmax(1)).all()


@pytest.mark.data
def test_parity_with_the_published_file_as_it_is(published_file: Path, clips: Array) -> None:
    """The body on the file's own log-mel patches; measured: 0.040 at most, 4.7e-5 in the mean.

    The interpreter rounds to int8 what goes into each layer, so no network of floats is equal.
    """
    scores, log_mel = interpret(published_file.read_bytes(), clips)
    patches = torch.from_numpy(log_mel.reshape(-1, 96, 64))
    found = score(load_yamnet(published_file), patches)
    apart = np.abs(found - scores)
    assert apart.max() < 0.1
    assert apart.mean() < 2e-4
    second, first = np.sort(scores, 1)[:, -2:].T
    sure = first - second > 0.05
    assert sure.sum() >= 80
    assert (found.argmax(1) == scores.argmax(1))[sure].all()


@pytest.mark.data
def test_the_integer_file_is_another_network(published_file: Path) -> None:
    with pytest.raises(ValueError, match="computes in integers"):
        load_yamnet(published_file.with_name("yamnet_spectra_in_int8.tflite"))
