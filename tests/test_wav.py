"""16-bit recordings: their samples are libsndfile's, whatever lies around them in the file."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bodysounds.audio.pack import read_int16
from bodysounds.audio.packed import to_int16
from bodysounds.audio.read import AudioError, decode, decode_samples, read_audio
from bodysounds.audio.wav import pcm16


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    length = len(content) if size is None else size
    return name + struct.pack("<I", length) + content + b"\0" * (len(content) % 2)


def wav(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def layout(channels: int, rate: int, code: int = 1, bits: int = 16, extra: bytes = b"") -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, 0, frame, bits) + extra)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5), st.sampled_from([4_000, 11_025, 16_000, 48_000]), st.integers(1, 300),
    st.lists(st.sampled_from([b"LIST", b"junk", b"bext", b"fact"]), max_size=3),
    st.integers(0, 9), st.integers(0, 2**31),
)  # fmt: skip
def test_samples_are_libsndfiles(
    channels: int, rate: int, n: int, others: list[bytes], size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.integers(-32768, 32768, (n, channels), dtype=np.int16)
    around = [chunk(name, bytes(size + 4)) for name in others]
    data = wav(*around[:1], layout(channels, rate), *around[1:], chunk(b"data", samples.tobytes()),
               chunk(b"LIST", b"INFO"))  # fmt: skip
    found, found_rate = pcm16(data) or pytest.fail("a plain file is not recognised")
    theirs, their_rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    assert found_rate == their_rate == rate
    assert np.array_equal(found, theirs)
    assert np.array_equal(found, samples)
    floats = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    assert np.array_equal(decode(data)[0], floats)


PLAIN = layout(1, 8_000)
DATA = chunk(b"data", bytes(range(200)))


@pytest.mark.parametrize(
    "data",
    [
        wav(layout(1, 8_000, bits=8), DATA),
        wav(layout(1, 8_000, bits=24), DATA),
        wav(layout(1, 8_000, code=3, bits=32), DATA),
        wav(layout(1, 8_000, code=6), DATA),
        wav(layout(0, 8_000), DATA),
        wav(layout(1, 0), DATA),
        wav(layout(2, 8_000), chunk(b"data", bytes(198))),
        wav(PLAIN, PLAIN, DATA),
        wav(DATA, PLAIN),
        wav(PLAIN),
        wav(PLAIN, chunk(b"data", b"")),
        wav(PLAIN, chunk(b"data", bytes(200), 0xFFFFFFFF)),
        wav(PLAIN, chunk(b"data", bytes(200), 202)),
        wav(chunk(b"fmt ", b"\1\0\1\0"), DATA),
        b"RIFX" + wav(PLAIN, DATA)[4:],
        wav(PLAIN, DATA)[:30],
        wav(PLAIN, DATA) + wav(PLAIN, DATA),
        wav(PLAIN, DATA, DATA),
        wav(layout(1, 2**31), DATA),
        wav(chunk(b"PEAK", bytes(5)), PLAIN, DATA),
        wav(PLAIN, chunk(b"\0\0\0\0", bytes(8)), DATA),
        wav(PLAIN, chunk(b"fact", b"\0"), DATA),
        b"",
    ],
)
def test_anything_else_is_left_to_libsndfile(data: bytes) -> None:
    assert pcm16(data) is None


def test_a_file_that_is_cut_short_is_refused() -> None:
    with pytest.raises(AudioError, match="announces 202 bytes of samples and 200 are there"):
        decode(wav(PLAIN, chunk(b"data", bytes(200), 202)), "a.wav")


def test_two_files_written_one_after_the_other_are_refused() -> None:
    with pytest.raises(AudioError, match=r"a\.wav cannot be decoded .*RIFF"):
        decode(2 * wav(PLAIN, DATA), "a.wav")


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("fmt", "subtype", "kept"),
    [
        ("WAV", "PCM_16", True), ("FLAC", "PCM_16", True), ("AIFF", "PCM_16", True),
        ("WAV", "PCM_24", False), ("FLAC", "PCM_24", False), ("WAV", "FLOAT", False),
        ("WAV", "PCM_U8", False), ("OGG", "VORBIS", False),
    ],
)  # fmt: skip
def test_whole_numbers_are_the_rounded_floats(
    fmt: str, subtype: str, kept: bool, channels: int, rate: int
) -> None:
    buffer = io.BytesIO()
    wave = np.random.default_rng(0).uniform(-1, 1, (4_000, channels))
    soundfile.write(buffer, wave, rate, format=fmt, subtype=subtype)
    data = buffer.getvalue()
    assert (decode_samples(data)[0].dtype == np.int16) == kept
    found = read_int16(data, 16_000)
    floats, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    assert found.dtype == np.int16
    assert np.array_equal(found, to_int16(read_audio(data, 16_000)))
    if rate == 16_000:
        assert np.array_equal(found, to_int16(floats.mean(axis=1, dtype=np.float32)))
