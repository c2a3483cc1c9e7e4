"""Sides: what a trial compares, with the place of their audio in the packed waveforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bodysounds.types import Floats, Ints, Table

if TYPE_CHECKING:
    from bodysounds.audio.packed import Packed


@dataclass(frozen=True)
class SideTable:
    """One row a side, and where its samples lie."""

    table: Table
    """side_id, subject_id, group_id, session_id, domain, subset, sex, recorded_at, n_samples."""
    spans: tuple[Ints, ...]
    """spans[i]: int64 (n_segments, 2) of first_sample and n_samples, in the side's own order."""

    def __len__(self) -> int:
        return len(self.spans)

    def rows(self, side_ids: pd.Series[str] | list[str]) -> Ints:
        """Return the row of each side, int64 (n,); raises ValueError naming an unknown side."""
        found = pd.Index(self.table["side_id"]).get_indexer(pd.Index(side_ids))
        if (found < 0).any():
            unknown = list(dict.fromkeys(np.asarray(side_ids)[found < 0]))
            raise ValueError(
                f"{len(unknown)} side(s) have no audio, such as {unknown[0]!r}: "
                "make the trials and the waveforms from one manifest"
            )
        rows: Ints = found.astype(np.int64)
        return rows


def build_sides(
    packed: Packed, segments: Table, sides: Table, manifest: Table, subsets: Table
) -> SideTable:
    """Join the tables of a corpus to one row a side.

    A side takes subject, group, session, domain and subset from its first recording, and the
    earliest known time; its sex is unknown where its recordings differ in it. Sides without a
    packed segment are left out.
    """
    about = manifest.set_index("recording_id")[
        ["subject_id", "group_id", "session_id", "domain", "sex", "recorded_at"]
    ]
    joined = (
        sides.merge(segments[["segment_id", "recording_id", "start_s"]], on="recording_id")
        .merge(packed.index, on="segment_id")
        .join(about, on="recording_id")
        .merge(subsets[["recording_id", "subset"]], on="recording_id")
        .sort_values(["side_id", "order", "recording_id", "start_s"], kind="stable")
    )
    grouped = joined.groupby("side_id", sort=True)
    table = grouped[["subject_id", "group_id", "session_id", "domain", "subset"]].first()
    table["sex"] = grouped["sex"].first().where(grouped["sex"].nunique() == 1)
    table["recorded_at"] = grouped["recorded_at"].min()
    table["n_samples"] = grouped["n_samples"].sum()
    spans = joined[["first_sample", "n_samples"]].to_numpy(np.int64)
    ends = np.cumsum(grouped.size().to_numpy())
    return SideTable(table.reset_index(), tuple(np.split(spans, ends[:-1])) if len(ends) else ())


def cut_spans(spans: Ints, start: int, length: int) -> Ints:
    """Return the spans of `length` samples of the joined segments from `start` on.

    int64 (n, 2) of first_sample and n_samples; where the side ends earlier, up to its end.
    """
    ends = np.cumsum(spans[:, 1])
    begins = ends - spans[:, 1]
    first, last = np.maximum(begins, start), np.minimum(ends, start + length)
    inside = last > first
    cut: Ints = np.stack([spans[:, 0] + first - begins, last - first], axis=1)[inside]
    return cut


def side_waveform(packed: Packed, spans: Ints, max_samples: int | None = None) -> Floats:
    """Return a side's segments joined, float32 (n,) in [-1, 1), at most max_samples."""
    pieces = []
    left = max_samples if max_samples is not None else int(spans[:, 1].sum())
    for first, count in spans:
        take = min(int(count), left)
        pieces.append(packed.samples[first : first + take])
        left -= take
        if left <= 0:
            break
    return np.concatenate(pieces).astype(np.float32) / np.float32(32768)
