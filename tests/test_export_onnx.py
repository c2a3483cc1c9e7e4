"""Encoders as ONNX files: the same embeddings of every length, without this package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import made_encoders
import made_verifier
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from made_encoders import made_encoder, noise
from torch.nn import functional

from bodysounds.commands.export import run as command
from bodysounds.exporting import onnx as exporting
from bodysounds.exporting.facts import encoder_and_facts
from bodysounds.exporting.graph import EmbeddingGraph
from bodysounds.exporting.onnx import as_bytes, export_onnx
from bodysounds.exporting.spread import statistics
from bodysounds.models.backend import Projection
from bodysounds.models.encoder import Encoder, network, save_encoder, state_sha256
from bodysounds.models.verifier import save_verifier
from bodysounds.scoring.embed import embed_waveforms

pytestmark = pytest.mark.usefixtures("one_thread")

EXPORTED = ("band", "kaldi", "backend", "resnet18")
ABOUT = {"threshold": 0.25, "score": "cosine", "calibration": {"scale": 2.0}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def exported(folder: Path, one_thread: None) -> Callable[[str], tuple[Encoder, Path]]:
    """Give an encoder of a kind and its file, which is written once."""
    done: dict[str, tuple[Encoder, Path]] = {}

    def get(kind: str) -> tuple[Encoder, Path]:
        if kind not in done:
            encoder, path = made_encoder(kind), folder / f"{kind}.onnx"
            assert export_onnx(encoder, path, ABOUT) <= 1e-5
            done[kind] = encoder, path
        return done[kind]

    return get


def opened(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(session: Any, waveforms: np.ndarray) -> np.ndarray:
    found: np.ndarray = session.run(None, {"waveform": waveforms})[0]
    return found


def plain(encoder: Encoder, waveforms: np.ndarray) -> np.ndarray:
    """Return the network's own unit embeddings."""
    with torch.inference_mode():
        embeddings = network(encoder)(torch.from_numpy(waveforms))
    return functional.normalize(embeddings).numpy()


@pytest.mark.parametrize("kind", EXPORTED)
def test_onnxruntime_gives_the_networks_embeddings(exported, kind: str) -> None:
    encoder, path = exported(kind)
    session = opened(path)
    # the example of the export had 2 x 16,000 samples
    for batch, samples in ((1, 4000), (2, 4001), (7, 5119), (1, 31_337), (2, 480_000)):
        for level in (0.9, 0.05, 1e-4):
            waveforms = noise(batch, samples, level)
            found, expected = run(session, waveforms), plain(encoder, waveforms)
            np.testing.assert_allclose(found, expected, atol=1e-4)
            assert float(np.abs(np.linalg.norm(found, axis=1) - 1).max()) < 1e-5
    silence = np.zeros((2, 9000), np.float32)
    np.testing.assert_allclose(run(session, silence), plain(encoder, silence), atol=1e-4)


def test_what_is_compared_differs(exported) -> None:
    _, path = exported("band")
    one, other = (run(opened(path), noise(1, 16_000, seed=seed)) for seed in (1, 2))
    loud = run(opened(path), noise(1, 16_000, 0.9, seed=1))
    assert float(np.abs(one - other).max()) > 1e-3
    assert float(np.abs(one - plain(made_encoder("band", 1), noise(1, 16_000, seed=1))).max()) > 0.1
    assert float(np.abs(one - loud).max()) < 1e-4  # the mean of each band goes


@pytest.mark.parametrize("kind", EXPORTED)
@pytest.mark.parametrize("samples", [17, 400, 1601, 3999])
def test_what_is_short_is_repeated_as_embed_waveforms_does(exported, kind: str, samples) -> None:
    encoder, path = exported(kind)
    waveforms = noise(3, samples)
    expected = embed_waveforms(encoder, list(waveforms), device="cpu", precision="float32")
    np.testing.assert_allclose(run(opened(path), waveforms), expected, atol=1e-4)


