"""Small folders in the layout of ICBHI 2017."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from bodysounds.corpora.base import Corpus, Listing
from bodysounds.corpora.ingest import Ingested, ingest
from bodysounds.corpora.registry import list_recordings
from bodysounds.params import IngestParams

RATE = 4000
GOOD = "101_1b1_Al_sc_Meditron"
CYCLES = "0.1\t1.0\t0\t0\n1.0\t2.0\t1\t0\n2.0\t3.0\t0\t1\n3.0\t3.9\t1\t1\n"


def recording(folder: Path, stem: str = GOOD, cycles: str | None = CYCLES, **how: object) -> Path:
    """Write four seconds of noise and, where they are given, its cycles."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = sum(stem.encode())
    noise = np.random.default_rng(seed).normal(0, 0.1, 4 * RATE)
    path = folder / f"{stem}.{how.get('ending', 'wav')}"
    soundfile.write(path, noise, RATE, subtype=str(how.get("subtype", "PCM_16")))
    if cycles is not None:
        (folder / f"{stem}.txt").write_text(cycles)
    return path


def listed(root: Path, **options: object) -> Listing:
    return list_recordings(Corpus(root, "icbhi", "made", options))


def ingested(root: Path, **params: object) -> Ingested:
    return ingest(Corpus(root, "icbhi", "made"), IngestParams(max_rejected_share=0.9, **params))  # type: ignore[arg-type]


def reasons(root: Path) -> dict[str, str]:
    """Why each rejected recording is rejected, by its name without ending."""
    rejected = ingested(root).rejected
    return {Path(path).stem: why for path, why in zip(*rejected.to_numpy().T, strict=True)}
