"""Decodes the segments of a corpus, in parallel, ready to be packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bodysounds.audio.packed import Int16s, to_int16
from bodysounds.audio.parallel import ordered_map
from bodysounds.audio.read import read_audio
from bodysounds.corpora.base import Corpus, some
from bodysounds.params import FeaturizeParams
from bodysounds.progress import track
from bodysounds.types import Table


class Cut(NamedTuple):
    """One segment: where it starts and ends in its recording (seconds; nan is the end)."""

    segment_id: str
    recording_id: str
    start_s: float
    end_s: float
    fill: str = ""
    """How what the recording lacks of it is filled: `zeros`, `repeat`; empty: it may lack none."""


@dataclass(frozen=True)
class DecodedSegments:
    """An iterable of (segment_id, int16 samples of shape (n,)) in the order of the segments.

    It can be iterated again; each time decodes anew. Segments that follow one another and are cut
    from one recording decode it once. Memory holds a few recordings a thread.
    """

    root: Path
    paths: dict[str, str]
    cuts: tuple[Cut, ...]
    params: FeaturizeParams

    @property
    def sample_rate(self) -> int:
        """Hz, of every piece."""
        return self.params.sample_rate

    def __len__(self) -> int:
        return len(self.cuts)

    def __iter__(self) -> Iterator[tuple[str, Int16s]]:
        runs = (list(run) for _, run in groupby(self.cuts, key=lambda cut: cut.recording_id))
        decoded = ordered_map(self._decode, runs, self.params.workers)
        pieces = (piece for run in decoded for piece in run)
        return track(pieces, "decoding", total=len(self))

    def _decode(self, cuts: list[Cut]) -> list[tuple[str, Int16s]]:
        path = self.paths[cuts[0].recording_id]
        waveform = to_int16(read_audio(self.root / path, self.params.sample_rate, name=path))
        return [(cut.segment_id, _piece(waveform, cut, self.params.sample_rate)) for cut in cuts]


def decode_segments(
    corpus: Corpus, manifest: Table, segments: Table, params: FeaturizeParams
) -> DecodedSegments:
    """Return the segments' samples (mono, int16, `params.sample_rate`), decoded when iterated.

    Seconds are rounded to samples once. Where the segments have a column `fill` (`zeros` or
    `repeat`), each is exactly as long as it says, whatever its recording lacks at the end. Raises
    ValueError for segments of recordings that the manifest doesn't have; iterating raises
    ValueError for a segment outside its recording.
    """
    paths = dict(zip(manifest["recording_id"], manifest["path"], strict=True))
    unknown = sorted(set(segments["recording_id"]) - set(paths))
    if unknown:
        raise ValueError(
            f"{len(unknown)} recordings are cut into segments but not in the manifest: "
            f"{some(unknown)}; run ingest again"
        )
    columns = (segments[name].tolist() for name in Cut._fields if name in segments)
    cuts = tuple(Cut(*row) for row in zip(*columns, strict=True))
    return DecodedSegments(Path(corpus.root), paths, cuts, params)


def _piece(waveform: Int16s, cut: Cut, rate: int) -> Int16s:
    first = round(cut.start_s * rate)
    if cut.fill and first < len(waveform):
        return _filled(waveform[first:], round((cut.end_s - cut.start_s) * rate), cut.fill)
    end = len(waveform) if cut.end_s != cut.end_s else round(cut.end_s * rate)
    # a converted rate may give or take a sample
    if not 0 <= first < min(end, len(waveform)) or end > len(waveform) + 2:
        raise ValueError(
            f"segment {cut.segment_id} runs from {cut.start_s:g} to {cut.end_s:g} s, and "
            f"{cut.recording_id} lasts {len(waveform) / rate:.3f} s: a segment must lie within its "
            "recording and hold at least one sample"
        )
    # a copy: a view would keep the whole recording in memory
    return waveform[first:end].copy()


def _filled(waveform: Int16s, n_samples: int, fill: str) -> Int16s:
    """Return the first n_samples, copied; a shorter waveform is repeated, or zeros follow it."""
    if fill == "repeat":
        return np.resize(waveform[:n_samples], n_samples)
    lacking = max(0, n_samples - len(waveform))
    return np.pad(waveform[:n_samples], (0, lacking))