@pytest.mark.parametrize("kind", EXPORTED)
def test_an_item_does_not_hear_its_neighbours(exported, kind: str) -> None:
    _, path = exported(kind)
    session, waveforms = opened(path), noise(7, 12_345, 0.9)
    alone = np.concatenate([run(session, own[None]) for own in waveforms])
    np.testing.assert_allclose(run(session, waveforms), alone, atol=1e-5)


def test_only_what_is_not_finite_becomes_nan(exported) -> None:
    _, path = exported("band")
    waveforms = noise(3, 16_000)
    expected = run(opened(path), waveforms)
    waveforms[0, 100], waveforms[2, 5] = np.nan, np.inf
    found = run(opened(path), waveforms)
    assert np.isnan(found[[0, 2]]).all()
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def test_of_a_long_waveform_a_stft_image_hears_the_clip(exported) -> None:
    _, path = exported("resnet18")
    waveforms = noise(2, 40_000)
    np.testing.assert_allclose(
        run(opened(path), waveforms), run(opened(path), waveforms[:, :16_000]), atol=1e-6
    )


@pytest.mark.parametrize("kind", made_encoders.KINDS)
def test_the_graph_is_the_network(kind: str) -> None:
    encoder = made_encoder(kind)
    graph, rate = EmbeddingGraph(encoder).eval(), encoder.front_end["sample_rate"]
    for samples in (rate // 4, round(0.61803 * rate), 2 * rate + 7):
        waveforms = noise(2, samples, 0.5)
        with torch.inference_mode():
            found = graph(torch.from_numpy(waveforms)).numpy()
        np.testing.assert_allclose(found, plain(encoder, waveforms), atol=2e-5)


@pytest.mark.parametrize("frames", [2, 11, 37, 101])
def test_the_statistics_are_those_of_the_features(frames: int) -> None:
    from test_backend import slow_statistics

    features = np.random.default_rng(frames).normal(-40, 15, (3, frames, 5)).astype(np.float32)
    found = statistics(torch.from_numpy(features)).numpy()
    for own, clip in zip(found, features, strict=True):
        np.testing.assert_allclose(own, slow_statistics(clip), atol=1e-3)


def test_a_projection_stays_in_float32_under_autocast() -> None:
    projection = Projection(40, 8, torch.Generator().manual_seed(0))
    vectors = torch.randn(5, 40, generator=torch.Generator().manual_seed(1))
    expected = projection(vectors)
    with torch.autocast("cpu", torch.bfloat16):
        found = projection(vectors)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_the_file_says_what_it_is(exported) -> None:
    encoder, path = exported("backend")
    session = opened(path)
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == (
        "waveform", "tensor(float)", ["batch", "samples"],
    )  # fmt: skip
    assert (found.name, found.type, found.shape) == ("embedding", "tensor(float)", ["batch", 11])
    about = session.get_modelmeta().custom_metadata_map
    assert about["format"] == "bodysounds.onnx/1"
    assert (about["sample_rate"], about["dim"], about["threshold"]) == ("16000", "11", "0.25")
    assert about["sha256"] == state_sha256(encoder.state)
    assert about["score"] == "cosine"
    assert about["calibration"] == '{"scale": 2.0}'
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(own.domain, own.version) for own in model.opset_import] == [("", 18)]


def test_the_file_tells_nothing_of_the_disk(exported, project_dir: Path) -> None:
    _, path = exported("band")
    content = path.read_bytes()
    for private in (str(project_dir), "site-packages", "stack_trace", ".py"):
        assert private.encode() not in content


def test_equal_encoders_give_equal_bytes(exported) -> None:
    encoder, path = exported("resnet18")
    assert as_bytes(encoder, ABOUT) == path.read_bytes()


ELSEWHERE = """
import sys
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
numpy.save(sys.argv[3], session.run(None, {"waveform": numpy.load(sys.argv[2])})[0])
assert not {"bodysounds", "torch"} & set(sys.modules)
"""


def test_the_file_needs_nothing_of_this_package(exported, tmp_path: Path) -> None:
    encoder, path = exported("backend")
    waveforms = noise(2, 23_456)
    np.save(tmp_path / "in.npy", waveforms)
    subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, path, tmp_path / "in.npy", tmp_path / "out.npy"],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), plain(encoder, waveforms), atol=1e-4)


