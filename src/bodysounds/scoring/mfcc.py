"""The trivial baseline: mean and deviation of the MFCCs of a side, as its embedding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.sides import SideTable
from bodysounds.types import Table

MEAN, DEVIATION = "mfcc_mean_", "mfcc_std_"


def mfcc_embeddings(
    descriptors: Table, side_table: SideTable, index: Table
) -> npt.NDArray[np.float32]:
    """Return an embedding a side from the MFCCs of its segments.

    Segments weigh by their duration: the mean of a side is that of all its frames, and the
    deviation is pooled the same way. Each column is standardised by the train sides (by all sides
    where there is none in train), then each row is set to unit length.

    Parameters
    ----------
    descriptors : Table
        A row a segment: segment_id, duration_s, mfcc_mean_00.., mfcc_std_00...
    side_table : SideTable
    index : Table
        Of the packed waveforms: segment_id and first_sample, by which spans are told apart.

    Returns
    -------
    embeddings : float32 (n_sides, 2 * n_mfcc)
        Of unit length. Segments without MFCCs (NaN) count for nothing; a side of such alone is 0.

    Raises ValueError where a segment has no descriptors.
    """
    counts = np.array([len(spans) for spans in side_table.spans], dtype=np.int64)
    side = np.repeat(np.arange(len(counts)), counts)
    first = np.concatenate([np.empty(0, np.int64), *(s[:, 0] for s in side_table.spans)])
    segment = index.set_index("first_sample")["segment_id"].loc[first]
    at = pd.Index(descriptors["segment_id"]).get_indexer(pd.Index(segment))
    if (at < 0).any():
        raise ValueError(
            f"segment {segment.iloc[int(np.argmin(at))]!r} has no row in descriptors: "
            "run featurize again"
        )
    means = _columns(descriptors, MEAN)[at]
    deviations = _columns(descriptors, DEVIATION)[at]
    known = np.isfinite(means).all(axis=1) & np.isfinite(deviations).all(axis=1)
    weight = np.where(known, descriptors["duration_s"].to_numpy(np.float64)[at], 0.0)
    means, deviations = np.nan_to_num(means), np.nan_to_num(deviations)

    total = np.bincount(side, weight, minlength=len(counts))[:, None]
    divisor = np.where(total > 0, total, 1.0)
    mean = _sums(side, weight[:, None] * means, len(counts)) / divisor
    square = _sums(side, weight[:, None] * (means**2 + deviations**2), len(counts)) / divisor
    table = np.hstack([mean, np.sqrt(np.maximum(square - mean**2, 0.0))])

    usable = total[:, 0] > 0
    train = usable & (side_table.table["subset"] == "train").to_numpy(bool)
    reference = table[train if train.any() else usable]
    if not len(reference):
        raise ValueError("no side has MFCCs: run featurize again")
    spread = reference.std(axis=0)
    table = (table - reference.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    table[~usable] = 0.0
    length = np.linalg.norm(table, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = (table / np.where(length > 0, length, 1.0)).astype(np.float32)
    return unit


def _columns(descriptors: Table, prefix: str) -> npt.NDArray[np.float64]:
    names = sorted(name for name in descriptors.columns if name.startswith(prefix))
    if not names:
        raise ValueError(f"descriptors have no column {prefix}00: run featurize again")
    return descriptors[names].to_numpy(np.float64)


def _sums(
    groups: npt.NDArray[np.int64], values: npt.NDArray[np.float64], n_groups: int
) -> npt.NDArray[np.float64]:
    sums = np.zeros((n_groups, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums
