"""Finds files that end before their own header says they do."""

from __future__ import annotations

import struct

UNKNOWN = (0, 0xFFFFFFFF)  # lengths that streaming writers leave behind


def cut_short(data: bytes) -> str | None:
    """Return how a WAV, AIFF or Ogg file falls short of what it announces, None where it doesn't.

    libsndfile reads such files without a word. FLAC and mp3 announce a number of frames, which
    the decoder's result is compared with.
    """
    kind = data[:4]
    if kind == b"RIFF" and data[8:12] == b"WAVE":
        return _chunks(data, "<I", b"data")
    if kind == b"RF64" and data[12:16] == b"ds64" and len(data) >= 36:
        announced: int = struct.unpack_from("<Q", data, 28)[0]
        return _chunks(data, "<I", b"data", announced)
    if kind == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return _chunks(data, ">I", b"SSND")
    if kind == b"OggS":
        return _pages(data)
    return None


def _chunks(data: bytes, number: str, wanted: bytes, announced: int = 0) -> str | None:
    """Walk over the chunks of an IFF file up to the one that holds the samples.

    `announced` stands for its length where the chunk itself has only 32 bits for it.
    """
    at = 12
    while at + 8 <= len(data):
        name = data[at : at + 4]
        size: int = struct.unpack_from(number, data, at + 4)[0]
        there = len(data) - at - 8
        if name == wanted:
            size = announced or size
            if size in UNKNOWN or size <= there:
                return None
            return f"its header announces {size} bytes of samples and {there} are there"
        at += 8 + size + size % 2
    return f"it ends before its {wanted.decode()!r} chunk"


def _pages(data: bytes) -> str | None:
    """Walk over the pages of an Ogg file (RFC 3533); the last one must be whole."""
    at = 0
    while data[at : at + 4] == b"OggS":
        n_segments = data[at + 26] if at + 27 <= len(data) else 0
        table = data[at + 27 : at + 27 + n_segments]
        end = at + 27 + n_segments + sum(table)
        if at + 27 > len(data) or len(table) < n_segments or end > len(data):
            return "its last Ogg page is incomplete"
        at = end
    return None
