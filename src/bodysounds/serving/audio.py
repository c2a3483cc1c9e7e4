"""Chunks of a stream: how long they are, and the samples of their pieces at another rate."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from functools import lru_cache
from math import gcd
from pathlib import Path
from stat import S_ISREG

import numpy as np
import numpy.typing as npt
import soundfile

from bodysounds.audio.containers import cut_short
from bodysounds.audio.read import AudioError, decode, resample, to_mono
from bodysounds.serving.store import plain
from bodysounds.serving.windows import Piece

Float32s = npt.NDArray[np.float32]

WHOLE_BYTES = 8_000_000  # files up to here are decoded in full before they are believed
MARGIN_S = 0.1  # read on either side, so that the resampling filter sees what is around a piece
AGAIN = "send it again"


def probe(path: str, sample_rate: int) -> int:
    """Return how many samples a file has at `sample_rate` Hz.

    Small files are decoded in full; of larger ones the header and its promises are checked.
    Raises AudioError for a file that is missing, no audio, cut short, or holds NaN.
    """
    if path != plain(path):
        raise AudioError(f"the name {plain(path)} is no Unicode: give the file another")
    file = Path(path)
    try:
        stat = file.stat()
    except OSError as error:
        raise AudioError(f"{path} cannot be opened ({error.strerror}): {AGAIN}") from error
    if not S_ISREG(stat.st_mode):  # a pipe would keep the worker waiting, a device has no end
        raise AudioError(f"{path} is no file: send files")
    size = stat.st_size
    if size > WHOLE_BYTES and not _seekable(path):
        raise AudioError(
            f"{path} is too large ({size / 1e6:.0f} MB) for a format that cannot be entered in the "
            "middle: send it in chunks, or as wav, flac or mp3"
        )
    if size <= WHOLE_BYTES:
        samples, rate = decode(file)
        n_frames = len(samples)
    else:
        with (
            file.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            shortfall = cut_short(data)  # type: ignore[arg-type]  # it slices and measures only
        if shortfall:
            raise AudioError(f"{path} is cut short, {shortfall}: {AGAIN}")
        with soundfile.SoundFile(path) as sound:
            n_frames, rate = sound.frames, sound.samplerate
        if not 0 < n_frames < 2**62:
            raise AudioError(f"{path} does not say how long it is: write it as wav or flac")
    return at_rate(n_frames, rate, sample_rate)


def at_rate(n_frames: int, rate: int, sample_rate: int) -> int:
    """Return how many samples `n_frames` at `rate` are at `sample_rate`, rounded down."""
    return n_frames * sample_rate // rate


def read_pieces(pieces: Sequence[Piece], sample_rate: int) -> Float32s:
    """Return the pieces one after the other as mono float32 (n,) at `sample_rate` Hz.

    A piece is what the whole file, resampled, holds there. Raises AudioError.
    """
    return np.concatenate([read_piece(piece, sample_rate) for piece in pieces])


def read_piece(piece: Piece, sample_rate: int) -> Float32s:
    """Return samples [start, stop) of a file at `sample_rate` Hz, mono float32. As read_pieces."""
    sound, first, rate = _around(piece, sample_rate)
    wave = resample(sound, rate, sample_rate)
    wave = wave[piece.start - first : piece.stop - first]
    wanted = piece.stop - piece.start
    if wanted - len(wave) > 2:  # rounding may cost one
        raise AudioError(f"{piece.path} became shorter while the stream ran: {AGAIN}")
    if not np.isfinite(wave).all():
        raise AudioError(f"{piece.path} holds samples that are NaN or infinite: {AGAIN}")
    return np.pad(wave, (0, wanted - len(wave))) if len(wave) < wanted else wave


def _around(piece: Piece, sample_rate: int) -> tuple[Float32s, int, int]:
    """Return a file's sound around a piece, its first sample at `sample_rate`, and its own rate."""
    path = piece.path
    try:
        if not _seekable(path):
            wave, rate = _whole(path, Path(path).stat().st_mtime_ns)
            first, start, stop = _span(piece, rate, sample_rate)
            return wave[start:stop], first, rate
        with soundfile.SoundFile(path) as sound:
            rate = sound.samplerate
            first, start, stop = _span(piece, rate, sample_rate)
            sound.seek(start)
            samples = sound.read(stop - start, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        why = getattr(error, "strerror", None) or error
        raise AudioError(f"{path} cannot be read any more ({why}): {AGAIN}") from error
    return to_mono(samples), first, rate


def _span(piece: Piece, rate: int, sample_rate: int) -> tuple[int, int, int]:
    """Return the first sample at `sample_rate`, and [start, stop) in frames at the file's rate.

    Both begin at the same instant: a whole number of periods in which the two rates meet.
    """
    period = gcd(rate, sample_rate)
    step_in, step_out = rate // period, sample_rate // period
    margin = round(MARGIN_S * sample_rate)
    periods = max(0, piece.start - margin) // step_out
    stop = -(-(piece.stop + margin) * rate // sample_rate)
    return periods * step_out, periods * step_in, stop


@lru_cache(maxsize=4)
def _whole(path: str, changed_at: int) -> tuple[Float32s, int]:
    """Return all of a file that cannot be entered in the middle, and its rate."""
    samples, rate = decode(path)
    return to_mono(samples), rate


def _seekable(path: str) -> bool:
    """Whether libsndfile reads a file from any place: not from the last page of an Ogg file."""
    try:
        return bool(soundfile.info(path).format != "OGG")
    except (soundfile.LibsndfileError, RuntimeError):
        return False
