"""A small corpus's tables with made scores, for the tests of report and figures."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

SHIFTS = {"ours": 3.0, "untrained": 1.0, "mfcc": 1.5, "random": 0.0}


def made_tables(n_subjects: int = 30, seed: int = 0, level_is_identity: bool = False):
    """Subjects with periods B and D of two recordings each; every (B, D) pair of a subset.

    A target's score is shifted by SHIFTS of its system, in deviations. With `level_is_identity`
    the level of a recording is its subject's.
    """
    rng = np.random.default_rng(seed)
    third = n_subjects // 3
    subjects = [f"{i:04d}" for i in range(n_subjects)]
    subset_of = dict(zip(subjects, np.repeat(["train", "dev", "test"], third), strict=True))
    rows, measured = [], []
    for subject in subjects:
        own_level = -30 + 20 * rng.uniform()
        for period, k in itertools.product("BD", range(2)):
            recording = f"{subject}_{period}_{k}"
            level = own_level if level_is_identity else -30 + 20 * rng.uniform()
            duration = rng.uniform(0.4, 2.0)
            rows.append((recording, subject, period, k, duration))
            measured.append(
                (recording, duration, level, level + 15, -60 + rng.normal(), 6000 + rng.normal())
            )
    columns = ["recording_id", "subject_id", "session_id", "order", "duration_s"]
    manifest = pd.DataFrame(rows, columns=columns).assign(
        group_id=lambda t: t["subject_id"],
        path=lambda t: "audio/" + t["recording_id"] + ".wav",
        sha256=lambda t: t["recording_id"],
        sample_rate=16_000,
        codec="wav",
        recorded_at=np.nan,
    )
    for name in ("domain", "sex", "age", "label", "subset_hint"):
        manifest[name] = pd.Series(np.nan, manifest.index, dtype="str")
    descriptors = pd.DataFrame(
        measured,
        columns=["segment_id", "duration_s", "level_dbfs", "peak_dbfs", "noise_floor_dbfs",
                 "bandwidth_hz"],
    )  # fmt: skip
    segments = pd.DataFrame(
        {
            "segment_id": manifest["recording_id"],
            "recording_id": manifest["recording_id"],
            "start_s": 0.0,
            "end_s": manifest["duration_s"],
        }
    )
    sides = pd.DataFrame(
        {
            "side_id": manifest["subject_id"] + "_" + manifest["session_id"],
            "recording_id": manifest["recording_id"],
            "order": manifest["order"],
        }
    )
    subsets = pd.DataFrame(
        {
            "recording_id": manifest["recording_id"],
            "subset": manifest["subject_id"].map(subset_of),
            "fold": 0,
        }
    )
    pairs = [
        (f"{a}_B~{b}_D", f"{a}_B", f"{b}_D", int(a == b), subset, "across_sessions")
        for subset in ("dev", "test")
        for a, b in itertools.product([s for s in subjects if subset_of[s] == subset], repeat=2)
    ]
    trials = pd.DataFrame(
        pairs, columns=["trial_id", "enrol_id", "test_id", "target", "subset", "condition"]
    ).astype({"target": "Int64"})
    target = trials["target"].to_numpy(np.float64)
    scores = pd.concat(
        [
            pd.DataFrame(
                {
                    "system": system,
                    "trial_id": trials["trial_id"],
                    "cosine": np.tanh((rng.normal(size=len(trials)) + shift * target) / 4),
                    "normalised": np.nan,
                }
            )
            for system, shift in SHIFTS.items()
        ],
        ignore_index=True,
    )
    return {
        "manifest": manifest, "descriptors": descriptors, "segments": segments, "sides": sides,
        "subsets": subsets, "trials": trials, "scores": scores,
    }  # fmt: skip


def made_history(n_epochs: int = 6, chosen: int = 4) -> pd.DataFrame:
    epoch = np.arange(1, n_epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch, "step": epoch * 10, "loss": 12.0 / epoch, "loss_aam": 10.0 / epoch,
            "loss_triplet": 2.0 / epoch, "dev_eer": 0.4 / epoch, "dev_auc": 0.9,
            "chosen": epoch == chosen,
        }
    )  # fmt: skip