def test_what_embeds_otherwise_is_not_kept(
    exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, path = exported("band")
    monkeypatch.setattr(exporting, "as_bytes", lambda *_: path.read_bytes())
    out = tmp_path / "new.onnx"
    other = Encoder(made_encoder("band", 1).state, encoder.architecture, encoder.front_end)
    with pytest.raises(ValueError, match=r"new.onnx was not written: .* 0.0001 is allowed"):
        export_onnx(other, out)
    assert not list(tmp_path.iterdir())
    out.write_bytes(b"before")
    with pytest.raises(ValueError, match="was not written"):
        export_onnx(other, out)
    assert out.read_bytes() == b"before"
    assert export_onnx(encoder, out) <= 1e-5
    assert out.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    def missing(wanted: str) -> Any:
        if wanted == name:
            raise ImportError(name)
        return import_module(wanted)

    monkeypatch.setattr(exporting, "import_module", missing)
    with pytest.raises(
        ValueError, match=rf'^{name} is missing.*pip install "bodysounds\[export\]"'
    ):
        export_onnx(made_encoder("band"), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["yamnet", "wav2vec2", "cnn14"])
def test_other_architectures_are_refused(name: str, tmp_path: Path) -> None:
    encoder = Encoder({}, {"name": name}, {"name": "log_mel", "sample_rate": 16_000})
    with pytest.raises(ValueError, match=f"{name}' cannot be exported: ecapa, .* and resnet18 can"):
        export_onnx(encoder, tmp_path / "a.onnx")


def test_the_command_takes_a_verifier_with_its_threshold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    verifier = made_verifier.verifier(tmp_path)
    assert command(["onnx", "bundle", "out/a.onnx"]) == 0
    told, code = capsys.readouterr().out.split("\n\n")
    for words in ("opset 18", "16,000 Hz become embeddings of 8 numbers", "bundle: 0.9 (cosine"):
        assert words in told
    # a verifier hears int16
    one, other = (
        np.round(made_verifier.voice(pitch) * 32_768).astype(np.float32) / 32_768
        for pitch in (200, 300)
    )
    scope: dict[str, Any] = {"waveforms": np.stack([one, other])}
    exec(code, scope)
    found = verifier.verify((one, 16_000), (other, 16_000))
    cosine = float(np.prod(scope["embeddings"], axis=0).sum())
    assert found.score == pytest.approx(cosine, abs=1e-5)
    about = scope["session"].get_modelmeta().custom_metadata_map
    assert float(about["threshold"]) == found.threshold == 0.9
    assert json.loads(about["calibration"]) == json.loads(
        json.dumps(made_verifier.CALIBRATION.to_dict())
    )
    for given, sentence in (
        (["bundle", "out/a.onnx"], "a.onnx exists: choose another name or add --force"),
        (["bundle", "a.pt"], "a.pt must end in .onnx"),
        (["nowhere", "b.onnx"], "there is no model nowhere"),
    ):
        with pytest.raises(ValueError, match=sentence):
            command(["onnx", *given])


def test_a_threshold_that_is_not_of_cosines_says_so(tmp_path: Path) -> None:
    made = made_verifier.with_cohort(made_verifier.bundle(), score="normalised", centred=True)
    save_verifier(tmp_path / "bundle", made)
    encoder, facts = encoder_and_facts(tmp_path / "bundle")
    assert state_sha256(encoder.state) == state_sha256(made.encoder.state)
    assert (facts["score"], facts["threshold"]) == ("normalised", 0.9)
    assert "do not hold for plain cosines" in facts["limits"][-1]
    save_verifier(tmp_path / "cosines", made_verifier.bundle())
    _, facts = encoder_and_facts(tmp_path / "cosines")
    assert not [limit for limit in facts["limits"] if "plain cosines" in limit]
    save_encoder(tmp_path / "encoder.safetensors", encoder)
    assert encoder_and_facts(tmp_path / "encoder.safetensors")[1] == {}
