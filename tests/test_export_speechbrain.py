"""Encoders as folders that SpeechBrain loads: its embeddings are ours."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from made_encoders import made_encoder, noise
from torch.nn import functional

# first of all that imports SpeechBrain: it keeps its changes of global numerics out
from bodysounds._speechbrain import ECAPA_TDNN
from bodysounds.exporting import speechbrain as exporting
from bodysounds.exporting.speechbrain import export_speechbrain
from bodysounds.models.encoder import (
    Encoder,
    load_encoder,
    network,
    save_encoder,
    state_sha256,
)

pytestmark = pytest.mark.usefixtures("one_thread")

ABOUT = {"threshold": 0.25, "limits": ["A: b", "!new:os.system"]}


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, one_thread: None
) -> Callable[[str], tuple[Encoder, Path]]:
    """Give an encoder of a kind and its folder, which is written once."""
    done: dict[str, tuple[Encoder, Path]] = {}

    def get(kind: str) -> tuple[Encoder, Path]:
        if kind not in done:
            encoder, folder = made_encoder(kind), tmp_path_factory.mktemp("export") / kind
            assert export_speechbrain(encoder, folder, ABOUT) <= 1e-5
            done[kind] = encoder, folder
        return done[kind]

    return get


def classifier_of(folder: Path, savedir: Path) -> Any:
    """Return what SpeechBrain makes of a folder, by its own means."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from speechbrain.inference.classifiers import EncoderClassifier

        return EncoderClassifier.from_hparams(source=str(folder), savedir=str(savedir))


