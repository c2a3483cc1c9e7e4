"""Reads any recording: bytes, a path or a file object to float32."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from bodysounds.audio.containers import cut_short
from bodysounds.audio.ffmpeg import decode_with_ffmpeg, is_opus
from bodysounds.audio.wav import pcm16

Source: TypeAlias = bytes | str | os.PathLike[str] | BinaryIO
Float32s = npt.NDArray[np.float32]
Int16s = npt.NDArray[np.int16]

OWN_FORMATS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"FORM", b"ID3")
AGAIN = "copy it again or leave it out"
SLACK_FRAMES = 1152  # mp3 encoders disagree by up to one frame about padding


class AudioError(ValueError):
    """A recording that cannot be used, and why."""


def decode(source: Source, name: str | None = None) -> tuple[Float32s, int]:
    """Return all samples as float32 of shape (frames, channels), full scale 1, and the rate in Hz.

    `source` is a path, the bytes of a file or a binary file object; `name` stands for it in errors.
    wav, flac, ogg, mp3, aiff and au are read by libsndfile, others by the command ffmpeg. Raises
    AudioError for a file that is missing, empty, no audio, cut short, or holds NaN or infinity.
    """
    samples, rate = decode_samples(source, name)
    return as_float(samples), rate


def decode_samples(source: Source, name: str | None = None) -> tuple[Int16s | Float32s, int]:
    """Return samples and rate as `decode`; those of 16-bit PCM stay int16 (1 is then 32768)."""
    name = name or _name(source)
    data = _read(source, name)
    if not data:
        raise AudioError(f"{name} is empty (0 bytes): {AGAIN}")
    plain = pcm16(data)
    if plain is not None:
        return plain
    shortfall = cut_short(data)
    if shortfall:
        raise AudioError(f"{name} is cut short, {shortfall}: {AGAIN}")
    samples, rate = _decode(data, name)
    if not len(samples):
        raise AudioError(f"{name} holds no samples: {AGAIN}")
    if samples.dtype != np.int16 and not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).sum())
        raise AudioError(
            f"{name} holds {bad} samples that are NaN or infinite: export it again as PCM, "
            "or leave it out"
        )
    return samples, rate


def as_float(samples: Int16s | Float32s) -> Float32s:
    """Return samples as float32, full scale 1; int16 becomes it without rounding."""
    if samples.dtype != np.int16:
        return np.asarray(samples, dtype=np.float32)
    return np.multiply(samples, np.float32(1 / 32768), dtype=np.float32)


def read_audio(source: Source, sample_rate: int = 16_000, name: str | None = None) -> Float32s:
    """Return a recording as mono float32 of shape (n,) at `sample_rate` Hz.

    Channels are averaged; rates are converted by soxr, quality HQ. Raises as `decode`.
    """
    samples, rate = decode(source, name)
    return resample(to_mono(samples), rate, sample_rate)


def to_mono(samples: Float32s) -> Float32s:
    """Return the mean of the channels: (frames, channels) to (frames,)."""
    return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)


def resample(waveform: Float32s, rate: int, sample_rate: int) -> Float32s:
    """Return a waveform of shape (n,) at another rate (Hz), at least one sample long."""
    if rate == sample_rate:
        return waveform
    result: Float32s = soxr.resample(waveform, rate, sample_rate, quality="HQ")
    return result if len(result) else waveform[:1]


def peak_of(samples: Int16s | Float32s) -> float:
    """Return the largest absolute value of a recording's samples, full scale 1."""
    peak = max(float(samples.max()), -float(samples.min()))
    return peak / 32768 if samples.dtype == np.int16 else peak


def check_usable(
    samples: Int16s | Float32s, rate: int, name: str, min_duration_s: float, silence_dbfs: float
) -> None:
    """Raise AudioError for a recording that is too short (seconds) or silent (peak, dBFS)."""
    duration = len(samples) / rate
    if duration < min_duration_s:
        raise AudioError(
            f"{name} lasts {duration:.3g} s, less than ingest.min_duration_s = "
            f"{min_duration_s:g}: lower it to keep such recordings"
        )
    peak = peak_of(samples)
    if peak < 10 ** (silence_dbfs / 20) or peak == 0:
        level = f"{20 * np.log10(peak):.1f} dBFS" if peak else "digital zero"
        raise AudioError(
            f"{name} is silent, its peak is {level} and ingest.silence_dbfs = {silence_dbfs:g}: "
            "leave it out, or lower that level"
        )


def file_bytes(path: Path, name: str) -> bytes:
    """Return the content of a file; AudioError, calling it `name`, where it cannot be opened."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise AudioError(
            f"{name} is not there: check its name, or put the file in place"
        ) from error
    except IsADirectoryError as error:
        raise AudioError(
            f"{name} cannot be opened, it is a folder: give the recordings in it"
        ) from error
    except OSError as error:
        raise AudioError(f"{name} cannot be opened ({error.strerror}): check its rights") from error
    except ValueError as error:  # a NUL
        raise AudioError(f"{name!r} can be no file's name: correct the table") from error


def _decode(data: bytes, name: str) -> tuple[Int16s | Float32s, int]:
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            declared, rate = file.frames, file.samplerate
            kind = "int16" if file.subtype == "PCM_16" else "float32"
            samples: Int16s | Float32s = file.read(dtype=kind, always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        # libsndfile 1.2 calls many whole Opus files, such as voice messages, malformed
        if data.startswith(OWN_FORMATS) and not is_opus(data):
            raise AudioError(f"{name} cannot be decoded ({_reason(error)}): {AGAIN}") from error
        try:
            return decode_with_ffmpeg(data, name, _reason(error))
        except ValueError as failure:
            raise AudioError(str(failure)) from error
    slack = SLACK_FRAMES if _is_mp3(data) else 0
    # a stream of unknown length declares 2**63 - 1 frames
    if len(samples) + slack < declared < 2**62:
        raise AudioError(
            f"{name} is cut short, it announces {declared} frames and {len(samples)} are there: "
            f"{AGAIN}"
        )
    return samples, rate


def _is_mp3(data: bytes) -> bool:
    return data[:3] == b"ID3" or (data[0] == 0xFF and data[1:2] >= b"\xe0")


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")


def _name(source: Source) -> str:
    if isinstance(source, bytes):
        return "the recording"
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return str(getattr(source, "name", "the recording"))


def _read(source: Source, name: str) -> bytes:
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str | os.PathLike):
        if not hasattr(source, "read"):
            remedy = ": give numpy's array, with its rate" if hasattr(source, "__array__") else ""
            raise AudioError(
                "a recording is given as a path, bytes or a binary file, "
                f"got {type(source).__name__}{remedy}"
            )
        content = source.read()
        if isinstance(content, str):
            raise AudioError(f"{name} is open as text: open it as a binary file, with mode 'rb'")
        return content
    return file_bytes(Path(os.path.expanduser(source)), name)
