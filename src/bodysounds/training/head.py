"""The classes of AAM-softmax begin where the starting network hears the subjects of train."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from bodysounds.audio.packed import Packed
from bodysounds.losses.aam import AamSoftmax
from bodysounds.losses.build import WeightedLosses
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params import TrainEmbeddingParams
from bodysounds.scoring.embed import embed_waveforms
from bodysounds.scoring.embed_batches import Float32s
from bodysounds.sides import side_waveform
from bodysounds.training.speeds import at_speed
from bodysounds.training.subjects import Sources
from bodysounds.types import Ints

MAX_SIDES = 20
MAX_SIDE_S = 30.0
SUBJECTS_AT_A_TIME = 16
# equal sub-centres would always share a gradient, and never part
APART = 0.1


def head_from_means(
    losses: WeightedLosses,
    module: EmbeddingNetwork,
    packed: Packed,
    sources: Sources,
    params: TrainEmbeddingParams,
) -> None:
    """Set the class weights of `aam` to the mean embeddings of train's subjects, of unit length.

    The first centre of a class is the mean, further ones are a seeded tenth off, so that they can
    part.
    """
    means = torch.from_numpy(class_means(module, packed, sources, params.speeds))
    generator = torch.Generator().manual_seed(params.seed)
    for loss in losses.losses.values():
        if not isinstance(loss, AamSoftmax):
            continue
        n_centers = loss.options.subcenters
        off = torch.randn((len(means), n_centers, means.shape[1]), generator=generator)
        off = APART * functional.normalize(off, dim=2)
        off[:, 0] = 0.0
        centers = functional.normalize(means[:, None] + off, dim=2)
        with torch.no_grad():
            loss.weight.copy_(centers.reshape(loss.weight.shape))


def class_means(
    module: EmbeddingNetwork, packed: Packed, sources: Sources, speeds: list[float]
) -> Float32s:
    """Return the mean of the unit embeddings of each class, float32 (n_classes, dim), unit length.

    Heard are at most 20 sides of a subject, spread evenly over its sessions, each at most 30 s.
    """
    rows = [spread(np.concatenate(sessions), MAX_SIDES) for sessions in sources.train.sessions]
    longest = round(MAX_SIDE_S * packed.sample_rate)
    means = np.zeros((len(rows), len(speeds), module.dim), dtype=np.float32)
    for first in range(0, len(rows), SUBJECTS_AT_A_TIME):
        chunk = rows[first : first + SUBJECTS_AT_A_TIME]
        spans = [sources.sides.spans[row] for row in np.concatenate(chunk)]
        waveforms = [side_waveform(packed, own, longest).astype(np.float32) for own in spans]
        owners = np.repeat(np.arange(len(chunk)), [len(own) for own in chunk])
        for place, speed in enumerate(speeds):
            played = [at_speed(torch.from_numpy(w)[None], speed)[0].numpy() for w in waveforms]
            embeddings = embed_waveforms(module, played, precision="float32")
            for k in range(len(chunk)):
                means[first + k, place] = embeddings[owners == k].mean(axis=0)
    flat = means.reshape(-1, module.dim)
    unit: Float32s = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    return unit


def spread(rows: Ints, most: int) -> Ints:
    """Return at most so many of the rows, evenly from first to last."""
    if len(rows) <= most:
        return rows
    chosen: Ints = rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
    return chosen
