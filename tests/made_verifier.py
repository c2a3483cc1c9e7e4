"""A verifier whose network was never trained, and sounds to ask it about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bodysounds import Verifier
from bodysounds.corpora.base import Corpus
from bodysounds.models.encoder import Encoder, untrained
from bodysounds.models.verifier import VerifierBundle, save_verifier
from bodysounds.models.verifier_about import about_verifier
from bodysounds.params import BundleParams, ScorePairsParams
from bodysounds.scoring.calibration import Calibration

RATE, DIM = 16_000, 8
ARCHITECTURE = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": DIM}
FRONT_END = {"name": "speechbrain", "sample_rate": RATE, "n_mels": 24, "mean_over": "band"}
CALIBRATION = Calibration(("score",), (20.0,), -18.0, 0.5)
WITH_SECONDS = Calibration(("score", "log_shorter_s", "abs_log_ratio"), (20.0, 1.0, -1.0), -18, 0.5)
SOUND = {"centre": []}


def bundle(
    calibration: Calibration | None = CALIBRATION,
    threshold: float = 0.9,
    seed: int = 0,
    scoring: dict[str, Any] = SOUND,
    **changes: Any,
) -> VerifierBundle:
    """Return a bundle; `changes` are those of what verifier.json says."""
    encoder = untrained(Encoder({}, ARCHITECTURE, FRONT_END), seed)
    about = about_verifier(
        "cry_verification",
        Corpus(Path("nowhere"), "demo", "made", synthetic=True, licence="CC0"),
        {"threshold": threshold, "score": "cosine", "policy": "eer", "chosen_on": "dev"},
        {"ours": calibration.to_dict() if calibration else {"why_not": "dev is too small"}},
        {"headline": {"eer": 0.25}},
        ScorePairsParams(**scoring),
        BundleParams(),
        {},
        centred=False,
    )
    return VerifierBundle(encoder, {**about, **changes}, None, "---\nlicense: cc0-1.0\n---\n")


def verifier(folder: Path, made: VerifierBundle | None = None) -> Verifier:
    """Return the verifier of a bundle that was saved and is loaded again."""
    save_verifier(folder / "bundle", made or bundle())
    return Verifier.load(folder / "bundle", device="cpu")


def with_cohort(made: VerifierBundle, **changes: Any) -> VerifierBundle:
    """Return the bundle with a cohort of 30 made embeddings, and changes of what it says."""
    cohort = np.random.default_rng(0).standard_normal((30, DIM)).astype(np.float32)
    cohort /= np.linalg.norm(cohort, axis=1, keepdims=True)
    return replace(made, cohort=cohort, about={**made.about, **changes})


def voice(pitch: float, seconds: float = 1.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Return harmonics that come and go, in soft noise, float32 of shape (n,), peak 0.5."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * pitch * (k + 1) * time) / (k + 1) for k in range(6))
    wave = wave * np.sin(2 * np.pi * 3 * time) ** 2 + 0.01 * rng.standard_normal(len(time))
    return np.asarray(0.5 * wave / np.abs(wave).max(), dtype=np.float32)
