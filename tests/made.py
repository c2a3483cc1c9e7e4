"""Small made corpora: subjects that differ by pitch and timbre, in waveforms of a second or two."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.audio.packed import Packed, write_packed
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable, build_sides

RATE = 16_000
SPREAD = 6.0  # dB


def voice(rng: np.random.Generator, pitch: float, timbre: np.ndarray, seconds: float) -> np.ndarray:
    """Return bursts of a sum of harmonics in noise, int16.

    Bursts, because what lasts through a whole clip is lost to the mean normalisation.
    """
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * pitch * rng.uniform(0.96, 1.04) * time + rng.uniform(0, 6)
    wave = sum(a * np.sin((k + 1) * phase) for k, a in enumerate(timbre))
    bursts = np.sin(np.pi * rng.uniform(4, 6) * time + rng.uniform(0, 6)) ** 2
    wave = wave / np.abs(wave).max() * rng.uniform(0.3, 0.6) * bursts
    return np.int16((wave + 10 ** rng.uniform(-3, -1.3) * rng.standard_normal(len(time))) * 20_000)


def corpus(
    folder: Path, subsets: dict[str, int], seed: int = 0, seconds: float = 0.6
) -> tuple[Packed, SideTable, pd.DataFrame]:
    """Return waveforms, sides and trials: two sessions a subject, two segments a session."""
    rng = np.random.default_rng(seed)
    pieces, rows = [], []
    for subset, count in subsets.items():
        for number in range(count):
            subject = f"{subset}{number:02d}"
            pitch, timbre = rng.uniform(200, 900), rng.uniform(0.05, 1, 6)
            for session in "BD":
                # a session's room and microphone, which tell nothing of the subject
                channel = 10 ** (rng.normal(0, SPREAD, 6) / 20)
                for take in range(2):
                    name = f"{subject}_{session}_{take}"
                    length = seconds * rng.uniform(0.8, 1.2)
                    pieces.append((name, voice(rng, pitch, timbre * channel, length)))
                    rows.append((name, subject, session, subset, take))
    packed = write_packed(folder / "waveforms", pieces, RATE)
    table = pd.DataFrame(
        rows, columns=["recording_id", "subject_id", "session_id", "subset", "order"]
    )
    table["side_id"] = table["subject_id"] + "_" + table["session_id"]
    manifest = table.assign(group_id=table["subject_id"], domain=np.nan, recorded_at=np.nan)
    manifest["sex"] = None
    segments = pd.DataFrame(
        {"segment_id": table["recording_id"], "recording_id": table["recording_id"], "start_s": 0.0}
    )
    sides = build_sides(
        packed, segments, table[["side_id", "recording_id", "order"]], manifest, table
    )
    return packed, sides, all_trials(sides)


def all_trials(sides: SideTable) -> pd.DataFrame:
    """Return every pair of a B and a D side within dev and within test."""
    rows = []
    for subset in ("dev", "test"):
        own = sides.table[sides.table["subset"] == subset]
        for b in own[own["session_id"] == "B"].itertuples():
            for d in own[own["session_id"] == "D"].itertuples():
                same = int(b.subject_id == d.subject_id)
                rows.append((f"{b.side_id}-{d.side_id}", b.side_id, d.side_id, same, subset))
    table = pd.DataFrame(rows, columns=["trial_id", "enrol_id", "test_id", "target", "subset"])
    return table.astype({"target": "Int64"})


def small_training(folder: Path, **changes: Any) -> TrainEmbeddingParams:
    """Return parameters of a training of a second or two, with what a test changes of them."""
    options: dict[str, Any] = {
        "channels": 8, "depth": 1, "dim": 8, "n_mels": 24, "epochs": 2, "subjects_per_batch": 4,
        "crops_per_subject": 2, "crop_s": [0.3, 0.4], "device": "cpu",
        "work_dir": str(folder / "work"),
    }  # fmt: skip
    return TrainEmbeddingParams(**(options | changes))


def hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file below a folder, by its path there."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
