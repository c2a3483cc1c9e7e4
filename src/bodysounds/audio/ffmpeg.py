"""Formats that libsndfile does not know (3gp, m4a, some caf), through the command ffmpeg."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

FFMPEG_ENDINGS = {
    "3gp",
    "3g2",
    "aac",
    "amr",
    "caf",
    "m4a",
    "mka",
    "mov",
    "mp4",
    "opus",
    "webm",
    "wma",
}
WAV_TO_STDOUT = ["-vn", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]


def is_opus(data: bytes) -> bool:
    """Return whether a file's bytes are Ogg with Opus in it, however the file is called."""
    return data.startswith(b"OggS") and data[28:36] == b"OpusHead"


def decode_with_ffmpeg(data: bytes, name: str, why: str) -> tuple[npt.NDArray[np.float32], int]:
    """Return (frames, channels) float32 and the rate in Hz of a file given as bytes.

    `why` says why libsndfile couldn't. Raises ValueError where ffmpeg is missing or finds no sound.
    """
    command = shutil.which("ffmpeg")
    ending = Path(name).suffix.lower().lstrip(".")
    if command is None:
        if ending in FFMPEG_ENDINGS or data[4:8] == b"ftyp" or is_opus(data):
            raise ValueError(
                f"{name} needs the command ffmpeg, which is not installed (libsndfile: {why}): "
                "install ffmpeg (apt install ffmpeg, brew install ffmpeg)"
            )
        raise ValueError(
            f"{name} is not audio that can be read: give wav, flac, ogg or mp3, or leave it out"
        )
    # a file and not a pipe: the index of an mp4 often stands at its end
    with tempfile.NamedTemporaryFile(suffix=f".{ending or 'bin'}") as file:
        file.write(data)
        file.flush()
        done = subprocess.run(
            [command, "-v", "error", "-nostdin", "-i", file.name, *WAV_TO_STDOUT],
            capture_output=True,
            check=False,
        )
    try:
        if done.returncode:
            raise ValueError(f"exit status {done.returncode}")
        samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32", always_2d=True)
    except (ValueError, RuntimeError) as error:
        said = done.stderr.decode(errors="replace").replace(file.name, name).strip().splitlines()
        raise ValueError(
            f"{name} is not audio that can be read ({said[-1] if said else error}): copy it again "
            "or leave it out"
        ) from error
    return samples, int(rate)
