"""Descriptors of a segment: what level, noise, bandwidth and cepstra alone say of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from bodysounds.audio.frame_facts import dbfs, frame_facts
from bodysounds.audio.packed import Packed
from bodysounds.audio.parallel import batches, ordered_map
from bodysounds.params import FeaturizeParams
from bodysounds.progress import track
from bodysounds.types import Table

FLOOR_DBFS = -120.0
SILENCE_DB = 40.0
ROLL_OFF = 0.95
BATCH, BATCH_S = 64, 60.0
"""What a thread takes at a time: so many segments, or the first with so many seconds."""
PLAIN = (
    "duration_s",
    "level_dbfs",
    "peak_dbfs",
    "clipped_share",
    "noise_floor_dbfs",
    "bandwidth_hz",
    "voiced_share",
    "silence_share",
)

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


def describe(packed: Packed, params: FeaturizeParams) -> Table:
    """Return a row a segment, in the order of `packed.index`; every number is float64 and finite.

    Frames are 25 ms every 10 ms of the waveform less its mean, with a Hann window for spectra; a
    shorter segment is one frame, padded with zeros. Levels are in dB full scale (a square wave of
    full scale is 0) and end at -120.

    - duration_s; level_dbfs: root mean square; peak_dbfs
    - clipped_share: share of samples at the ends of the int16 range
    - noise_floor_dbfs: 10th percentile of the frames' levels
    - bandwidth_hz: 95% of the energy lies below; 0 for a constant
    - voiced_share: share of frames (every second one) that are not silent and whose normalised
      autocorrelation has a peak of at least 0.5 between 75 and 1200 Hz (Boersma 1993, without his
      octave costs)
    - silence_share: share of frames more than 40 dB below the loudest
    - mfcc_mean_00.., mfcc_std_00..: mean and deviation over frames; see `bodysounds.audio.mfcc`
    """
    ids = packed.index["segment_id"].tolist()
    rate = packed.sample_rate

    lengths = zip(ids, packed.index["n_samples"].tolist(), strict=True)
    few = list(batches(lengths, BATCH, lambda one: one[1], BATCH_S * rate))

    def work(batch: list[tuple[str, int]]) -> Float64s:
        return describe_waveforms([packed.waveform(i) for i, _ in batch], rate, params.n_mfcc)

    described = ordered_map(work, few, params.workers)
    # each thread does its own small products: BLAS threads on top of them cost three times as long
    with threadpool_limits(1, user_api="blas"):
        rows = np.concatenate(list(track(described, "describing", len(few))))
    table = pd.DataFrame(rows, columns=columns(params.n_mfcc))
    table.insert(0, "segment_id", pd.Series(ids, dtype="str"))
    return table


def columns(n_mfcc: int) -> list[str]:
    """Return the names of the descriptors, in order."""
    return [*PLAIN, *(f"mfcc_{what}_{i:02d}" for what in ("mean", "std") for i in range(n_mfcc))]


def describe_waveform(waveform: Float32s, sample_rate: int, n_mfcc: int) -> dict[str, float]:
    """Return the descriptors of one mono waveform, float32 of shape (n,), n > 0; see `describe`."""
    row = describe_waveforms([waveform], sample_rate, n_mfcc)[0]
    return dict(zip(columns(n_mfcc), row.tolist(), strict=True))


def describe_waveforms(waveforms: Sequence[Float32s], sample_rate: int, n_mfcc: int) -> Float64s:
    """Return the descriptors of mono waveforms, one row each; see `describe` and `columns`."""
    facts = frame_facts(waveforms, sample_rate, n_mfcc)
    first, count = facts.first, np.diff(facts.first)
    starts, of = first[:-1], np.repeat(np.arange(len(count)), count)
    loudest = np.maximum.reduceat(facts.levels, starts)
    silent = (facts.levels < loudest[of] - SILENCE_DB) | (facts.levels <= FLOOR_DBFS)
    heard = facts.voiced & ~silent
    table = np.empty((len(waveforms), len(PLAIN) + 2 * n_mfcc))
    for row, wave in enumerate(waveforms):
        high, low = float(wave.max()), float(wave.min())
        peak = max(high, -low)
        clipped = np.mean(np.abs(wave) >= 32767 / 32768) if peak >= 32767 / 32768 else 0.0
        power = np.mean(wave * wave, dtype=np.float64)
        levels = np.sort(facts.levels[first[row] : first[row + 1]])
        bandwidth = _bandwidth(facts.power[row], facts.bin_hz)
        table[row, :6] = (
            len(wave) / sample_rate, dbfs(np.sqrt(power)), dbfs(peak), clipped,
            _percentile(levels, 0.1), bandwidth,
        )  # fmt: skip
    table[:, 6] = np.add.reduceat(heard, starts, dtype=np.int64) / (-(-count // 2))
    table[:, 7] = np.add.reduceat(silent, starts, dtype=np.int64) / count
    means = np.add.reduceat(facts.cepstra, starts) / count[:, None]
    squares = (facts.cepstra - means[of]) ** 2
    table[:, 8 : 8 + n_mfcc] = means
    table[:, 8 + n_mfcc :] = np.sqrt(np.add.reduceat(squares, starts) / count[:, None])
    return table


def _percentile(ordered: Float64s, share: float) -> float:
    """Return what numpy.percentile does for sorted values, without its cost of 50 us."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (at - low) * (ordered[high] - ordered[low]))


def _bandwidth(power: Float64s, bin_hz: float) -> float:
    energy = np.cumsum(power)
    if energy[-1] <= 1e-9:
        return 0.0
    return float(np.searchsorted(energy, ROLL_OFF * energy[-1])) * bin_hz
