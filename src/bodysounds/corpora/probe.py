"""Opens every listed file once: is it there, whole and audible, how long, and what is its hash."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bodysounds.audio.parallel import ordered_map_in_batches
from bodysounds.audio.read import (
    AudioError,
    Float32s,
    Int16s,
    check_usable,
    decode_samples,
    file_bytes,
    peak_of,
)
from bodysounds.corpora.base import Corpus, Listing, some
from bodysounds.corpora.lengths import last_segments, past_the_end
from bodysounds.params import IngestParams
from bodysounds.progress import track
from bodysounds.types import Table

logger = logging.getLogger(__name__)

FULL_SCALE = 32767 / 32768
CLIPPED_SHARE = 0.01
"""More samples than that at full scale, and a recording is told to be clipped."""

MANIFEST_COLUMNS = (
    "recording_id",
    "subject_id",
    "group_id",
    "session_id",
    "recorded_at",
    "order",
    "path",
    "duration_s",
    "sample_rate",
    "sha256",
    "domain",
    "sex",
    "age",
    "label",
    "subset_hint",
    "codec",
)


class Probed(NamedTuple):
    """What one file turned out to be; `reason` is empty where it can be used."""

    duration_s: float
    sample_rate: int
    sha256: str
    reason: str
    clipped_share: float = 0.0


def probe(corpus: Corpus, listing: Listing, params: IngestParams) -> tuple[Table, Table]:
    """Return (manifest, rejected): the recordings that can be used, and path and reason of others.

    Every file is read and decoded in full, in threads; the columns that only this corpus has stand
    last in the manifest. Raises ValueError where more than `params.max_rejected_share` of the files
    is rejected, those that the reader rejected among them.
    """
    paths = listing.recordings["path"].tolist()
    last = last_segments(listing)

    def work(path: str) -> Probed:
        probed = probe_file(Path(corpus.root), path, params)
        late = "" if probed.reason else past_the_end(path, last.get(path), probed.duration_s)
        return probed._replace(reason=late) if late else probed

    probed = ordered_map_in_batches(work, paths, params.workers)
    found = list(track(probed, "reading", total=len(paths)))
    reasons = np.array([one.reason for one in found], dtype=object)
    bad = reasons != ""
    rejected = pd.DataFrame({"path": np.array(paths, dtype=object)[bad], "reason": reasons[bad]})
    rejected = rejected.astype("str")
    if listing.rejected is not None:
        rejected = pd.concat([listing.rejected, rejected], ignore_index=True)
    n_files = len(paths) + len(rejected) - int(bad.sum())
    _judge(rejected, n_files, params.max_rejected_share)
    good = [one for one in found if not one.reason]
    clipped = [p for p, one in zip(paths, found, strict=True) if one.clipped_share > CLIPPED_SHARE]
    if clipped:
        logger.warning(
            "%d of %d recordings are clipped (more than %g%% of their samples at full scale) and "
            "kept: %s; descriptors have the share of each segment",
            len(clipped), len(paths), 100 * CLIPPED_SHARE, some(clipped),
        )  # fmt: skip
    manifest = listing.recordings[~bad].reset_index(drop=True)
    manifest["duration_s"] = np.array([one.duration_s for one in good], dtype=np.float64)
    manifest["sample_rate"] = np.array([one.sample_rate for one in good], dtype=np.int64)
    manifest["sha256"] = pd.Series([one.sha256 for one in good], dtype="str")
    extra = [name for name in manifest.columns if name not in MANIFEST_COLUMNS]
    return manifest[[*MANIFEST_COLUMNS, *extra]], rejected


def probe_file(root: Path, path: str, params: IngestParams) -> Probed:
    """Return what the file root/path is; it is read once, hashed and decoded."""
    try:
        data = file_bytes(root / path, path)
        samples, rate = decode_samples(data, path)
        check_usable(samples, rate, path, params.min_duration_s, params.silence_dbfs)
    except AudioError as error:
        return Probed(0.0, 0, "", str(error))
    digest = hashlib.sha256(data).hexdigest()
    return Probed(len(samples) / rate, rate, digest, "", _clipped_share(samples))


def _clipped_share(samples: Int16s | Float32s) -> float:
    if peak_of(samples) < FULL_SCALE:
        return 0.0
    top = 32767 if samples.dtype == np.int16 else FULL_SCALE
    return float(np.mean((samples >= top) | (samples <= -top)))


def _judge(rejected: Table, n_files: int, max_share: float) -> None:
    if rejected.empty:
        return
    share = len(rejected) / n_files
    first = "; ".join(rejected["reason"].head(3))
    counted = f"{len(rejected)} of {n_files} files ({share:.1%}) are rejected"
    if share > max_share:
        raise ValueError(
            f"{counted}, more than ingest.max_rejected_share = {max_share:g} allows: mend the "
            f"files or raise that share; the first reasons: {first}"
        )
    logger.warning("%s and listed in `rejected`; the first reasons: %s", counted, first)
