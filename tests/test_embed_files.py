"""Files to unit vectors: what a file becomes is its own, fast or not."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from bodysounds.audio.read import AudioError, read_audio
from bodysounds.models.encoder import Encoder, network, untrained
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.scoring import embed_batches
from bodysounds.scoring.embed import embed_waveforms
from bodysounds.scoring.embed_batches import (
    alike,
    batch_size,
    equal_lengths,
    in_bf16,
    stacked,
)
from bodysounds.scoring.embed_files import embed_files, in_batches

SMALL = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}
DEEP = {"channels": 64, "depth": 3, "dim": 192}

pytestmark = pytest.mark.usefixtures("one_thread")


def encoder_of(name: str = "speechbrain", rate: int = 16_000, **architecture: object) -> Encoder:
    front_end = {"name": name, "sample_rate": rate, "n_mels": 24, "mean_over": "band"}
    return untrained(Encoder({}, SMALL | architecture, front_end), seed=0)


def alone(module: EmbeddingNetwork, wave: np.ndarray) -> np.ndarray:
    """Return the unit embedding of one waveform, by nothing but the network."""
    with torch.inference_mode():
        found = module(torch.from_numpy(wave)[None])[0]
    return (found / found.norm()).numpy()


def noises(lengths: list[int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(-0.5, 0.5, n).astype(np.float32) for n in lengths]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Recordings of 0.1 to 2 s, some of one length, one of another rate and two channels."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(3)
    lengths = [*rng.integers(5_000, 32_000, 12), 16_000, 16_050, 16_159, 16_160, 1_600]
    paths = [folder / f"{k:02d}.wav" for k in range(len(lengths))]
    for path, wave in zip(paths, noises(lengths), strict=True):
        soundfile.write(path, wave, 16_000)
    soundfile.write(folder / "stereo.flac", rng.uniform(-0.5, 0.5, (9_000, 2)), 8_000)
    return [*paths, folder / "stereo.flac"]


@pytest.mark.parametrize(
    ("name", "rate"),
    [("speechbrain", 16_000), ("speechbrain", 22_050), ("kaldi", 16_000), ("kaldi", 11_025)],
)
def test_what_is_heard_alike_has_the_same_features(name: str, rate: int) -> None:
    module = network(encoder_of(name, rate))
    first = rate // 2
    (whole,) = noises([first + 1_000])
    lengths = np.arange(first, first + 700)
    keys = alike(lengths, module)
    assert (keys >= lengths).all()
    frames = [module.features(torch.from_numpy(whole[:n])[None]).shape[1] for n in lengths]
    # one key a number of frames
    assert len(set(zip(keys, frames, strict=True))) == len(set(keys)) == len(set(frames)) > 3
    for key in set(keys):
        group = lengths[keys == key]
        batch = stacked([whole[:n] for n in group[[0, len(group) // 2, -1]]], module)
        for n, features in zip(
            group[[0, len(group) // 2, -1]], module.features(batch), strict=True
        ):
            own = module.features(torch.from_numpy(whole[:n])[None])[0]
            torch.testing.assert_close(features, own, rtol=0, atol=1e-5)


def test_front_ends_that_hear_every_sample_share_nothing_but_equal_lengths() -> None:
    options = {"sample_rate": 16_000, "clip_s": 1.0}
    image = EmbeddingNetwork({"name": "resnet18", "width": 2}, {"name": "stft_image"} | options, 0)
    assert alike(np.array([8_000, 8_001, 16_000, 40_000]), image).tolist() == [
        8_000, 8_001, 16_000, 16_000,
    ]  # fmt: skip
    short, long = noises([16_000, 16_000])
    batch = stacked([short, np.concatenate([long, long])], image.eval())
    np.testing.assert_allclose(
        image(batch)[0].detach(), image(torch.from_numpy(short)[None])[0].detach(), atol=1e-5
    )


@pytest.mark.parametrize("batch_s", [0.1, 2.0, 600.0])
def test_batches_equal_one_at_a_time(batch_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed_batches, "CUDA_BATCH_S", batch_s)
    module = network(encoder_of(**DEEP))
    rng = np.random.default_rng(0)
    waves = noises([*rng.integers(6_000, 9_000, 20), *[8_000] * 5, 4_000])
    found = embed_waveforms(module, waves, precision="float32")
    for wave, embedding in zip(waves, found, strict=True):
        np.testing.assert_allclose(embedding, alone(module, wave), atol=1e-5)
    (short,) = noises([900])
    repeated = embed_waveforms(module, [short], precision="float32")[0]
    np.testing.assert_allclose(repeated, alone(module, np.resize(short, 4_000)), atol=1e-5)


def test_a_batch_holds_no_more_than_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed_batches, "CUDA_BATCH_S", 3.0)
    module = network(encoder_of())
    batches = equal_lengths(np.array([16_000] * 7 + [80_000, 80_000, 8_000]), module)
    assert [len(items) for items in batches] == [1, 2, 2, 2, 1, 1, 1]
    assert sorted(np.concatenate(batches)) == list(range(10))
    assert equal_lengths(np.empty(0, np.int64), module) == []


def test_wide_networks_hear_fewer_seconds_at_a_time_and_in_bf16() -> None:
    small, wide = network(encoder_of()), network(encoder_of(channels=256, depth=3))
    assert batch_size(16_000, wide) < batch_size(16_000, small)
    assert in_bf16("bf16", small)
    assert not in_bf16("float32", wide)
    assert not in_bf16("auto", small)
    with pytest.raises(ValueError, match="precision must be one of auto, bf16, float32, got 'b"):
        in_bf16("bfloat", wide)


def test_bf16_hears_what_float32_does() -> None:
    module = network(encoder_of(**DEEP))
    waves = noises([16_000, 24_000, 40_000])
    plain = embed_waveforms(module, waves, precision="float32")
    quick = embed_waveforms(module, waves, precision="bf16")
    assert quick.dtype == np.float32
    assert not np.array_equal(plain, quick)
    assert (plain * quick).sum(axis=1).min() > 0.9995


def test_files_equal_one_at_a_time(files: list[Path]) -> None:
    module = network(encoder_of())
    found = embed_files(module, files, max_side_s=1.5, precision="float32")
    assert found.dtype == np.float32
    assert found.shape == (len(files), 8)
    for path, embedding in zip(files, found, strict=True):
        wave = read_audio(path, 16_000)[:24_000]
        wave = np.resize(wave, max(len(wave), 4_000))
        np.testing.assert_allclose(embedding, alone(module, wave), atol=1e-5)
    turned = embed_files(module, files[::-1], max_side_s=1.5, precision="float32", workers=1)
    np.testing.assert_allclose(turned[::-1], found, atol=1e-5)
    assert embed_files(module, []).shape == (0, 8)


def test_a_broken_file_is_named_and_costs_no_other(files: list[Path], tmp_path: Path) -> None:
    encoder = encoder_of()
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF but no more")
    paths = [files[0], broken, files[1], tmp_path / "gone.wav"]
    with pytest.raises(AudioError, match=r"broken\.wav"):
        embed_files(encoder, paths, device="cpu")
    rejected: list[tuple[str, str]] = []
    found = embed_files(encoder, paths, device="cpu", rejected=rejected)
    assert [path for path, _ in rejected] == [str(broken), str(tmp_path / "gone.wav")]
    assert "is not there" in rejected[1][1]
    assert np.isnan(found[[1, 3]]).all()
    np.testing.assert_array_equal(found[[0, 2]], embed_files(encoder, files[:2], device="cpu"))


def test_paths_are_any_iterable_and_never_one_alone(files: list[Path]) -> None:
    module = network(encoder_of())
    wanted = embed_files(module, files[:3])
    np.testing.assert_array_equal(embed_files(module, (str(path) for path in files[:3])), wanted)
    for path in (files[0], str(files[0])):
        with pytest.raises(ValueError, match="a list of paths, got one alone"):
            embed_files(module, path)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="max_side_s must lie in"):
            embed_files(module, files, max_side_s=wrong)


def test_the_rest_of_a_long_recording_does_not_wait_in_memory(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    def watched(waveforms: list[np.ndarray], module: EmbeddingNetwork) -> torch.Tensor:
        held.extend(w.size if w.base is None else w.base.size for w in waveforms)
        return stacked(waveforms, module)

    monkeypatch.setattr("bodysounds.scoring.embed_files.stacked", watched)
    embed_files(network(encoder_of()), files, max_side_s=0.5)
    assert len(held) == len(files)
    assert max(held) == 8_000


def test_files_share_batches_and_little_waits() -> None:
    module = network(encoder_of())
    waves = noises([8_000, 12_000, 8_000, 12_000, 8_010, 20_000])
    batches = list(in_batches(enumerate(waves), module))
    assert [[place for place, _ in items] for items in batches] == [[0, 2, 4], [1, 3], [5]]
    # what began first goes as soon as more than a second waits
    batches = list(in_batches(enumerate(waves), module, waiting_s=1.0))
    assert [[place for place, _ in items] for items in batches] == [[0], [1], [2], [3], [4], [5]]
    taken: list[int] = []

    def endless():
        for place in range(10_000):
            taken.append(place)
            yield place, np.ones(8_000 + 160 * place, np.float32)

    next(in_batches(endless(), module, waiting_s=3.0))
    assert len(taken) < 8


def test_files_are_decoded_while_the_network_listens(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = network(encoder_of())
    decoding: list[str] = []

    def watched(path: Path, rate: int) -> np.ndarray:
        decoding.append(threading.current_thread().name)
        return read_audio(path, rate)

    monkeypatch.setattr("bodysounds.scoring.embed_files.read_audio", watched)
    heard: list[int] = []
    module.front_end.register_forward_pre_hook(lambda *_: heard.append(len(decoding)))
    monkeypatch.setattr(embed_batches, "CUDA_BATCH_S", 0.01)
    embed_files(module, files, workers=1)
    assert threading.current_thread().name not in decoding
    assert heard[0] < len(files)


@pytest.mark.data
def test_real_recordings_are_heard_whole(data_dir: Path) -> None:
    """Cosine to the unpadded recording above 0.9999."""
    found = sorted((data_dir / "speech" / "vctk").rglob("*.*"))
    found += sorted((data_dir / "infant_cries" / "audio").rglob("*.*"))
    endings = (".wav", ".flac", ".ogg", ".opus")
    paths = [p for p in found if p.suffix in endings]
    paths = [paths[k] for k in np.random.default_rng(0).permutation(len(paths))[:12]]
    module = network(encoder_of(**DEEP))
    vectors = embed_files(module, paths, precision="float32")
    quick = embed_files(module, paths, precision="bf16")
    waves = [read_audio(path, 16_000)[:960_000] for path in paths]
    plain = np.stack([alone(module, np.resize(w, max(len(w), 4_000))) for w in waves])
    assert (vectors * plain).sum(axis=1).min() > 0.999999
    assert (quick * plain).sum(axis=1).min() > 0.9995
