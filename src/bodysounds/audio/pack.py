"""Decodes the segments of a corpus, in parallel, ready to be packed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bodysounds.audio.keys import segment_key, whole_key
from bodysounds.audio.packed import Int16s, to_int16
from bodysounds.audio.parallel import batches, ordered_map
from bodysounds.audio.read import Source, as_float, decode_samples, file_bytes, resample, to_mono
from bodysounds.corpora.base import Corpus, some
from bodysounds.params import FeaturizeParams
from bodysounds.progress import track
from bodysounds.types import Table

BATCH_FILES, BATCH_S = 32, 30.0
"""What a thread takes at a time: at most so many recordings, or the first with so many seconds."""


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
    sha256: dict[str, str] = field(default_factory=dict)
    """Of each recording's file, as ingest read it; empty where the manifest doesn't say."""

    @property
    def sample_rate(self) -> int:
        """Hz, of every piece."""
        return self.params.sample_rate

    @property
    def segment_ids(self) -> list[str]:
        """In the order of the pieces."""
        return [cut.segment_id for cut in self.cuts]

    @cached_property
    def segment_keys(self) -> list[bytes]:
        """What decides the samples of each piece; empty where the manifest has no sha256."""
        rate, paths, sha256 = self.sample_rate, self.paths, self.sha256
        return [
            segment_key(sha256[name], paths[name], rate, start, end, fill)
            for _, name, start, end, fill in (self.cuts if sha256 else ())
        ]

    @property
    def key(self) -> str:
        """What decides all pieces, in hex; ValueError where the manifest has no sha256."""
        if not self.sha256:
            raise ValueError("the manifest has no column sha256: run ingest again")
        return whole_key(self.segment_ids, self.segment_keys)

    def only(self, rows: Sequence[int]) -> DecodedSegments:
        """Return the pieces of these rows, in their order."""
        cuts = tuple(self.cuts[row] for row in rows)
        names = dict.fromkeys(cut.recording_id for cut in cuts)
        paths = {name: self.paths[name] for name in names}
        sha256 = {name: self.sha256[name] for name in names} if self.sha256 else {}
        return replace(self, cuts=cuts, paths=paths, sha256=sha256)

    def __len__(self) -> int:
        return len(self.cuts)

    def __iter__(self) -> Iterator[tuple[str, Int16s]]:
        runs = (list(run) for _, run in groupby(self.cuts, key=lambda cut: cut.recording_id))
        few = batches(runs, BATCH_FILES, _seconds, BATCH_S)
        decoded = ordered_map(self._decode, few, self.params.workers)
        pieces = (piece for batch in decoded for piece in batch)
        return track(pieces, "decoding", total=len(self))

    def _decode(self, batch: list[list[Cut]]) -> list[tuple[str, Int16s]]:
        rate = self.params.sample_rate
        pieces = []
        for cuts in batch:
            waveform = self._waveform(cuts[0].recording_id)
            pieces += [(cut.segment_id, _piece(waveform, cut, rate)) for cut in cuts]
        return pieces

    def _waveform(self, recording_id: str) -> Int16s:
        path = self.paths[recording_id]
        data = file_bytes(self.root / path, path)
        expected = self.sha256.get(recording_id)
        if expected is not None and hashlib.sha256(data).hexdigest() != expected:
            raise ValueError(
                f"{path} is not the file that ingest read (another sha256): run ingest again"
            )
        return read_int16(data, self.params.sample_rate, name=path)


def read_int16(source: Source, sample_rate: int, name: str | None = None) -> Int16s:
    """Return a recording as mono int16 of shape (n,) at `sample_rate` Hz.

    It is `to_int16(read_audio(...))`; where nothing is to be computed, the file's own samples.
    """
    samples, rate = decode_samples(source, name)
    if samples.dtype == np.int16 and samples.shape[1] == 1 and rate == sample_rate:
        return np.asarray(samples[:, 0], dtype=np.int16)
    return to_int16(resample(to_mono(as_float(samples)), rate, sample_rate))


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
    sha256 = {}
    if "sha256" in manifest:
        sha256 = dict(zip(manifest["recording_id"], manifest["sha256"], strict=True))
    return DecodedSegments(Path(corpus.root), paths, cuts, params, sha256)


def _seconds(cuts: list[Cut]) -> float:
    return sum(cut.end_s - cut.start_s for cut in cuts)


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
