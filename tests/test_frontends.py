"""Front ends against the implementations that they stand for."""

from __future__ import annotations

import pytest
import torch
from torchaudio.compliance import kaldi

from bodysounds._speechbrain import Fbank
from bodysounds.audio.frontends import front_end, mean_normalise


def clips(*lengths: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = []
    for k, length in enumerate(lengths):
        time = torch.arange(length) / 16_000
        tone = torch.sin(2 * torch.pi * (200 + 300 * k) * time) * 0.3
        made.append(tone + 0.05 * torch.randn(length, generator=generator) + 0.02)
    return made


@pytest.mark.parametrize("n_mels", [24, 80])
def test_kaldi_equals_torchaudio_clip_by_clip(n_mels: int) -> None:
    loud, quiet, silent = clips(16_000, 16_000, 16_000)
    batch = torch.stack([loud, quiet * 1e-3, silent * 0.0])
    ours = front_end("kaldi", n_mels=n_mels)(batch)
    for row, clip in zip(ours, batch, strict=True):
        theirs = kaldi.fbank(clip[None], num_mel_bins=n_mels, dither=0.0)
        torch.testing.assert_close(row, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("rate", "length"), [(16_000, 401), (8_000, 5_321), (22_050, 9_999)])
def test_kaldi_equals_torchaudio_at_other_rates_and_lengths(rate: int, length: int) -> None:
    (clip,) = clips(length)
    theirs = kaldi.fbank(clip[None], num_mel_bins=40, dither=0.0, sample_frequency=rate)
    ours = front_end("kaldi", rate, 40)(clip[None])[0]
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_speechbrain_equals_its_layer_and_no_clip_changes_another() -> None:
    batch = torch.stack(clips(12_000, 12_000, 12_000))
    together = front_end("speechbrain")(batch)
    assert together.shape == (3, 76, 80)
    for row, clip in zip(together, batch, strict=True):
        torch.testing.assert_close(row[None], Fbank(n_mels=80)(clip[None]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["speechbrain", "kaldi"])
def test_front_ends_have_no_weights_and_stay_in_float32_under_autocast(name: str) -> None:
    module = front_end(name)
    assert not list(module.parameters())
    batch = torch.stack(clips(8_000, 8_000))
    plain = module(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(batch), plain)


def test_mean_normalise_removes_the_level_of_each_band() -> None:
    features = torch.randn(3, 50, 8, generator=torch.Generator().manual_seed(0)) + 5
    normal = mean_normalise(features)
    torch.testing.assert_close(normal.mean(dim=1), torch.zeros(3, 8), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal, mean_normalise(features * 1.0 + 7), atol=1e-5, rtol=0)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="one of speechbrain, kaldi, got 'mfcc'"):
        front_end("mfcc")
    with pytest.raises(ValueError, match="at least 400 samples"):
        front_end("kaldi")(torch.zeros(1, 399))


def test_the_mean_over_the_clip_takes_the_level_and_leaves_the_timbre() -> None:
    features = torch.randn(3, 50, 8, generator=torch.Generator().manual_seed(0)) + torch.arange(8.0)
    normal = mean_normalise(features, "clip")
    torch.testing.assert_close(normal.mean(dim=(1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    timbre = features.mean(1) - features.mean((1, 2))[:, None]
    torch.testing.assert_close(normal.mean(1), timbre, atol=1e-5, rtol=0)


def test_another_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="band or clip, got 'utterance'"):
        mean_normalise(torch.zeros(1, 2, 2), "utterance")
