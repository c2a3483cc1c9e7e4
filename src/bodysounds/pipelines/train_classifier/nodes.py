"""Nodes of `train_classifier`."""

from __future__ import annotations

from bodysounds.params.train_classifier import TrainClassifierParams
from bodysounds.types import Classifier, Corpus, Encoder, Figure, Packed, Table


def train(
    waveforms: Packed,
    examples: Table,
    manifest: Table,
    subsets: Table,
    params: TrainClassifierParams,
) -> tuple[Classifier, Encoder, Table]:
    """Return the classifier of the epoch that dev chose, its encoder, and a row an epoch."""
    from dataclasses import replace

    from bodysounds.models.heard import remember
    from bodysounds.training.classifier import train_classifier
    from bodysounds.training.classifier_start import load_start

    init = load_start(params.init_from) if params.init_from else None
    classifier, history = train_classifier(waveforms, examples, params, init)
    encoder = remember(classifier.encoder, manifest, subsets, init)
    return replace(classifier, encoder=encoder), encoder, history


def draw_training(history: Table, raw: Corpus) -> Figure:
    """Return the training curves, each loss on its own axes."""
    from bodysounds.figures.class_training import class_training_figure

    return class_training_figure(history, synthetic=raw.synthetic)
