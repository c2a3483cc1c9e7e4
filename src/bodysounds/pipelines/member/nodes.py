"""Nodes of `member`."""

from __future__ import annotations

from bodysounds.params.predict import PredictParams
from bodysounds.params.train_member import TrainMemberParams
from bodysounds.params.train_wav2vec2 import TrainWav2vec2Params
from bodysounds.params.train_yamnet import TrainYamnetParams
from bodysounds.types import Classifier, Corpus, Figure, Packed, Table


def train_yamnet(
    waveforms: Packed, examples: Table, manifest: Table, subsets: Table, params: TrainYamnetParams
) -> tuple[Classifier, Table]:
    """Return YAMNet of the epoch that dev chose, and a row an epoch."""
    return _train(waveforms, examples, manifest, subsets, params)


def train_wav2vec2(
    waveforms: Packed, examples: Table, manifest: Table, subsets: Table, params: TrainWav2vec2Params
) -> tuple[Classifier, Table]:
    """Return Wav2Vec2 of the epoch that dev chose, and a row an epoch."""
    return _train(waveforms, examples, manifest, subsets, params)


def fold_yamnet(
    waveforms: Packed, examples: Table, params: TrainYamnetParams, *, fold: int
) -> Table:
    """Return what YAMNet says of the fold of train that it was not taught."""
    return _fold(waveforms, examples, params, fold)


def fold_wav2vec2(
    waveforms: Packed, examples: Table, params: TrainWav2vec2Params, *, fold: int
) -> Table:
    """Return what Wav2Vec2 says of the fold of train that it was not taught."""
    return _fold(waveforms, examples, params, fold)


def predict_windows(
    classifier: Classifier, waveforms: Packed, examples: Table, params: PredictParams
) -> Table:
    """Return what the member says of dev, of test and of some of train."""
    from bodysounds.devices import share_cores
    from bodysounds.scoring.classes import rated_examples
    from bodysounds.scoring.member_predictions import member_table

    share_cores()
    wanted = rated_examples(examples, params.max_train, params.seed)
    return member_table(classifier, waveforms, wanted, ("subset", "condition"), params.device)


def draw_training(history: Table, raw: Corpus, *, member: str) -> Figure:
    """Return the training curves of a member."""
    from bodysounds.figures.class_training import class_training_figure

    return class_training_figure(history, synthetic=raw.synthetic, name=member)


def _train(
    waveforms: Packed, examples: Table, manifest: Table, subsets: Table, params: TrainMemberParams
) -> tuple[Classifier, Table]:
    from dataclasses import replace

    from bodysounds.devices import share_cores
    from bodysounds.models.heard import remember
    from bodysounds.training.classifier import train_classifier
    from bodysounds.training.classifier_start import start_of

    share_cores()
    init = start_of(params)
    classifier, history = train_classifier(waveforms, examples, params, init)
    encoder = remember(classifier.encoder, manifest, subsets, init)
    return replace(classifier, encoder=encoder), history


def _fold(waveforms: Packed, examples: Table, params: TrainMemberParams, fold: int) -> Table:
    from bodysounds.devices import share_cores
    from bodysounds.scoring.member_predictions import member_table
    from bodysounds.training.classifier import train_classifier

    share_cores()
    left_out = (examples["subset"] == "train") & (examples["fold"] == fold)
    classifier, _ = train_classifier(waveforms, examples[~left_out], params)
    return member_table(classifier, waveforms, examples[left_out], ("fold",), params.device)
