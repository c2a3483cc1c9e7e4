"""Train a classifier of breath cycles by one of four methods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from bodysounds.audio.packed import Packed
from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.models.stages import stages_of
from bodysounds.params.train_respiratory import TrainRespiratoryParams
from bodysounds.training.classifier import chosen, table, trained
from bodysounds.training.classifier_setup import effective
from bodysounds.training.classifier_start import start_of
from bodysounds.types import Table

HISTORY = (
    "stage", "epoch", "step", "loss", "loss_cross_entropy", "loss_contrastive", "loss_metadata",
    "train_accuracy", "dev_accuracy", "dev_balanced_accuracy", "dev_score", "dev_loss",
    "learning_rate", "seconds", "items_per_second", "chosen",
)  # fmt: skip


def train_respiratory(
    packed: Packed,
    examples: Table,
    params: TrainRespiratoryParams,
    init: Encoder | None = None,
) -> tuple[Classifier, Table]:
    """Return the classifier that `params.method` makes of train, and a row an epoch.

    `sl` learns by cross-entropy and `hybrid` by alpha L_contrastive + (1 - alpha) L_cross-entropy.
    `scl` learns the network by the supervised contrastive loss (Khosla et al. 2020, arXiv
    2004.11362) and then the classes by a linear layer on the network as it stands; so does `mscl`,
    by lambda L_class + (1 - lambda) L_metadata over two heads. All as in Moummad and Farrugia 2022
    (arXiv 2210.16192). A run that was killed goes on from its last checkpoint, of either stage.

    Parameters
    ----------
    examples : Table
        segment_id, label (str), subset, and the columns of `params.metadata` for mscl (a value may
        be missing). train teaches; the rows with a true `chooses`, or dev where there is no such
        column, choose the epoch of the linear stage, and that of sl and hybrid, as `params.choose`
        says.
    init : Encoder, optional
        Weights to start from; those that `params.published` names where None.

    Returns
    -------
    classifier : Classifier
    history : Table
        stage (`sl`, `hybrid`, or `contrastive`, then `linear`); epoch and step, counted on through
        the stages; loss, the sum that is minimised; loss_cross_entropy, loss_contrastive and
        loss_metadata, before their weights; train_accuracy, dev_accuracy, dev_balanced_accuracy,
        dev_score (the mean of specificity and exact sensitivity); dev_loss, cross-entropy, of the
        contrastive stage its own loss over dev; learning_rate, seconds, items_per_second; chosen,
        of one epoch: the one whose classifier is returned. What a stage does not have is NaN.

    Raises ValueError as `train_classifier` does, and for metadata that the examples do not have.
    """
    if init is None:
        init = start_of(params)
    if init is not None and params.learning_rate_published is not None:
        params = replace(params, learning_rate=params.learning_rate_published)
    run, state = trained(packed, examples, params, init)
    first = chosen(run, state)
    history = table(state, HISTORY)
    if not params.two_stages:
        run.store.clear()
        record = first.training | {"method": params.method}
        return trained_so(first, record), history.assign(stage=params.method)
    linear = linear_stage(params, list(stages_of(run.architecture)))
    above, later = trained(packed, examples, linear, first.encoder)
    second = chosen(above, later)
    for store in (above.store, run.store):  # a killed run may then still have the first
        store.clear()
    record = both(params, first.training, second.training)
    more = table(later, HISTORY).assign(stage="linear")
    more[["epoch", "step"]] += history[["epoch", "step"]].iloc[-1]
    history = history.assign(stage="contrastive", chosen=False)
    return trained_so(second, record), pd.concat([history, more], ignore_index=True)


def linear_stage(params: TrainRespiratoryParams, stages: list[str]) -> TrainRespiratoryParams:
    """Return the parameters of a linear layer on a network that no longer learns."""
    return replace(
        params,
        method="sl",
        freeze=stages,
        unfreeze_after=None,
        layer_decay=1.0,
        augment=[],
        random_crop=False,
        n_epochs=params.head_epochs,
        patience=None,
        audio_budget_s=None,
        optimiser=params.head_optimiser,
        learning_rate=params.head_learning_rate,
        schedule=[{"name": "constant"}],
    )


def trained_so(classifier: Classifier, record: dict[str, Any]) -> Classifier:
    """Return the classifier with this training record, its encoder too."""
    encoder = replace(classifier.encoder, training=record)
    return replace(classifier, encoder=encoder, training=record)


def both(
    params: TrainRespiratoryParams, first: dict[str, Any], second: dict[str, Any]
) -> dict[str, Any]:
    """Return the training record of two stages: the linear one's, with the contrastive one's."""
    own = ("epochs", "chosen_epoch", "steps", "dev_loss", "losses")
    return second | {
        "method": params.method,
        "parameters": effective(params),
        "init": first["init"],
        "audio_s": first["audio_s"] + second["audio_s"],
        "contrastive": {name: first[name] for name in own},
    }
