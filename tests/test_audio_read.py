"""Reading: every format and depth right, every broken file refused in one sentence."""

from __future__ import annotations

import io
import shutil
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bodysounds.audio.read import AudioError, check_usable, decode, file_bytes, read_audio

RATE = 16_000


def tone(seconds: float = 1.0, rate: int = RATE, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def encoded(samples: np.ndarray, fmt: str, subtype: str | None = None, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=fmt, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("fmt", "subtype", "error"),
    [
        ("WAV", "PCM_U8", 1 / 120),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("FLAC", "PCM_24", 1e-6),
        ("FLAC", "PCM_S8", 1 / 120),
        ("OGG", "VORBIS", 0.05),
        ("MP3", None, 0.05),
        ("AIFF", "PCM_16", 1e-4),
    ],
)
def test_every_depth_is_read_at_full_scale_one(fmt: str, subtype: str | None, error: float) -> None:
    expected = tone()
    samples, rate = decode(encoded(expected, fmt, subtype))
    assert samples.dtype == np.float32
    assert samples.shape == (RATE, 1)
    assert rate == RATE
    assert np.abs(samples[:, 0] - expected).max() <= error


def test_path_bytes_and_file_object_give_the_same(tmp_path: Path) -> None:
    data = encoded(tone(), "WAV", "PCM_16")
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    from_bytes = decode(data)[0]
    assert np.array_equal(decode(path)[0], from_bytes)
    assert np.array_equal(decode(str(path))[0], from_bytes)
    assert np.array_equal(decode(io.BytesIO(data))[0], from_bytes)
    with pytest.raises(AudioError, match="a path, bytes or a binary file, got int"):
        decode(3)  # type: ignore[arg-type]


def test_channels_are_averaged_and_rates_converted() -> None:
    stereo = np.stack([tone(1.0, 44_100), 0.2 * tone(1.0, 44_100)], axis=1)
    mono = read_audio(encoded(stereo, "WAV", "FLOAT", 44_100), RATE)
    assert mono.shape == (RATE,)
    inner = slice(400, -400)
    assert np.abs(mono - 0.6 * tone())[inner].max() < 1e-3


def test_what_lies_above_the_new_half_rate_is_filtered_out() -> None:
    high = read_audio(encoded(tone(1.0, 48_000, hz=12_000), "WAV", "FLOAT", 48_000), RATE)
    assert np.abs(high[400:-400]).max() < 1e-3


def test_one_sample_can_be_resampled() -> None:
    assert len(read_audio(encoded(np.ones(1, "f4"), "WAV", "FLOAT", 48_000), RATE)) >= 1


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
@pytest.mark.parametrize(
    ("fmt", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("RF64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("FLAC", None),
        ("OGG", "VORBIS"),
        ("MP3", None),
    ],
)
def test_a_file_that_ends_early_is_refused(fmt: str, subtype: str | None, share: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype("f4")
    data = encoded(noise, fmt, subtype)
    decode(data, "whole")
    with pytest.raises(AudioError, match=r"^cry.x (is cut short|cannot be decoded).*leave it out"):
        decode(data[: int(len(data) * share)], "cry.x")


def test_a_wav_of_unannounced_length_is_read() -> None:
    data = bytearray(encoded(tone(), "WAV", "PCM_16"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    assert decode(bytes(data))[0].shape == (RATE, 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", r"a.wav is empty \(0 bytes\)"),
        (b"this is a letter to my aunt, not a recording", "a.wav is not audio that can be read"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "a.wav is cut short, it ends before its 'data' chunk"),
        (encoded(np.zeros(0, "f4"), "WAV", "PCM_16"), "a.wav holds no samples"),
    ],
)
def test_what_is_no_recording_is_named(data: bytes, said: str) -> None:
    with pytest.raises(AudioError, match=said) as caught:
        decode(data, "a.wav")
    assert "leave it out" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(value: float) -> None:
    samples = tone()
    samples[7:9] = value
    with pytest.raises(AudioError, match=r"a.wav holds 2 samples that are NaN or infinite"):
        decode(encoded(samples, "WAV", "FLOAT"), "a.wav")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"nothing.wav is not there"):
        decode(tmp_path / "nothing.wav")
    with pytest.raises(AudioError, match="cannot be opened"):
        decode(tmp_path)


def test_short_and_silent_recordings_are_refused() -> None:
    with pytest.raises(AudioError, match=r"a.wav lasts 0.02 s, less than ingest.min_duration_s"):
        check_usable(tone(0.02)[:, None], RATE, "a.wav", 0.05, -80)
    with pytest.raises(AudioError, match=r"a.wav is silent, its peak is digital zero"):
        check_usable(np.zeros((RATE, 1), "f4"), RATE, "a.wav", 0.05, -80)
    quiet = tone()[:, None] * 2 * 10 ** (-85 / 20)
    with pytest.raises(AudioError, match=r"its peak is -85.0 dBFS and ingest.silence_dbfs = -80"):
        check_usable(quiet, RATE, "a.wav", 0.05, -80)
    check_usable(quiet, RATE, "a.wav", 0.05, -90)


def test_a_phone_format_without_ffmpeg_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AudioError, match=r"^a.3gp needs the command ffmpeg.*apt install ffmpeg"):
        decode(b"\x00\x00\x00\x18ftyp3gp4" + bytes(100), "a.3gp")


@pytest.mark.parametrize("name", ["voice.ogg", "a.opus", "the recording"])
def test_opus_without_ffmpeg_says_what_to_install_whatever_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As libsndfile finds many a voice message; here it is cut behind its first header."""
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(), 48_000, format="OGG", subtype="OPUS")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("bodysounds.audio.read.cut_short", lambda _: None)
    with pytest.raises(AudioError, match=rf"^{name} needs the command ffmpeg.*apt install ffmpeg"):
        decode(buffer.getvalue()[:60], name)


def test_a_phone_format_goes_through_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the command: it answers with a WAV, or fails as ffmpeg does."""
    answer = tmp_path / "answer.wav"
    answer.write_bytes(encoded(tone(), "WAV", "FLOAT"))
    command = tmp_path / "ffmpeg"
    command.write_text(f'#!/bin/sh\ncase "$*" in *3gp*) {shutil.which("cat")} {answer};; '
                       '*) echo "moov atom not found" >&2; exit 1;; esac\n')  # fmt: skip
    command.chmod(command.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path))
    phone = b"\x00\x00\x00\x18ftyp3gp4" + bytes(100)
    samples, rate = decode(phone, "a.3gp")
    assert rate == RATE
    assert np.array_equal(samples[:, 0], tone())
    with pytest.raises(AudioError, match=r"^a.m4a is not audio.*moov atom not found"):
        decode(phone, "a.m4a")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg is not installed")
def test_real_ffmpeg_reads_what_libsndfile_does_not() -> None:
    import subprocess

    made = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "adts", "pipe:1"],
        input=encoded(tone(), "WAV", "PCM_16"),
        capture_output=True,
        check=True,
    ).stdout
    samples, rate = decode(made, "a.aac")
    assert rate == RATE
    assert len(samples) == pytest.approx(RATE, abs=4096)


def test_a_name_that_no_file_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"'a\\x00b.wav' can be no file's name: correct the table"):
        file_bytes(tmp_path / "a\0b.wav", "a\0b.wav")
