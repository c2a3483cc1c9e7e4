"""Small made ensembles: two members with random weights, and a rule that is written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.models.ensemble import Ensemble
from bodysounds.models.network import build_body, detached, embedding_dim

LABELS = ["crying", "normal", "screaming"]
RATE, CLIP_S = 16_000, 1.0
WAV2VEC2 = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": [8, 8, 8], "conv_stride": [5, 4, 4], "conv_kernel": [10, 8, 8],
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 16,
    "apply_spec_augment": False, "feat_extract_norm": "group", "do_stable_layer_norm": False,
}  # fmt: skip


def classifier(
    architecture: dict[str, Any], front_end: dict[str, Any], labels: list[str], seed: int
) -> Classifier:
    body = build_body(architecture, seed)
    generator = torch.Generator().manual_seed(seed)
    dim = embedding_dim(architecture)
    head = {
        "weight": torch.randn(len(labels), dim, generator=generator),
        "bias": torch.zeros(len(labels)),
    }
    return Classifier(Encoder(detached(body), architecture, front_end), head, labels)


def yamnet(seed: int = 0, labels: list[str] = LABELS, clip_s: float = CLIP_S) -> Classifier:
    return classifier(
        {"name": "yamnet", "width": 0.0625, "batch_norm": True},
        {"name": "yamnet_log_mel", "sample_rate": RATE, "patch_hop_s": 0.48, "clip_s": clip_s,
         "fill": "repeat"},
        labels, seed,
    )  # fmt: skip


def wav2vec2(seed: int = 1, labels: list[str] = LABELS, clip_s: float = CLIP_S) -> Classifier:
    from bodysounds.models.wav2vec2 import complete_config

    return classifier(
        {"name": "wav2vec2", "config": complete_config(WAV2VEC2)},
        {"name": "waveform", "sample_rate": RATE, "normalise": True, "clip_s": clip_s,
         "fill": "repeat"},
        labels, seed,
    )  # fmt: skip


def rule(members: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    """A rule that was not fitted: everything that a member says weighs."""
    names = members or ["yamnet", "wav2vec2"]
    rng = np.random.default_rng(0)
    meta = {
        label: {"intercept": 0.1 * k}
        | {name: dict(zip(LABELS, rng.normal(size=3).tolist(), strict=True)) for name in names}
        for k, label in enumerate(LABELS)
    }
    weights = rng.dirichlet(np.ones(len(names))).tolist()
    return {
        "labels": LABELS,
        "members": names,
        "temperatures": {name: 1.5 + k for k, name in enumerate(names)},
        "weights": dict(zip(names, weights, strict=True)),
        "meta": meta,
        "chosen": "average",
        "abstain": {"aim": "fixed", "value": 0.0, "threshold": 0.0},
        "clip_s": CLIP_S,
        "hop_s": CLIP_S / 2,
        "sample_rate": RATE,
        "short": "repeat",
        "usable": {"min_s": 0.1, "silence_dbfs": -80.0, "clipped_share": 0.5},
        "events": {"onset": 0.6, "offset": 0.4, "min_s": 0.0, "merge_s": 0.0, "quiet": "normal"},
    } | changes


def small_ensemble(**changes: Any) -> Ensemble:
    return Ensemble({"yamnet": yamnet(), "wav2vec2": wav2vec2()}, rule(**changes), "cpu")


def noise(n: int, seconds: float = CLIP_S, seed: int = 0) -> np.ndarray:
    """Clips (n, samples) of noise with a tone, each louder than the one before it."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tones = np.sin(2 * np.pi * rng.uniform(200, 3000, (n, 1)) * time)
    level = np.linspace(0.05, 0.4, n)[:, None]
    return np.float32(level * (tones + 0.3 * rng.standard_normal((n, len(time)))))


def examples(n_sources: int, n_windows: int, seed: int = 0) -> pd.DataFrame:
    """Windows of sources, three folds of train, dev and test, each balanced by class."""
    rows = []
    for source in range(n_sources):
        label = LABELS[source % 3]
        turn = (source // 3) % 5
        subset = ["train", "train", "train", "dev", "test"][turn]
        for window in range(n_windows):
            rows.append(
                {
                    "segment_id": f"s{source:03d}#{window}",
                    "recording_id": f"s{source:03d}",
                    "session_id": f"s{source:03d}",
                    "start_s": float(window),
                    "end_s": float(window + 1),
                    "label": label,
                    "subset": subset,
                    "condition": {"train": "train", "test": "unseen_source"}.get(subset, "dev"),
                    "fold": turn if subset == "train" else -1,
                }
            )
    return pd.DataFrame(rows).sample(frac=1, random_state=seed, ignore_index=True)


def predictions(rows: pd.DataFrame, skill: float, seed: int) -> pd.DataFrame:
    """What a member of some skill says of the rows: p_ columns, with the rows' label and fold."""
    rng = np.random.default_rng(seed)
    own = rows["label"].map({name: k for k, name in enumerate(LABELS)}).to_numpy()
    logits = rng.normal(size=(len(rows), 3)) + skill * np.eye(3)[own]
    table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    told = rows[["segment_id", "label", "subset", "condition", "fold"]].reset_index(drop=True)
    return told.assign(**{f"p_{name}": table[:, k] for k, name in enumerate(LABELS)})
