"""Train an encoder: set up, fit, choose, hand over."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from bodysounds.audio.augment import build_augment
from bodysounds.audio.packed import Packed
from bodysounds.devices import choose_device, use_bf16
from bodysounds.losses.build import build_losses
from bodysounds.models.encoder import Encoder, state_sha256
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.training.checkpoints import Store, training_key
from bodysounds.training.dev import dev_trials
from bodysounds.training.loop import Training, fit, restore
from bodysounds.training.sampler import Subjects, list_subjects
from bodysounds.training.state import State
from bodysounds.types import Table

log = logging.getLogger(__name__)

# where a run lives and how often it saves do not change what it ends with
OF_NO_EFFECT = ("work_dir", "checkpoint_every")


def train_encoder(
    packed: Packed,
    side_table: SideTable,
    trials: Table,
    params: TrainEmbeddingParams,
    init: Encoder | None = None,
) -> tuple[Encoder, Table]:
    """Return the encoder of the epoch with the lowest dev EER, and a row an epoch.

    A run that was killed goes on from its last checkpoint in `params.work_dir` and, on a CPU, ends
    with the same bytes; anything else than equal parameters, data and code starts anew.

    Parameters
    ----------
    packed, side_table
        Audio, and what trials compare; the subset `train` of known subject teaches.
    trials : Table
        enrol_id, test_id, target, subset; those of dev choose the epoch (EER, then AUC, then the
        earlier), each weighing the same.
    init : Encoder, optional
        Weights to start from; its architecture and front end must be those of the parameters.

    Returns
    -------
    encoder : Encoder
    history : Table
        epoch and step (counted from 1), loss, loss_<name>, train_<figure>, dev_eer, dev_auc,
        learning_rate, seconds, items_per_second, chosen.

    Raises ValueError for fewer than two subjects or groups in train, for dev without a target or a
    non-target pair, for an init that does not fit, and for a loss that is not finite.
    """
    run, state = set_up(packed, side_table, trials, params, init)
    fit(run, state)
    history = pd.DataFrame(state.history).astype({"epoch": "int64", "step": "int64"})
    history["chosen"] = history["epoch"] == state.best_epoch
    encoder = Encoder(
        state=state.best,
        architecture=architecture(params),
        front_end=features(params, packed.sample_rate),
        training=record(params, run, state, init),
    )
    run.store.clear()
    return encoder, history


def set_up(
    packed: Packed,
    side_table: SideTable,
    trials: Table,
    params: TrainEmbeddingParams,
    init: Encoder | None,
) -> tuple[Training, State]:
    """Return the training, at its last checkpoint where there is one."""
    subjects = list_subjects(side_table)
    check_subjects(subjects)
    dev = dev_trials(trials, side_table)
    device = choose_device(params.device)
    bf16 = use_bf16(params.precision, device)
    module = EmbeddingNetwork(
        architecture(params), features(params, packed.sample_rate), params.seed
    )
    if init is not None:
        transfer(module, init, architecture(params), features(params, packed.sample_rate))
    losses = build_losses(params.losses, torch.from_numpy(subjects.groups), params.dim, params.seed)
    module.to(device)
    losses.to(device)
    about = effective(params) | {"device": device.type, "bf16": bf16}
    store = Store(Path(params.work_dir) / training_key(packed, side_table, trials, about, init))
    optimiser = torch.optim.AdamW(
        [*module.parameters(), *losses.parameters()],
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
    )
    augment = build_augment(params.augment)
    run = Training(
        packed, side_table, subjects, dev, params, module, losses, optimiser, augment,
        device, bf16, store,
    )  # fmt: skip
    log.info(
        "%d subjects in train, %d sides in dev, %s%s",
        len(subjects.ids), len(dev.rows), device, ", bf16" if bf16 else "",
    )  # fmt: skip
    return run, restore(run)


def check_subjects(subjects: Subjects) -> None:
    """Raise ValueError where there is nobody to tell apart."""
    if len(subjects.ids) < 2:
        raise ValueError(
            f"train has {len(subjects.ids)} known subject(s) and needs at least 2: "
            "lower split.dev_share and split.test_share, or add recordings"
        )
    if len(set(subjects.groups.tolist())) < 2:
        raise ValueError(
            "the subjects in train are all of one group, and no two of a group are set against "
            "each other: add recordings of another group"
        )


def architecture(params: TrainEmbeddingParams) -> dict[str, Any]:
    """Return what `build_body` needs."""
    return {
        "name": "ecapa",
        "n_mels": params.n_mels,
        "channels": params.channels,
        "depth": params.depth,
        "dim": params.dim,
    }


def features(params: TrainEmbeddingParams, sample_rate: int) -> dict[str, Any]:
    """Return what `front_end` needs."""
    return {
        "name": params.front_end,
        "sample_rate": sample_rate,
        "n_mels": params.n_mels,
        "mean_over": params.mean_over,
    }


def effective(params: TrainEmbeddingParams) -> dict[str, Any]:
    """Return the parameters that change what a training ends with."""
    return {name: value for name, value in asdict(params).items() if name not in OF_NO_EFFECT}


def transfer(
    module: EmbeddingNetwork, init: Encoder, expected: dict[str, Any], heard: dict[str, Any]
) -> None:
    """Load the weights of another encoder; ValueError that names both where they do not fit."""
    for kind, theirs, ours in (
        ("architecture", init.architecture, expected),
        ("front end", init.front_end, heard),
    ):
        if theirs != ours:
            raise ValueError(
                f"init_from has the {kind} {theirs}, train_embedding asks for {ours}: "
                "make the two equal"
            )
    result = module.body.load_state_dict(init.state, strict=False)
    log.info(
        "transfer: %d weights matched, missing: %s, unexpected: %s",
        len(init.state) - len(result.unexpected_keys),
        ", ".join(result.missing_keys) or "none",
        ", ".join(result.unexpected_keys) or "none",
    )


def record(
    params: TrainEmbeddingParams, run: Training, state: State, init: Encoder | None
) -> dict[str, Any]:
    """Return what the encoder says of its training; equal for equal runs, so without times."""
    chosen = state.history[state.best_epoch - 1]
    return {
        "seed": params.seed,
        "epochs": params.epochs,
        "chosen_epoch": state.best_epoch,
        "steps": int(chosen["step"]),
        "dev_eer": chosen["dev_eer"],
        "dev_auc": chosen["dev_auc"],
        "losses": {k: v for k, v in chosen.items() if k.startswith("loss")},
        "parameters": effective(params),
        "device": run.device.type,
        "precision": "bf16" if run.bf16 else "float32",
        "n_subjects": len(run.subjects.ids),
        "init_sha256": None if init is None else state_sha256(init.state),
    }
