"""Recordings as outsiders give them: a file, or an array with its rate."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.audio.read import Source, decode
from bodysounds.scoring.frames import check_waveform

LOWEST_RATE, HIGHEST_RATE = 1000, 768_000

Float32s = npt.NDArray[np.float32]


def given_samples(
    recording: Source | npt.NDArray[Any] | tuple[npt.NDArray[Any], int], sample_rate: int | None
) -> tuple[Float32s, int]:
    """Return samples float32 (n, channels), full scale 1, and their rate (Hz).

    Parameters
    ----------
    recording : path, bytes, binary file object, array, or (array, sample rate in Hz)
        An array is (n,) or (n, channels), full scale 1 (integers: that of their type, unsigned
        ones about their middle).
    sample_rate : int, optional
        Hz, at least 1000, of an array; a file knows its own.

    Raises ValueError for what is no audio, is cut short or holds NaN, and for an array without its
    rate.
    """
    if isinstance(recording, tuple):
        if len(recording) != 2:
            raise ValueError(f"a tuple is (array, sample rate in Hz), got {len(recording)} values")
        recording, sample_rate = recording
    if not isinstance(recording, np.ndarray):
        return decode(recording)
    # a rate in kHz, by mistake, would be converted to a thousand times as many samples
    if not isinstance(sample_rate, Real) or not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise ValueError(
            f"an array needs its sample_rate in Hz, from {LOWEST_RATE} to {HIGHEST_RATE}, got "
            f"{sample_rate!r}"
        )
    array = recording
    if array.dtype.kind not in "iuf":
        raise ValueError(f"samples are integers or floats, got an array of {array.dtype}")
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"an array of samples is (n,) or (n, channels), n > 0, got {array.shape}")
    if array.dtype.kind in "iu":
        half = 2.0 ** (8 * array.dtype.itemsize - 1)
        array = array / half - (1.0 if array.dtype.kind == "u" else 0.0)
    columns = array[:, None] if array.ndim == 1 else array
    if columns.shape[1] > len(columns):
        raise ValueError(
            f"an array of samples is (n, channels), got {array.shape}, more channels than samples: "
            "give it transposed"
        )
    return np.stack([check_waveform(column) for column in columns.T], axis=1), int(sample_rate)
