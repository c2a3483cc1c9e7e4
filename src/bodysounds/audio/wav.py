"""Plain 16-bit WAV files, whose samples are taken as they lie in the file."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from bodysounds.audio.containers import UNKNOWN

FORMAT = struct.Struct("<HHIIHH")
MAX_CHANNELS, MAX_RATE = 1024, 2**31 - 1  # of libsndfile
BESIDE = (b"LIST", b"JUNK", b"junk", b"PAD ", b"fact", b"bext", b"iXML", b"id3 ")
"""Chunks beside the samples that change nothing; libsndfile refuses a file for some others."""


def pcm16(data: bytes) -> tuple[npt.NDArray[np.int16], int] | None:
    """Return the samples of a 16-bit PCM WAV file and its rate in Hz; None for any other file.

    Samples are int16 of shape (frames, channels), at least one frame: a view of the file's own
    bytes. None too for a file that is cut short or odd in any way: libsndfile is the judge of it.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    at, channels, rate = 12, 0, 0
    samples: npt.NDArray[np.int16] | None = None
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if size > len(data) - at:
            return None
        if name == b"data":
            if samples is not None or not channels or size in UNKNOWN or size % (2 * channels):
                return None
            samples = np.frombuffer(data, "<i2", size // 2, at).reshape(-1, channels)
        elif name == b"fmt ":
            channels, rate = (0, 0) if channels else _layout(data[at : at + size])
            if not channels:
                return None
        elif name not in BESIDE or size < 4:
            return None
        at += size + size % 2
    return None if samples is None else (samples, rate)


def _layout(chunk: bytes) -> tuple[int, int]:
    """Return channels and rate (Hz) of 16-bit PCM, zeros for any other layout."""
    if len(chunk) < FORMAT.size:
        return 0, 0
    code, channels, rate, _, frame_bytes, bits = FORMAT.unpack_from(chunk)
    plain = (code, bits, frame_bytes) == (1, 16, 2 * channels) and channels <= MAX_CHANNELS
    return (channels, rate) if plain and 0 < rate <= MAX_RATE else (0, 0)
