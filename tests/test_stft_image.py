"""Images of waveforms: magnitudes by a slow transform, lengths, normalisation, equal channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bodysounds.audio.clips import clips, places
from bodysounds.audio.packed import write_packed
from bodysounds.audio.stft_image import FLOOR, StftImage, fit_length

RATE = 16_000
SMALL = {"sample_rate": RATE, "clip_s": 0.2, "n_fft": 128, "win_s": 0.006, "size": 40}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(shape, generator=generator)


def slow_magnitudes(wave: np.ndarray, n_fft: int, n_window: int, hop: int) -> np.ndarray:
    """Return magnitudes (frequencies, frames) by the definition of the transform."""
    n = np.arange(n_window)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / n_window)
    window = np.pad(window, ((n_fft - n_window) // 2, n_fft - n_window - (n_fft - n_window) // 2))
    basis = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), np.arange(n_fft)) / n_fft)
    starts = range(0, len(wave) - n_fft + 1, hop)
    return np.stack([np.abs(basis @ (window * wave[s : s + n_fft])) for s in starts], axis=1)


@pytest.mark.parametrize("log", [True, False])
def test_magnitudes_are_those_of_a_slow_transform(log: bool) -> None:
    wave = noise(1, round(0.2 * RATE))
    expected = slow_magnitudes(wave[0].double().numpy(), 128, 96, 160)
    assert expected.shape == (65, 20)
    expected = np.log(expected + FLOOR) if log else expected
    low, high = expected.min(), expected.max()
    # as many rows as frequencies: those are then untouched, and columns are frames
    image = StftImage(**SMALL | {"log": log, "normalise": "min_max", "size": 65})(wave)
    frames = torch.nn.functional.interpolate(
        torch.from_numpy((expected - low) / (high - low))[None, None], (65, 65), mode="bilinear"
    )
    stretched = (frames - frames.min()) / (frames.max() - frames.min())
    np.testing.assert_allclose(image[0, 0].numpy(), stretched[0, 0].numpy(), atol=2e-5)


def test_quiet_rows_beside_a_loud_tone_are_not_rounding() -> None:
    # a recording of 16 bits that is silent but for a tone: in float32 the tone's rounding is a
    # tenth of what the quiet rows hold, and variance 1 makes it as large as they are
    time = np.arange(round(0.2 * RATE)) / RATE
    wave = np.round(0.9 * 32_768 * np.sin(2 * np.pi * 440 * time)) / 32_768
    logs = np.log1p(slow_magnitudes(wave, 128, 96, 160) / FLOOR)
    frames = torch.nn.functional.interpolate(
        torch.from_numpy(logs)[None, None], (65, 65), mode="bilinear"
    )[0, 0]
    expected = (frames - frames.mean(1, keepdim=True)) / frames.std(1, correction=0, keepdim=True)
    image = StftImage(**SMALL | {"size": 65})(torch.from_numpy(wave).float()[None])
    np.testing.assert_allclose(image[0, 0].numpy(), expected.numpy(), atol=2e-5)


def test_a_tone_lights_its_own_row() -> None:
    time = torch.arange(RATE) / RATE
    for hz in (1000.0, 3000.0, 7000.0):
        image = StftImage(size=64, normalise="min_max", clip_s=1.0)(
            torch.sin(2 * torch.pi * hz * time)[None]
        )
        row = int(image[0, 0].mean(dim=1).argmax())
        assert row == pytest.approx(hz / 8000 * 64, abs=1)


def test_the_channels_are_one_tensor() -> None:
    image = StftImage(**SMALL)(noise(2, 4000))
    assert image.shape == (2, 3, 40, 40)
    assert image.dtype == torch.float32
    assert image.stride()[1] == 0
    assert torch.equal(image[:, 0], image[:, 2])


@pytest.mark.parametrize("normalise", ["min_max", "per_frequency"])
@pytest.mark.parametrize("size", [20, 40, 150])
def test_images_are_normalised_one_by_one(normalise: str, size: int) -> None:
    module = StftImage(**SMALL | {"normalise": normalise, "size": size})
    waves = noise(3, 4000)
    waves[1] *= 30.0
    images = module(waves)
    for number in range(3):
        torch.testing.assert_close(images[number], module(waves[number : number + 1])[0])
        one = images[number, 0]
        if normalise == "min_max":
            assert (float(one.min()), float(one.max())) == (0.0, 1.0)
        else:
            torch.testing.assert_close(one.mean(dim=1), torch.zeros(size), atol=1e-5, rtol=0)
            torch.testing.assert_close(
                one.var(dim=1, correction=0), torch.ones(size), atol=1e-3, rtol=0
            )
    assert not torch.allclose(images[0], images[2], atol=0.1)


def test_per_frequency_hears_no_constant_filter_and_no_level() -> None:
    wave = noise(1, 3200, seed=1)
    envelope = 1 + 0.9 * torch.sin(torch.arange(3200) / 300)
    wave = wave * envelope
    per_frequency = StftImage(**SMALL)
    torch.testing.assert_close(per_frequency(wave), per_frequency(wave * 4), atol=0.02, rtol=0)
    plain = StftImage(**SMALL | {"log": False, "normalise": "min_max"})
    torch.testing.assert_close(plain(wave), plain(wave * 4), atol=1e-4, rtol=0)


@pytest.mark.parametrize("normalise", ["min_max", "per_frequency"])
def test_silence_is_an_even_image(normalise: str) -> None:
    image = StftImage(**SMALL | {"normalise": normalise})(torch.zeros(1, 4000))
    assert torch.equal(image, torch.zeros_like(image))


def test_a_large_batch_gives_what_each_gives_alone() -> None:
    module, waves = StftImage(**SMALL), noise(11, 3200)
    alone = torch.cat([module(wave[None]) for wave in waves])
    assert torch.equal(module(waves), alone)


def test_only_the_clip_is_heard() -> None:
    module = StftImage(**SMALL)
    wave = noise(1, 8000)
    torch.testing.assert_close(module(wave), module(wave[:, :3200]))
    changed = wave.clone()
    changed[:, 3200:] = 0.7
    assert torch.equal(module(wave), module(changed))
    changed[:, 3100:3200] = 0.7
    assert not torch.equal(module(wave), module(changed))


def test_short_waveforms_are_repeated_or_padded() -> None:
    wave = torch.tensor([[1, 2, 3]], dtype=torch.int16)
    assert fit_length(wave, 8, "repeat").tolist() == [[1, 2, 3, 1, 2, 3, 1, 2]]
    assert fit_length(wave, 8, "zeros").tolist() == [[1, 2, 3, 0, 0, 0, 0, 0]]
    assert fit_length(wave, 2, "zeros").tolist() == [[1, 2]]
    assert fit_length(wave, 8, "zeros").dtype == torch.int16
    short = noise(1, 900)
    zeros, again = (
        StftImage(**SMALL | {"fill": fill, "normalise": "min_max"})(short)
        for fill in ("zeros", "repeat")
    )
    assert float(zeros[0, 0, :, 20:].max()) == 0.0
    assert float(again[0, 0, :, 20:].max()) > 0.5


def test_clips_are_the_start_or_a_random_part(tmp_path: Path) -> None:
    ramp = np.arange(1, 1001, dtype=np.int16)
    pieces = [("long", ramp), ("short", ramp[:30]), ("fits", ramp[:100])]
    packed = write_packed(tmp_path / "packed", pieces, RATE)
    spans = places(packed, ["short", "long", "fits"])
    assert spans.tolist() == [[1000, 30], [0, 1000], [1030, 100]]
    first = clips(packed.samples, spans, 100, "repeat") * 32768
    assert first[0].tolist() == np.resize(ramp[:30], 100).tolist()
    assert first[1].tolist() == first[2].tolist() == ramp[:100].tolist()
    padded = clips(packed.samples, spans, 100, "zeros") * 32768
    assert padded[0].tolist() == [*ramp[:30].tolist(), *[0] * 70]

    rng = np.random.default_rng(0)
    drawn = [clips(packed.samples, spans, 100, "repeat", rng) * 32768 for _ in range(200)]
    starts = {int(one[1, 0]) for one in drawn}
    assert len(starts) > 100
    assert min(starts) >= 1
    assert max(starts) <= 901
    assert all((one[1].diff() == 1).all() for one in drawn)
    assert {int(one[0, 0]) for one in drawn} == set(range(1, 31))
    assert all(sorted(one[0, :30].tolist()) == ramp[:30].tolist() for one in drawn)
    assert all(one[2].tolist() == ramp[:100].tolist() for one in drawn)

    with pytest.raises(ValueError, match=r"1 segment\(s\) have no audio, such as 'other'"):
        places(packed, ["long", "other"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fill": "mirror"}, "fill must be one of repeat, zeros, got 'mirror'"),
        ({"normalise": "peak"}, "normalise must be one of min_max, per_frequency, got 'peak'"),
        ({"clip_s": 0.01}, "clips of 160 samples and n_fft 512"),
        ({"win_s": 0.05}, r"frames of 800 samples every 160: they must have 1 to n_fft \(512\)"),
        ({"hop_s": 0.00001}, "a step of at least 1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StftImage(**options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a waveform has no samples"):
        StftImage()(torch.zeros(1, 0))
