"""Made corpora of any size for the benchmark of growth: tables alone, or short sounds on disk.

Nobody made these sounds: each recording is a seeded tone of its subject in noise.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile

from bodysounds.audio.packed import Packed, write_packed
from bodysounds.corpora.base import (
    Corpus,
    no_trials,
    one_side_each,
    recordings_table,
    whole_recordings,
)

RATE = 16_000
A_SUBJECT = 14
"""Recordings of a subject, as in 100,000 of 7,000; a session has up to 5 of them."""


@dataclass(frozen=True)
class Tables:
    """What ingest, featurize and split leave of a corpus, without a sound."""

    manifest: pd.DataFrame
    segments: pd.DataFrame
    sides: pd.DataFrame
    listed_trials: pd.DataFrame
    descriptors: pd.DataFrame


def tables(n: int) -> Tables:
    """Return the tables of n recordings of a second."""
    rng = np.random.default_rng(n)
    number = np.arange(n)
    subject = pd.Series(number // A_SUBJECT).map("s{:06d}".format)
    manifest = recordings_table(
        {
            "recording_id": [f"r{k:07d}" for k in number],
            "subject_id": subject,
            "session_id": subject + "_" + pd.Series(number % A_SUBJECT // 5).astype(str),
            "path": [path_of(k) for k in number],
            "domain": rng.choice(["phone", "tablet", "studio"], n),
            "sex": np.where(number // A_SUBJECT % 2, "female", "male"),
            "age": (number // A_SUBJECT % 60).astype(str),
            "label": rng.choice(["cry", "scream", "speech"], n),
            "order": number % A_SUBJECT,
        }
    )
    manifest["recorded_at"] = 1.6e9 + 3600.0 * rng.integers(0, 5_000, n)
    manifest["duration_s"] = 1.0
    manifest["sample_rate"] = RATE
    # one in five hundred is a copy of the recording before it
    own = number - ((number % 500 == 7) & (number > 0))
    manifest["sha256"] = [hashlib.sha256(b"%d" % k).hexdigest() for k in own]
    descriptors = pd.DataFrame({"segment_id": manifest["recording_id"], "duration_s": 1.0})
    for name in ("level_dbfs", "peak_dbfs", "noise_floor_dbfs", "bandwidth_hz"):
        descriptors[name] = rng.normal(-30, 5, n)
    for k in range(20):
        descriptors[f"mfcc_mean_{k:02d}"] = rng.normal(size=n)
        descriptors[f"mfcc_std_{k:02d}"] = rng.uniform(0.5, 1.5, n)
    return Tables(
        manifest,
        whole_recordings(manifest),
        one_side_each(manifest),
        no_trials(),
        descriptors,
    )


def path_of(number: int) -> str:
    """Return the path of a recording below its corpus's folder."""
    return f"{number // 1000:03d}/{number:07d}.wav"


def sounds(n: int, seconds: float, folder: Path) -> Corpus:
    """Write n recordings, WAV of 16 bits at 16 kHz, with the table that says whose they are."""
    for k in range(n):
        path = folder / path_of(k)
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wave(k, seconds), RATE, subtype="PCM_16")
    lines = [f"{path_of(k)},s{k // A_SUBJECT:06d}" for k in range(n)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,speaker", *lines]) + "\n")
    return Corpus(folder, "table", "made", {"subject": "speaker"}, synthetic=True)


def packed(n: int, seconds: float, folder: Path) -> Packed:
    """Return n packed waveforms, named as the recordings of `tables` are."""
    return write_packed(folder, ((f"r{k:07d}", wave(k, seconds)) for k in range(n)), RATE)


def wave(number: int, seconds: float) -> np.ndarray:
    """Return a tone of a subject in noise, int16."""
    rng = np.random.default_rng(number)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 150 + 37 * (number // A_SUBJECT % 97)
    tone = np.sin(2 * np.pi * pitch * time) + 0.3 * rng.standard_normal(len(time))
    return np.int16(6_000 * tone)


def silent(n: int) -> Packed:
    """Return the index of n packed recordings of a second, over one second of zeros."""
    number = np.arange(n)
    index = pd.DataFrame(
        {
            "segment_id": pd.Series([f"r{k:07d}" for k in number], dtype="str"),
            "first_sample": number * RATE,
            "n_samples": np.full(n, RATE),
        }
    )
    return Packed(np.zeros(RATE, np.int16), index, RATE)


def embeddings(n: int, dim: int) -> np.ndarray:
    """Return n rows of unit length, float32 (n, dim)."""
    rows = np.random.default_rng(n).standard_normal((n, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


class Trials(NamedTuple):
    """Trials as `bootstrap_interval` takes them: a twentieth are targets, a subject has 20."""

    labels: np.ndarray
    scores: np.ndarray
    enrol: np.ndarray
    test: np.ndarray


def trials(n: int) -> Trials:
    """Return n trials of n / 20 subjects."""
    rng = np.random.default_rng(n)
    enrol = np.arange(n) // 20
    labels = np.arange(n) % 20 == 0
    n_subjects = enrol[-1] + 1
    others = (enrol + rng.integers(1, max(2, n_subjects), n)) % n_subjects
    scores = rng.normal(size=n) + 2.0 * labels
    return Trials(labels, scores, enrol, np.where(labels, enrol, others))


def predictions(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and predictions of 10 classes, objects (n,), and probabilities (n, 10)."""
    rng = np.random.default_rng(n)
    names = np.array([f"class {k}" for k in range(10)], dtype=object)
    true = np.arange(n) % 10
    odds = rng.random((n, 10)) + 0.5 * (np.arange(10) == true[:, None])
    return names[true], names[odds.argmax(axis=1)], odds / odds.sum(axis=1, keepdims=True)


def scores(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of two systems for a table of trials."""
    target, rng = trials["target"].to_numpy(np.float64), np.random.default_rng(len(trials))
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "system": system,
                    "trial_id": trials["trial_id"],
                    "cosine": np.tanh((rng.normal(size=len(trials)) + shift * target) / 4),
                    "normalised": np.nan,
                }
            )
            for system, shift in (("ours", 3.0), ("mfcc", 1.0))
        ],
        ignore_index=True,
    )
