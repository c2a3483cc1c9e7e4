"""Looks at each recording: header, copies, and, of as many as time allows, every sample."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile

from bodysounds.audio.descriptors import columns, describe_waveform
from bodysounds.audio.packed import to_int16
from bodysounds.audio.parallel import ordered_map_in_batches
from bodysounds.audio.read import (
    AudioError,
    Float32s,
    Int16s,
    as_float,
    check_usable,
    decode_samples,
    file_bytes,
    peak_of,
    resample,
    to_mono,
)
from bodysounds.corpora.probe import FULL_SCALE
from bodysounds.params import IngestParams
from bodysounds.progress import track
from bodysounds.types import Table

DECODED = 10_000
"""Recordings that are decoded in full; of more, a sample."""
DESCRIBED_S = 15.0
"""Seconds of a recording that are described."""
RATE, N_MFCC = 16_000, 13
BLOCK = 1 << 16
"""Frames that are hashed at once."""


class Looked(NamedTuple):
    """What one file turned out to be."""

    duration_s: float
    sample_rate: int
    channels: int
    sha256: str
    """Empty where no other file has its size: then it is nobody's copy."""
    fault: str
    """`missing`, `broken`, `short`, `silent`, or empty."""
    reason: str
    peak: float
    """Full scale 1; nan where the file was not decoded."""
    clipped_share: float
    sound: str = ""
    """Hash of rate and samples, these to 16 bits; empty where it was not decoded."""
    described: tuple[float, ...] = ()


def look_at(
    root: Path, paths: Sequence[str], params: IngestParams, decoded: Sequence[bool],
    described: Sequence[bool],
) -> tuple[Table, Table]:  # fmt: skip
    """Return a row a recording (path and the fields of `Looked`), and the descriptors of some.

    All files' headers are read, and files of one size are hashed, for only those can be copies;
    those `decoded` are read in full, those `described` have a row of descriptors (recording_id is
    the path) of their first 15 s. In threads, with progress.
    """
    sizes = [size_of(root / path) for path in paths]
    alike = pd.Series(sizes).duplicated(keep=False).to_numpy()
    items = list(zip(paths, alike.tolist(), decoded, described, strict=True))

    def work(item: tuple[str, bool, bool, bool]) -> Looked:
        path, hashed, in_full, told = item
        return look(root, path, params, hashed=hashed, in_full=in_full, described=told)

    results: Iterator[Looked] = ordered_map_in_batches(work, items, params.workers)
    found = list(track(results, "reading", total=len(items)))
    table = pd.DataFrame([one[:-1] for one in found], columns=list(Looked._fields[:-1]))
    table.insert(0, "path", pd.Series(list(paths), dtype="str"))
    rows = [(path, *one.described) for path, one in zip(paths, found, strict=True) if one.described]
    names = ["recording_id", *columns(N_MFCC)]
    return table, pd.DataFrame(rows, columns=names).astype({"recording_id": "str"})


def look(
    root: Path, path: str, params: IngestParams, *, hashed: bool, in_full: bool, described: bool
) -> Looked:
    """Return what the file root/path is; the limits are those of ingest."""
    digest = ""
    try:
        if not in_full and not described and not hashed:
            header = _header(root / path)
            if header:
                return _of_header(header, path, params)
        data = file_bytes(root / path, path)
        digest = hashlib.sha256(data).hexdigest() if hashed else ""
        header = None if in_full or described else _header(root / path)
        if header:
            return _of_header(header, path, params)._replace(sha256=digest)
        samples, rate = decode_samples(data, path)
    except AudioError as error:
        fault = "broken" if size_of(root / path) >= 0 else "missing"
        return Looked(np.nan, 0, 0, digest, fault, str(error), np.nan, np.nan)
    peak = peak_of(samples)
    full = 32767 if samples.dtype == np.int16 else FULL_SCALE
    share = float(np.mean((samples >= full) | (samples <= -full))) if peak >= FULL_SCALE else 0.0
    seconds, channels = len(samples) / rate, samples.shape[1]
    seen = Looked(seconds, rate, channels, digest, "", "", peak, share, _sound(samples, rate))
    try:
        check_usable(samples, rate, path, params.min_duration_s, params.silence_dbfs)
    except AudioError as error:
        fault = "short" if seconds < params.min_duration_s else "silent"
        return seen._replace(fault=fault, reason=str(error))
    if not described:
        return seen
    wave = resample(to_mono(as_float(samples[: round(DESCRIBED_S * rate)])), rate, RATE)
    values = describe_waveform(np.ascontiguousarray(wave), RATE, N_MFCC)
    return seen._replace(described=(seconds, *list(values.values())[1:]))


def _sound(samples: Int16s | Float32s, rate: int) -> str:
    digest = hashlib.sha256(f"{rate} {samples.shape} ".encode())
    for at in range(0, len(samples), BLOCK):  # no second copy of a long recording
        block = samples[at : at + BLOCK]
        if block.dtype != np.int16:
            block = to_int16(np.asarray(block, dtype=np.float32))
        digest.update(np.ascontiguousarray(block).reshape(-1).data)
    return digest.hexdigest()


def size_of(path: Path) -> int:
    """Return the bytes of a file, -1 where it is not there or its folder is closed."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1


def _header(path: Path) -> tuple[float, int, int] | None:
    """Return seconds, rate and channels by the header, None where libsndfile cannot tell."""
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError):
        return None
    known = 0 < info.frames < 2**62 and info.samplerate > 0
    return (info.frames / info.samplerate, info.samplerate, info.channels) if known else None


def _of_header(header: tuple[float, int, int], path: str, params: IngestParams) -> Looked:
    seconds, rate, channels = header
    short = seconds < params.min_duration_s
    reason = f"{path} lasts {seconds:.3g} s, less than {params.min_duration_s:g} s" if short else ""
    fault = "short" if short else ""
    return Looked(seconds, rate, channels, "", fault, reason, np.nan, np.nan)


def choose(
    subjects: Sequence[str | None], n: int, per_subject: int, rng: np.random.Generator
) -> list[bool]:
    """Return which of the recordings are taken: at most n, up to `per_subject` of a subject.

    Subjects in a drawn order, those of several recordings first.
    """
    table = pd.DataFrame({"subject": [subject or "" for subject in subjects]})
    table["turn"] = rng.permutation(len(table))
    table["place"] = table.sort_values("turn").groupby("subject").cumcount()
    names = sorted(table["subject"].unique())
    rank = dict(zip(names, rng.permutation(len(names)).tolist(), strict=True))
    size = table.groupby("subject")["subject"].transform("size")
    table["single"] = (size == 1).astype(int)
    table["rank"] = table["subject"].map(rank)
    able = table[table["place"] < per_subject].sort_values(["single", "rank", "place"])
    taken = np.zeros(len(table), dtype=bool)
    taken[able.index[:n].to_numpy()] = True
    return [bool(one) for one in taken]
