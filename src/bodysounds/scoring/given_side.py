"""A side as outsiders give it: one recording, or several that are joined as a run joins them."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.audio.packed import Packed, to_int16
from bodysounds.audio.read import (
    Float32s,
    Int16s,
    Source,
    as_float,
    decode_samples,
    resample,
    to_mono,
)
from bodysounds.scoring.frames import too_short, unusable_channels
from bodysounds.scoring.given import given_samples
from bodysounds.sides import SideTable

log = logging.getLogger(__name__)

Recording: TypeAlias = Source | tuple[npt.NDArray[Any], int] | npt.NDArray[Any]
Side: TypeAlias = Recording | Sequence[Recording]

EDGE_S = 1.0
"""More than the filter that converts rates reaches."""
RARE = 0.05
"""Of a rate of fewer recordings of train error rates say little."""


@dataclass(frozen=True)
class GivenSide:
    """What there is to hear, and whether it is worth an answer."""

    packed: Packed
    """Its recordings, one after the other, as int16."""
    table: SideTable
    """One row: the side."""
    seconds: float
    """Of its recordings together, as they were given."""
    flaw: str | None
    """Why there is no answer (too short, silent, clipped), or None."""


def given_side(
    side: Side,
    sample_rate: int | None,
    heard_rate: int,
    limits: Mapping[str, float],
    longest_s: float = 3600.0,
    learnt_rates: Mapping[str, float] | None = None,
) -> GivenSide:
    """Return a side, heard at `heard_rate` Hz: channels averaged, rates converted, 16 bit.

    Parameters
    ----------
    side : recording, or list of recordings
        A recording is a path, bytes, a binary file object, an array, or (array, rate in Hz); an
        array as for `given_samples`.
    sample_rate : int, optional
        Hz, of arrays that come without theirs.
    limits : mapping
        min_s (of all recordings together), silence_dbfs and clipped_share (of each one).
    longest_s : float
        What lies behind so many seconds of the side is not heard, and not judged.
    learnt_rates : mapping, optional
        Share of the recordings that taught the model by their rate in Hz; of rates that it has
        hardly learnt from a warning tells.

    Raises ValueError for what is no audio, is cut short or holds NaN, for an array without its
    rate, and for an empty list.
    """
    recordings = _recordings(side)
    if not recordings:
        raise ValueError("a side is one recording or a list of them, got an empty list")
    pieces, seconds, flaws = [], 0.0, []
    left = max(1, round(longest_s * heard_rate))
    for number, recording in enumerate(recordings, start=1):
        given, known = recording if isinstance(recording, tuple) else (recording, sample_rate)
        samples, rate = _samples(given, known)
        share = (learnt_rates or {}).get(str(rate), 0.0)
        if share < RARE:
            warn_of_rate(rate, heard_rate, share if learnt_rates else None)
        seconds += len(samples) / rate
        if left <= 0:
            continue
        heard = math.ceil(left * rate / heard_rate)
        flaw = _flaw(as_float(samples[:heard]), rate, limits)
        if flaw is not None:
            if heard < len(samples):
                flaw += f" (of its first {heard / rate:.3g} s, which is all that is heard)"
            flaws.append(_which(number, given, len(recordings)) + flaw)
        # some samples more, so that what is heard is converted as in the whole recording
        mono = to_mono(as_float(samples[: heard + round(EDGE_S * rate)]))
        pieces.append(to_int16(resample(mono, rate, heard_rate)))
        left -= len(pieces[-1])
    if seconds < limits["min_s"]:
        flaws.insert(0, too_short(seconds, limits["min_s"]))
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    spans = np.stack([np.cumsum(lengths) - lengths, lengths], axis=1)
    packed = Packed(np.concatenate(pieces), pd.DataFrame(), heard_rate)
    return GivenSide(packed, SideTable(pd.DataFrame(), (spans,)), seconds, next(iter(flaws), None))


def joined(sides: Sequence[GivenSide]) -> tuple[Packed, SideTable]:
    """Return what there is to hear of several sides, a row each; at least one side."""
    lengths = [len(side.packed.samples) for side in sides]
    starts = np.cumsum(lengths) - lengths
    spans = [
        side.table.spans[0] + np.array([start, 0])
        for side, start in zip(sides, starts, strict=True)
    ]
    samples = np.concatenate([side.packed.samples for side in sides])
    packed = Packed(samples, pd.DataFrame(), sides[0].packed.sample_rate)
    return packed, SideTable(pd.DataFrame(), tuple(spans))


@cache
def warn_of_rate(rate: int, heard_rate: int, share: float | None = None) -> None:
    """Warn, once of each, of a rate (Hz) below the model's: what is missing there nobody tested.

    `share` is that of the recordings of this rate among those that taught it, where it is known.
    """
    if rate < heard_rate:
        log.warning(
            "a recording of %d Hz holds nothing above %d Hz, and the model hears up to %d Hz: %s",
            rate, rate // 2, heard_rate // 2,
            "unless its own recordings were such, its error rates need not hold"
            if share is None
            else f"{share:.1%} of the recordings that taught it were such, so its error rates need "
            "not hold",
        )  # fmt: skip


def _samples(given: Any, sample_rate: int | None) -> tuple[Int16s | Float32s, int]:
    """Return samples and rate as `given_samples`; those of 16-bit PCM stay int16."""
    if isinstance(given, np.ndarray):
        return given_samples(given, sample_rate)
    return decode_samples(given)


def _flaw(samples: Float32s, rate: int, limits: Mapping[str, float]) -> str | None:
    """Return why a recording is not worth an answer, however short it is, or None."""
    flaw = unusable_channels(samples, rate, {**limits, "min_s": 0.0})
    if flaw is None and np.abs(to_mono(samples)).max() < 10 ** (limits["silence_dbfs"] / 20):
        return "silent: its channels cancel one another"
    return flaw


def _recordings(side: Any) -> list[Any]:
    """Return the recordings of a side; a tuple is one where it is (array, rate), else several."""
    if isinstance(side, tuple) and not _with_rate(side):
        side = list(side)
    recordings = side if isinstance(side, list) else [side]
    for recording in recordings:
        if isinstance(recording, tuple) and not _with_rate(recording):
            raise ValueError(
                "a tuple in a list of recordings is (array, sample rate in Hz), got "
                f"{str(recording)[:60]}"
            )
    return recordings


def _with_rate(value: tuple[Any, ...]) -> bool:
    """Whether this is an array with its rate."""
    two = len(value) == 2 and isinstance(value[0], np.ndarray)
    return two and not isinstance(value[1], np.ndarray)


def _which(number: int, recording: Any, count: int) -> str:
    if count == 1:
        return ""
    name = f", {os.fspath(recording)}" if isinstance(recording, str | os.PathLike) else ""
    return f"recording {number}{name}: "
