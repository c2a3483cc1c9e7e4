"""Plain 16-bit WAV files, whose samples are taken as they lie in the file."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from bodysounds.audio.containers import UNKNOWN

FORMAT = struct.Struct("<HHIIHH")
MAX_CHANNELS = 1024  # of libsndfile


def pcm16(data: bytes) -> tuple[npt.NDArray[np.int16], int] | None:
    """Return the samples of a 16-bit PCM WAV file and its rate in Hz; None for any other file.

    Samples are int16 of shape (frames, channels), at least one frame: a view of the file's own
    bytes. None too for a file that is cut short or odd in any way: libsndfile is the judge of it.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    at, channels, rate = 12, 0, 0
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"data":
            whole = size not in UNKNOWN and size <= len(data) - at
            if not channels or not whole or size % (2 * channels):
                return None
            return np.frombuffer(data, "<i2", size // 2, at).reshape(-1, channels), rate
        if name == b"fmt ":
            channels, rate = (0, 0) if channels else _layout(data[at : at + size])
            if not channels:
                return None
        at += size + size % 2
    return None


def _layout(chunk: bytes) -> tuple[int, int]:
    """Return channels and rate (Hz) of 16-bit PCM, zeros for any other layout."""
    if len(chunk) < FORMAT.size:
        return 0, 0
    code, channels, rate, _, frame_bytes, bits = FORMAT.unpack_from(chunk)
    plain = (code, bits, frame_bytes) == (1, 16, 2 * channels) and channels <= MAX_CHANNELS
    return (channels, rate) if plain and rate else (0, 0)
