"""Nodes of `train_embedding`."""

from __future__ import annotations

from bodysounds.params import TrainEmbeddingParams
from bodysounds.types import Corpus, Encoder, Figure, Packed, Table


def train(
    waveforms: Packed,
    segments: Table,
    sides: Table,
    manifest: Table,
    subsets: Table,
    trials: Table,
    params: TrainEmbeddingParams,
) -> tuple[Encoder, Encoder, Table]:
    """Return the encoder to use, the one that dev chose and may score, and a row an epoch."""
    from bodysounds.models.encoder import load_encoder
    from bodysounds.models.heard import remember
    from bodysounds.sides import build_sides
    from bodysounds.training.embedding import train_encoder

    table = build_sides(waveforms, segments, sides, manifest, subsets)
    init = load_encoder(params.init_from) if params.init_from else None
    encoder, dev_encoder, history = train_encoder(waveforms, table, trials, params, init)
    same = encoder is dev_encoder
    dev_encoder = remember(dev_encoder, manifest, subsets, init)
    encoder = dev_encoder if same else remember(encoder, manifest, subsets, init)
    return encoder, dev_encoder, history


def draw_training(history: Table, raw: Corpus) -> Figure:
    """Return the training curves."""
    from bodysounds.figures.training import training_figure

    return training_figure(history, synthetic=raw.synthetic)
