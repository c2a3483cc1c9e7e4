"""What decides the samples of a segment, as a key: equal keys are equal samples."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import PurePath

import numpy as np
import soundfile
import soxr

from bodysounds.audio.ffmpeg import FFMPEG_ENDINGS
from bodysounds.shards import content_sha256

CODE = tuple(
    f"audio/{name}.py"
    for name in ("containers", "ffmpeg", "keys", "pack", "packed", "read", "wav")
)  # fmt: skip


def segment_key(
    sha256: str, path: str, sample_rate: int, start_s: float, end_s: float, fill: str
) -> bytes:
    """Return the key (32 bytes) of a segment of the recording whose bytes have that sha256.

    It covers the cut, the rate (Hz), the code that decodes and the versions of its libraries; of
    `path` only whether the command ffmpeg may be needed.
    """
    decoder = _decoder(PurePath(path).suffix.lower().lstrip(".") in FFMPEG_ENDINGS)
    about = f"{decoder} {sample_rate} {sha256} {start_s!r} {end_s!r} {fill}"
    return hashlib.sha256(about.encode()).digest()


def whole_key(segment_ids: Iterable[str], keys: Iterable[bytes]) -> str:
    """Return the key, in hex, of segments in their order."""
    digest = hashlib.sha256()
    for segment_id, key in zip(segment_ids, keys, strict=True):
        digest.update(key + segment_id.encode() + b"\0")
    return digest.hexdigest()


@cache
def _decoder(by_ffmpeg: bool) -> str:
    versions = [soundfile.__version__, soundfile.__libsndfile_version__, soxr.__version__]
    versions += [soxr.__libsoxr_version__, np.__version__, _ffmpeg_version() if by_ffmpeg else ""]
    return content_sha256(versions, code=CODE)


def _ffmpeg_version() -> str:
    command = shutil.which("ffmpeg")
    if command is None:
        return ""
    done = subprocess.run([command, "-version"], capture_output=True, check=False, text=True)
    return done.stdout
