"""The front end log_mel by a slow transform, and what fills clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bodysounds.audio.clips import clips, places
from bodysounds.audio.fills import fit_length
from bodysounds.audio.log_mel import PUBLISHED_MEAN, PUBLISHED_STD, LogMel, mel_bands
from bodysounds.audio.packed import write_packed
from bodysounds.audio.read import read_audio
from bodysounds.types import Array

pytestmark = pytest.mark.usefixtures("one_thread")

PUBLISHED = {"sample_rate": 16_000, "n_fft": 1024, "hop": 512, "n_mels": 64, "f_min": 50.0,
             "f_max": 2000.0}  # fmt: skip
SLOW = {"sample_rate": 4000, "n_fft": 256, "hop": 128, "n_mels": 64, "f_min": 50.0,
        "f_max": 1800.0}  # fmt: skip


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(shape, generator=generator)


def slow_decibels(wave: Array, options: dict[str, Any]) -> Array:
    """Decibels (frames, n_mels) in float64 by the definitions, frame by frame and band by band."""
    n_fft, hop, rate = options["n_fft"], options["hop"], options["sample_rate"]
    half = n_fft // 2
    mirrored = np.concatenate([wave[half:0:-1], wave, wave[-2 : -half - 2 : -1]]).astype(float)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    low, high = (2595 * np.log10(1 + options[edge] / 700) for edge in ("f_min", "f_max"))
    mels = low + (high - low) * np.arange(options["n_mels"] + 2) / (options["n_mels"] + 1)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hertz = np.arange(half + 1) * rate / n_fft
    rows = []
    for start in range(0, len(wave) + 1, hop):
        power = np.abs(np.fft.fft(window * mirrored[start : start + n_fft])[: half + 1]) ** 2
        row = [
            sum(power * np.interp(hertz, edges[k : k + 3], [0, 1, 0], left=0, right=0))
            for k in range(options["n_mels"])
        ]
        rows.append([10 * np.log10(max(value, 1e-10)) for value in row])
    return np.array(rows)


@pytest.mark.parametrize("options", [PUBLISHED, SLOW])
@pytest.mark.parametrize("extra", [0, 1, 127])
def test_decibels_are_those_of_the_definitions(options: dict[str, Any], extra: int) -> None:
    wave = noise(1, options["sample_rate"] // 2 + extra)
    found = LogMel(**options, normalise="none")(wave)
    expected = slow_decibels(wave[0].numpy(), options)
    assert found.shape == (1, 1 + wave.shape[1] // options["hop"], 64)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("options", [PUBLISHED, SLOW])
def test_decibels_are_those_of_torchaudio(options: dict[str, Any]) -> None:
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    theirs = {name: value for name, value in options.items() if name != "hop"}
    melspec = torch.nn.Sequential(
        MelSpectrogram(**theirs, hop_length=options["hop"]), AmplitudeToDB()
    )
    waves = noise(3, options["sample_rate"])
    found = LogMel(**options, normalise="none")(waves)
    torch.testing.assert_close(found, melspec(waves).transpose(1, 2), rtol=0, atol=1e-3)


@pytest.mark.data
def test_decibels_of_a_real_recording(data_dir: Path) -> None:
    path = data_dir / "respiratory" / "audio" / "102_1b1_Ar_sc_Meditron.flac"
    wave = read_audio(path, 4000)[:8000]
    found = LogMel(**SLOW, normalise="none")(torch.from_numpy(wave[None]))
    np.testing.assert_allclose(found[0].numpy(), slow_decibels(wave, SLOW), rtol=0, atol=0.02)


def test_silence_is_the_floor() -> None:
    waves = torch.zeros(2, 4000)
    assert torch.equal(LogMel(**SLOW, normalise="none")(waves), torch.full((2, 32, 64), -100.0))
    for normalise in ("clip", "batch"):
        assert torch.equal(LogMel(**SLOW, normalise=normalise)(waves), torch.zeros(2, 32, 64))


@pytest.mark.parametrize("hz", [120.0, 400.0, 1500.0])
@pytest.mark.parametrize("options", [PUBLISHED, SLOW])
def test_a_tone_lights_its_own_band(hz: float, options: dict[str, Any]) -> None:
    time = torch.arange(options["sample_rate"]) / options["sample_rate"]
    wave = torch.sin(2 * torch.pi * hz * time)[None]
    loudest = int(LogMel(**options)(wave)[0].mean(dim=0).argmax())
    mel = [2595 * np.log10(1 + value / 700) for value in (options["f_min"], hz, options["f_max"])]
    assert loudest == pytest.approx((mel[1] - mel[0]) / (mel[2] - mel[0]) * 65 - 1, abs=1)


def test_clips_are_normalised_one_by_one() -> None:
    waves = noise(3, 8000)
    waves[1] *= 30
    module = LogMel(**SLOW, normalise="clip")
    found = module(waves).double()
    np.testing.assert_allclose(found.mean(dim=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.square().mean(dim=(1, 2)), 1, atol=1e-5)
    # a level is a constant of decibels
    torch.testing.assert_close(module(waves * 0.01), module(waves), rtol=0, atol=1e-4)
    torch.testing.assert_close(module(waves[1:2]), module(waves)[1:2])


def test_a_microphone_is_taken_off_band_by_band() -> None:
    waves = noise(2, 8000)
    decibels = LogMel(**SLOW, normalise="none")(waves).double().numpy()
    found = LogMel(**SLOW, normalise="band", std=15.0)(waves).double().numpy()
    np.testing.assert_allclose(found, (decibels - decibels.mean(axis=1)[:, None]) / 15, atol=1e-5)


def test_constants_are_taken_off() -> None:
    waves = noise(2, 8000)
    decibels = LogMel(**SLOW, normalise="none")(waves)
    found = LogMel(**SLOW, normalise="fixed", mean=-30.0, std=12.5)(waves)
    torch.testing.assert_close(found, (decibels + 30) / 12.5)


def test_a_batch_is_stretched_as_one() -> None:
    waves = noise(2, 8000)
    waves[1] *= 10
    decibels = LogMel(**SLOW, normalise="none")(waves)
    module = LogMel(**SLOW, normalise="batch", mean=PUBLISHED_MEAN, std=PUBLISHED_STD)
    unit = module(waves).double() * 0.0255 + 0.3690
    assert float(unit.min()) == pytest.approx(0, abs=1e-6)
    assert float(unit.max()) == pytest.approx(1, abs=1e-6)
    low, high = decibels.min(), decibels.max()
    expected = ((decibels - low) / (high - low)).double()
    torch.testing.assert_close(unit, expected, rtol=0, atol=1e-5)
    # what is heard beside a clip changes it
    assert (module(waves)[0] - module(waves[:1])[0]).abs().max() > 1


def test_the_front_end_stays_precise_under_autocast() -> None:
    waves = noise(2, 8000)
    with torch.autocast("cpu", torch.bfloat16):
        found = LogMel(**SLOW)(waves)
    assert torch.equal(found, LogMel(**SLOW)(waves))
    assert not list(LogMel(**SLOW).parameters())
    assert not LogMel(**SLOW).state_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_mels": 192}, r"\d+ of the 192 mel bands from 50 to 2000 Hz hold none of the "
                          "frequencies of n_fft 1024 at 16000 Hz, 15.625 Hz apart: make n_mels"),
        ({"n_fft": 256, "hop": 128}, r"\d+ of the 64 mel bands .* n_fft 256 at 16000 Hz"),
        ({"sample_rate": 2000}, "got 64 from f_min 50 to f_max 2000 Hz at 2000 Hz"),
        ({"f_min": 2000.0}, "between 0 Hz and half the sample rate, got 64 from f_min 2000"),
        ({"f_min": -1.0}, "between 0 Hz and half the sample rate, got 64 from f_min -1"),
        ({"n_mels": 0}, "between 0 Hz and half the sample rate, got 0 from"),
        ({"hop": 0}, "a hop from 1 to n_fft, got 1024 and 0"),
        ({"hop": 1025}, "a hop from 1 to n_fft, got 1024 and 1025"),
        ({"normalise": "cepstral"}, "one of none, clip, band, fixed, batch, got 'cepstral'"),
        ({"std": 0.0}, "needs a finite mean and an std above 0, got 0.0 and 0.0"),
        ({"mean": float("nan")}, "needs a finite mean and an std above 0, got nan and 1"),
    ],
)  # fmt: skip
def test_front_ends_that_there_are_not(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogMel(**PUBLISHED | options)


def test_no_band_of_the_recipes_is_empty() -> None:
    for options in (PUBLISHED, SLOW):
        bands = mel_bands(
            *(options[k] for k in ("sample_rate", "n_fft", "n_mels", "f_min", "f_max"))
        )
        assert bands.shape == (options["n_fft"] // 2 + 1, 64)
        assert (bands > 0).any(dim=0).all()


def test_a_waveform_of_half_a_frame() -> None:
    module = LogMel(**SLOW)
    assert module(noise(1, 129)).shape == (1, 2, 64)
    with pytest.raises(
        ValueError, match="a waveform of 128 samples is too short for frames of 256"
    ):
        module(noise(1, 128))


# --- fills ---


def test_what_follows_a_shorter_waveform() -> None:
    wave = torch.tensor([[1, 2, 3]], dtype=torch.int16)
    for fill, expected in (
        ("circular", [1, 2, 3, 1, 2, 3, 1, 2]),
        ("repeat", [1, 2, 3, 1, 2, 3, 1, 2]),
        ("zeros", [1, 2, 3, 0, 0, 0, 0, 0]),
        ("reflect", [1, 2, 3, 2, 1, 2, 3, 2]),
    ):
        found = fit_length(wave, 8, fill)
        assert (found.tolist(), found.dtype) == ([expected], torch.int16)
        assert fit_length(wave, 2, fill).tolist() == [[1, 2]]
        assert fit_length(wave, 3, fill).tolist() == [[1, 2, 3]]
        assert fit_length(wave[:, :1], 3, fill).tolist() == [
            [1, *([0, 0] if fill == "zeros" else [1, 1])]
        ]
    message = "fill must be one of repeat, zeros, circular, reflect, got 'mirror'"
    with pytest.raises(ValueError, match=message):
        fit_length(wave, 8, "mirror")
    with pytest.raises(ValueError, match="a waveform has no samples"):
        fit_length(wave[:, :0], 8, "reflect")


@pytest.mark.parametrize(("length", "wanted"), [(2, 9), (5, 5), (5, 6), (7, 100), (100, 120)])
def test_reflection_is_numpys(length: int, wanted: int) -> None:
    wave = noise(1, length)
    expected = np.pad(wave[0].numpy(), (0, wanted - length), mode="reflect")
    assert np.array_equal(fit_length(wave, wanted, "reflect")[0].numpy(), expected)


def test_only_what_goes_round_begins_anywhere(tmp_path: Path) -> None:
    ramp = np.arange(1, 21, dtype=np.int16)
    packed = write_packed(tmp_path / "packed", [("a", ramp)], 4000)
    spans = places(packed, ["a"])
    for fill in ("circular", "reflect", "zeros"):
        rng = np.random.default_rng(0)
        drawn = [clips(packed.samples, spans, 50, fill, rng)[0] * 32768 for _ in range(60)]
        start = clips(packed.samples, spans, 50, fill)[0] * 32768
        assert start[:20].tolist() == ramp.tolist()
        firsts = {int(clip[0]) for clip in drawn}
        if fill == "circular":
            assert len(firsts) > 15
            for clip in drawn:
                # the ramp goes on where it left off, and its end meets its start
                steps = clip.diff().tolist()
                assert set(steps) == {1.0, -19.0}
        else:
            assert firsts == {1}
            assert all(torch.equal(clip, start) for clip in drawn)
