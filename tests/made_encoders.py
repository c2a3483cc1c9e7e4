"""Small encoders of every kind that leaves, with statistics as training leaves them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bodysounds.models.encoder import Encoder
from bodysounds.models.network import build_body, detached

ECAPA = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 2, "dim": 12}
IMAGE = {
    "name": "stft_image", "sample_rate": 16_000, "clip_s": 1.0, "fill": "repeat", "n_fft": 512,
    "win_s": 0.025, "hop_s": 0.01, "log": True, "size": 48, "normalise": "per_frequency",
}  # fmt: skip
RESNET = {"name": "resnet18", "width": 4, "dim": 10}


def heard(name: str, over: str, rate: int = 16_000) -> dict[str, Any]:
    return {"name": name, "sample_rate": rate, "n_mels": 24, "mean_over": over}


def behind(over: str, **dims: int) -> dict[str, Any]:
    """Return the architecture of a backend of an ecapa."""
    dim = sum(dims.values())
    return {"name": "backend", "network": ECAPA, "over": over, "dims": dims, "dim": dim}


KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "band": (ECAPA, heard("speechbrain", "band")),
    "clip": (ECAPA, heard("speechbrain", "clip")),
    "kaldi": (ECAPA, heard("kaldi", "clip")),
    "backend": (behind("clip", network=6, statistics=5), heard("speechbrain", "none")),
    "network": (behind("band", network=6), heard("speechbrain", "none")),
    "statistics": (behind("band", statistics=5), heard("kaldi", "none")),
    "resnet18": (RESNET, IMAGE),
    "zeros": (RESNET, IMAGE | {"fill": "zeros", "normalise": "min_max", "log": False}),
    "8 kHz": (ECAPA, heard("speechbrain", "band", 8_000)),
    "22.05 kHz": (ECAPA, heard("kaldi", "band", 22_050)),
}


def made_encoder(kind: str, seed: int = 0) -> Encoder:
    architecture, front_end = KINDS[kind]
    body, draw = build_body(architecture, seed), torch.Generator().manual_seed(seed)
    for name, values in body.named_buffers():
        if name.endswith("running_mean"):
            values.normal_(0, 0.1, generator=draw)
        elif name.endswith("running_var"):
            values.uniform_(0.5, 2.0, generator=draw)
        elif name.endswith(("mean", "matrix")):
            values.normal_(0, 0.3, generator=draw)
        elif name == "shares" and len(values) == 2:
            values.copy_(torch.tensor([0.7, 0.3]))
    return Encoder(detached(body), architecture, front_end)


def noise(batch: int, samples: int, level: float = 0.1, seed: int = 0) -> np.ndarray:
    """Return waveforms (batch, samples) float32: noise, louder from item to item, on a hum."""
    rng = np.random.default_rng([seed, batch, samples])
    hum = np.sin(2 * np.pi * 0.02 * np.arange(samples))
    loud = level * (1 + np.arange(batch))[:, None] / batch
    return (loud * (0.5 * rng.standard_normal((batch, samples)) + hum)).astype(np.float32)
