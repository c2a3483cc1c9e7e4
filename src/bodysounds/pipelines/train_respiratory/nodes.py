"""Nodes of `train_respiratory`."""

from __future__ import annotations

from bodysounds.params.train_respiratory import TrainRespiratoryParams
from bodysounds.types import Classifier, Corpus, Figure, Packed, Table


def train(
    waveforms: Packed,
    examples: Table,
    manifest: Table,
    subsets: Table,
    params: TrainRespiratoryParams,
) -> tuple[Classifier, Table]:
    """Return the classifier of the epoch that was chosen, and a row an epoch."""
    from dataclasses import replace

    from bodysounds.models.heard import remember
    from bodysounds.splitting.patients import subsets_heard
    from bodysounds.training.classifier_start import start_of
    from bodysounds.training.respiratory import train_respiratory

    init = start_of(params)
    classifier, history = train_respiratory(waveforms, examples, params, init)
    heard = subsets_heard(subsets, examples)
    encoder = remember(classifier.encoder, manifest, heard, init)
    return replace(classifier, encoder=encoder), history


def draw_training(history: Table, raw: Corpus, params: TrainRespiratoryParams) -> Figure:
    """Return the training curves, those of each stage on their own axes."""
    from bodysounds.figures.respiratory_training import respiratory_training_figure

    return respiratory_training_figure(history, raw.synthetic, params.method)
