"""Augmentations do what they state, as often as they state."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bodysounds.audio.augment import add_noise, build_augment, random_tilt, spec_augment

N_ITEMS = 400


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def waves(n: int = N_ITEMS, length: int = 1_600) -> torch.Tensor:
    return 0.1 * torch.randn(n, length, generator=generator(99))


def changed_share(before: torch.Tensor, after: torch.Tensor) -> float:
    return float((before != after).flatten(1).any(dim=1).float().mean())


@pytest.mark.parametrize("p", [0.0, 0.25, 0.7, 1.0])
@pytest.mark.parametrize("function", [random_tilt, add_noise])
def test_waveforms_change_as_often_as_stated(function: Any, p: float) -> None:
    batch = waves()
    share = changed_share(batch, function(batch, generator(), p=p))
    assert share == p if p in (0.0, 1.0) else abs(share - p) < 0.08


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_features_change_as_often_as_stated(p: float) -> None:
    batch = torch.ones(N_ITEMS, 60, 40)
    after = spec_augment(batch, generator(), p=p, freq_width=20, n_freq_masks=6)
    assert abs(changed_share(batch, after) - p) < 0.08


def test_noise_has_the_ratio_asked_for() -> None:
    batch = waves()
    added = add_noise(batch, generator(), p=1.0, snr_db=[5.0, 15.0]) - batch
    snr = 10 * torch.log10(batch.square().mean(1) / added.square().mean(1))
    assert 4.99 < snr.min() < 6
    assert 14 < snr.max() < 15.01
    assert abs(float(snr.mean()) - 10) < 0.5


def test_noise_has_the_colour_asked_for() -> None:
    batch = waves(50, 16_000)
    for colour, expected_db in ((0.0, 0.0), (2.0, -20.0)):
        added = add_noise(batch, generator(), p=1.0, colour=[colour, colour]) - batch
        power = torch.fft.rfft(added).abs().square().mean(0)
        decade = 10 * torch.log10(power[4_500:5_500].mean() / power[450:550].mean())
        assert abs(float(decade) - expected_db) < 1


def test_silence_stays_silent() -> None:
    silent = torch.zeros(4, 800)
    assert torch.equal(add_noise(silent, generator(), p=1.0), silent)


def test_tilt_is_smooth_and_as_deep_as_asked() -> None:
    impulse = torch.zeros(N_ITEMS, 1_600)
    impulse[:, 0] = 1.0
    response = torch.fft.rfft(random_tilt(impulse, generator(), p=1.0, depth_db=6.0)).abs()
    response_db = 20 * torch.log10(response)
    assert float(response_db[:, -1].std()) == pytest.approx(6 * (5 / 6) ** 0.5, abs=0.7)
    assert float(response_db[:, 100:].diff(dim=1).abs().max()) < 0.5
    flat = random_tilt(impulse, generator(), p=1.0, depth_db=0.0)
    torch.testing.assert_close(flat, impulse)


def test_masks_are_stretches_within_their_width() -> None:
    batch = torch.ones(N_ITEMS, 60, 40)
    after = spec_augment(batch, generator(), 1.0, 1, 7, 1, 11)
    frames = (after == 0).all(dim=2).sum(dim=1)
    bands = (after == 0).all(dim=1).sum(dim=1)
    assert int(frames.max()) == 11
    assert int(bands.max()) == 7
    assert int(frames.min()) == int(bands.min()) == 0
    assert bool(((after == 0).all(dim=1)[:, 0]).any())
    assert bool(((after == 0).all(dim=1)[:, -1]).any())


def test_a_mask_wider_than_the_clip_is_harmless() -> None:
    assert spec_augment(torch.ones(4, 5, 6), generator(), 1.0, 1, 99, 1, 99).shape == (4, 5, 6)


def test_the_generator_decides() -> None:
    augment = build_augment([{"name": "noise"}, {"name": "tilt"}, {"name": "spec_augment"}])
    batch, features = waves(8), torch.randn(8, 30, 20, generator=generator(1))
    torch.manual_seed(1)
    first = augment.waveforms(batch, generator(5)), augment.features(features, generator(5))
    torch.manual_seed(2)
    second = augment.waveforms(batch, generator(5)), augment.features(features, generator(5))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], augment.waveforms(batch, generator(6)))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "reverb"}, "one of gain, tilt, noise, spec_augment, got 'reverb'"),
        ({"name": "noise", "snr": 3}, "noise has no option 'snr': it has p, snr_db, colour"),
        ({"name": "tilt", "p": 1.5}, r"tilt: p must lie in \[0, 1\], got 1.5"),
        ({"name": "noise", "snr_db": [9, 3]}, r"snr_db must be \[low, high\]"),
        ({"name": "noise", "snr_db": 9}, r"snr_db must be \[low, high\]"),
        ({"name": "tilt", "p": "often"}, "p must be a number, got 'often'"),
        ({"name": "tilt", "depth_db": -1}, "depth_db must be at least 0, got -1"),
        ({"name": "tilt", "n_points": 1}, "n_points must be at least 2"),
        ({"name": "spec_augment", "freq_width": -1}, "freq_width must be a count"),
        ({"name": "spec_augment", "n_time_masks": 1.5}, "n_time_masks must be a count"),
    ],
)
def test_options_are_checked_by_name(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_augment([spec])