def ours(encoder: Encoder, waveforms: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return functional.normalize(network(encoder)(waveforms))


def theirs(model: Any, waveforms: torch.Tensor, **options: Any) -> torch.Tensor:
    with torch.inference_mode():
        found = model.encode_batch(waveforms, **options)
    assert found.ndim == 3
    return functional.normalize(found.squeeze(1))


def batch(n: int, samples: int, level: float = 0.3) -> torch.Tensor:
    return torch.from_numpy(noise(n, samples, level))


@pytest.mark.parametrize("kind", ["band", "8 kHz"])
def test_encoder_classifier_gives_our_embeddings(exported, kind: str, tmp_path: Path) -> None:
    encoder, folder = exported(kind)
    model = classifier_of(folder, tmp_path / "saved")
    for n, samples in ((1, 4000), (3, 16_000), (2, 31_337), (7, 5001), (1, 240_000)):
        waveforms = batch(n, samples)
        expected = ours(encoder, waveforms)
        torch.testing.assert_close(theirs(model, waveforms), expected, atol=1e-5, rtol=0)
        whole = theirs(model, waveforms, wav_lens=torch.ones(n), normalize=True)
        torch.testing.assert_close(whole, expected, atol=1e-5, rtol=0)
    assert float(expected.std()) > 1e-2
    other = ours(made_encoder(kind, 1), waveforms)
    assert float((other - expected).abs().max()) > 0.1


def test_the_folder_holds_speechbrains_classes_and_names_alone(exported) -> None:
    _, folder = exported("band")
    assert sorted(file.name for file in folder.iterdir()) == [
        "embedding_model.ckpt", "hyperparams.yaml", "mean_var_norm_emb.ckpt",
    ]  # fmt: skip
    text = (folder / "hyperparams.yaml").read_text()
    tags = [line.split("!new:")[1] for line in text.splitlines() if ": !new:" in line]
    assert tags
    assert all(tag.startswith(("speechbrain.", "torch.nn.")) for tag in tags)
    state = torch.load(folder / "embedding_model.ckpt", weights_only=True)
    body = ECAPA_TDNN(
        24, channels=[16, 16, 16, 48], kernel_sizes=[5, 3, 3, 1], dilations=[1, 2, 3, 1],
        groups=[1] * 4, lin_neurons=12, res2net_scale=2, attention_channels=8, se_channels=8,
    )  # fmt: skip
    assert state.keys() == body.state_dict().keys()
    body.load_state_dict(state)


def test_the_folder_keeps_what_is_known_as_plain_text(exported) -> None:
    encoder, folder = exported("band")
    text = (folder / "hyperparams.yaml").read_text()
    about = yaml.safe_load(text[: text.index("compute_features")])["about"]
    assert about == {**ABOUT, "sha256": state_sha256(encoder.state)}


def test_our_own_reader_reads_it_back(exported) -> None:
    encoder, folder = exported("band")
    again = load_encoder(folder)
    assert again.architecture == encoder.architecture
    assert again.front_end == encoder.front_end
    assert state_sha256(again.state) == state_sha256(encoder.state)
    assert torch.equal(ours(again, batch(2, 9000)), ours(encoder, batch(2, 9000)))


def test_speaker_recognition_verifies(exported, tmp_path: Path) -> None:
    encoder, folder = exported("band")
    model = exporting.load_speechbrain(folder, tmp_path / "saved")
    one, other = batch(2, 12_000), batch(2, 20_000)
    score, same = model.verify_batch(one, other)
    expected = (ours(encoder, one) * ours(encoder, other)).sum(1)
    torch.testing.assert_close(score.flatten(), expected, atol=1e-5, rtol=0)
    assert same.flatten().tolist() == (expected > 0.25).tolist()


@pytest.mark.parametrize("kind", ["clip", "backend", "network"])
def test_other_means_and_backends_come_with_their_classes(exported, kind, tmp_path: Path) -> None:
    encoder, folder = exported(kind)
    before = list(sys.path)
    model = exporting.load_speechbrain(folder, tmp_path / "saved")
    assert sys.path == before
    assert "bodysounds_interface" not in sys.modules
    for n, samples in ((1, 4000), (3, 16_001), (1, 100_000)):
        waveforms = batch(n, samples)
        torch.testing.assert_close(
            theirs(model, waveforms), ours(encoder, waveforms), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("kind", ["band", "clip", "backend"])
def test_wav_lens_tell_what_is_padding(exported, kind: str, tmp_path: Path) -> None:
    encoder, folder = exported(kind)
    model = exporting.load_speechbrain(folder, tmp_path / "saved")
    silent = batch(2, 32_000)
    silent[0, 16_000:] = 0
    # the frames at the end hear some of what follows, by SpeechBrain's way: not of this
    noisy = silent.clone()
    noisy[0, 20_000:] = 0.1 * batch(1, 12_000)
    lens = torch.tensor([0.5, 1.0])
    told = [theirs(model, waveforms, wav_lens=lens) for waveforms in (silent, noisy)]
    untold = [theirs(model, waveforms) for waveforms in (silent, noisy)]
    torch.testing.assert_close(told[0], told[1], atol=1e-5, rtol=0)
    torch.testing.assert_close(told[0][1:], ours(encoder, silent[1:]), atol=1e-5, rtol=0)
    assert float((untold[0] - untold[1])[0].abs().max()) > 1e-2
    assert float((untold[0] - told[0])[0].abs().max()) > 1e-2


ELSEWHERE = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy, torch
from speechbrain.inference.interfaces import foreign_class
model = foreign_class(sys.argv[1], pymodule_file="bodysounds_interface.py",
                      classname="EncoderClassifier", savedir=sys.argv[4])
numpy.save(sys.argv[3], model.encode_batch(torch.from_numpy(numpy.load(sys.argv[2])))[:, 0])
assert not [name for name in sys.modules if name.split(".")[0] == "bodysounds"]
"""


def test_the_folder_needs_nothing_of_this_package(exported, tmp_path: Path) -> None:
    encoder, folder = exported("backend")
    waveforms, files = batch(2, 20_000), [tmp_path / name for name in ("in.npy", "out.npy", "s")]
    np.save(files[0], waveforms.numpy())
    subprocess.run([sys.executable, "-I", "-c", ELSEWHERE, folder, *files], check=True)
    found = functional.normalize(torch.from_numpy(np.load(files[1])))
    torch.testing.assert_close(found, ours(encoder, waveforms), atol=1e-5, rtol=0)
    assert "import bodysounds" not in (folder / "bodysounds_interface.py").read_text()


@pytest.mark.parametrize("kind", ["kaldi", "resnet18", "statistics"])
def test_what_speechbrain_has_no_front_end_for_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be exported to SpeechBrain.*as ONNX$"):
        export_speechbrain(made_encoder(kind), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_embeds_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = made_encoder("band")
    right = exporting.settings_text(encoder, {})
    wrong = right.replace("norm_type: sentence", "norm_type: batch", 1)
    assert wrong != right
    monkeypatch.setattr(exporting, "settings_text", lambda *_: wrong)
    with pytest.raises(ValueError, match=r"out was not written: .* 1e-05 is allowed"):
        export_speechbrain(encoder, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_folder_and_says_how_to_use_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bodysounds.commands.export import run as command

    monkeypatch.chdir(tmp_path)
    for kind in ("band", "backend"):
        encoder = made_encoder(kind)
        save_encoder(f"{kind}.safetensors", encoder)
        assert command(["speechbrain", f"{kind}.safetensors", kind]) == 0
        told, code = capsys.readouterr().out.split("\n\n")
        assert "a folder for SpeechBrain" in told
        scope: dict[str, Any] = {"waveforms": batch(2, 20_000)}
        before = list(sys.path)
        exec(code, scope)
        capsys.readouterr()  # SpeechBrain logs, where another test has sent logs to stdout
        sys.path[:] = before
        sys.modules.pop("bodysounds_interface", None)
        found = functional.normalize(scope["embeddings"].squeeze(1))
        torch.testing.assert_close(found, ours(encoder, scope["waveforms"]), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=r"band exists: choose another name"):
        command(["speechbrain", "band.safetensors", "band"])
    assert command(["speechbrain", "band.safetensors", "other", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["path"], said["sample_rate"], said["dim"]) == ("other", 16_000, 12)
    assert said["parity"] <= 1e-5
