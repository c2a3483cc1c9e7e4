"""Train an encoder: set up, fit, choose, hand over."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.training.backend import choice_of, with_backend
from bodysounds.training.best import Choice, Weights, choose, kept_weights
from bodysounds.training.lda import check_classes
from bodysounds.training.loop import restore
from bodysounds.training.refit import refit, refit_sources
from bodysounds.training.run import Training
from bodysounds.training.setup import Given, architecture, effective, features, set_up
from bodysounds.training.state import State
from bodysounds.training.together import teach
from bodysounds.types import Table

log = logging.getLogger(__name__)


def train_encoder(
    packed: Packed,
    side_table: SideTable,
    trials: Table,
    params: TrainEmbeddingParams,
    init: Encoder | None = None,
) -> tuple[Encoder, Encoder, Table]:
    """Return the encoder to use, the one that dev chose, and a row an epoch.

    A run that was killed goes on from its last checkpoint in `params.work_dir` and, on a CPU, ends
    with the same bytes; anything else than equal parameters, data and code starts anew.

    Parameters
    ----------
    packed, side_table
        Audio, and what trials compare; the subset `train` of known subject teaches.
    trials : Table
        enrol_id, test_id, target, subset; those of dev choose the epoch (EER, then AUC, then the
        earlier), each weighing the same, and, with `average_best: auto`, whether the best epochs'
        weights are averaged.
    init : Encoder, optional
        Weights to start from; they must all fit, but for `init_strict: false`.

    Returns
    -------
    encoder : Encoder
        Where nothing is refit, the same object as the next.
    dev_encoder : Encoder
        What dev's trials chose, and may score; `best` has the best epochs where several are kept.
    history : Table
        epoch and step (counted from 1), loss, loss_<name>, train_<figure>, validation_loss and
        validation_<figure> where some validate, dev_eer, dev_auc, learning_rate, audio_s (heard so
        far), seconds, items_per_second, chosen (the epochs handed over).

    Raises ValueError for fewer than two subjects or groups in train, for dev without a target or a
    non-target pair, for an init that does not fit, for a backend where no subject of train has two
    sides, and for a loss that is not finite.
    """
    if "no_seed" in params.defects:
        params = replace(params, seed=secrets.randbits(32))
        log.warning("no_seed: seed %d was drawn; a killed run cannot resume", params.seed)
    given = Given(packed, side_table, trials, params, init)
    run, started = set_up(given)
    if params.backend:
        # asked now, not after hours of training
        check_classes(np.array([sum(map(len, own)) for own in run.sources.train.sessions]))
    state = teach(run, restore(run))
    choice = choose(run, state)
    dev_encoder = hand_over(run, state, choice, started)
    encoder = refit(given, run, state, choice, dev_encoder) if params.refit else dev_encoder
    if params.backend:
        encoder, dev_encoder = add_backends(given, run, encoder, dev_encoder)
    run.store.clear()
    return encoder, dev_encoder, table(state, choice)


def add_backends(
    given: Given, run: Training, encoder: Encoder, dev_encoder: Encoder
) -> tuple[Encoder, Encoder]:
    """Return both with a backend of their own; dev chooses how those are fitted."""
    dev = run.dev
    assert dev is not None
    chosen = with_backend(
        dev_encoder, given.packed, run.sources, given.params, (dev, run.side_table)
    )
    if encoder is dev_encoder:
        return chosen, chosen
    again = choice_of(chosen)
    return with_backend(encoder, given.packed, refit_sources(given), given.params, again), chosen


def hand_over(
    run: Training, state: State, choice: Choice, started: dict[str, Any] | None
) -> Encoder:
    """Return the encoder of dev's choice, with those of the best epochs where several are kept."""

    def encoder(weights: Weights, training: dict[str, Any]) -> Encoder:
        return Encoder(
            state=weights,
            architecture=architecture(run.params),
            front_end=features(run.params, run.packed.sample_rate),
            training=training,
        )

    best: list[Encoder] = []
    for epoch in state.kept if run.params.keep_best > 1 else []:
        row, weights = state.history[epoch - 1], kept_weights(run, epoch)
        single = Choice(weights, (epoch,), row["dev_eer"], row["dev_auc"])
        best.append(encoder(weights, record(run, state, single, started)))
    chosen = encoder(choice.weights, record(run, state, choice, started))
    return replace(chosen, best=tuple(best))


def table(state: State, choice: Choice) -> Table:
    """Return a row an epoch; `chosen` says which were handed over."""
    history = pd.DataFrame(state.history).astype({"epoch": "int64", "step": "int64"})
    history["chosen"] = history["epoch"].isin(choice.epochs)
    return history


def record(
    run: Training, state: State, choice: Choice, started: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what the encoder says of its training; equal for equal runs, so without times."""
    params, last = run.params, state.history[max(choice.epochs) - 1]
    validation = run.sources.validation
    return {
        "seed": params.seed,
        "epochs": len(state.history),
        "chosen_epoch": choice.epochs[0],
        "averaged_epochs": sorted(choice.epochs) if len(choice.epochs) > 1 else [],
        "steps": int(last["step"]),
        "audio_s": last["audio_s"],
        "dev_eer": choice.dev_eer,
        "dev_auc": choice.dev_auc,
        "losses": {k: v for k, v in last.items() if k.startswith("loss")},
        "parameters": effective(params),
        "device": run.device.type,
        "precision": "bf16" if run.bf16 else "float32",
        "n_subjects": len(run.sources.train.ids),
        "n_validation": len(validation.ids) if validation else 0,
        "init": started,
        "refit": None,
    }
