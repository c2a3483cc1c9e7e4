"""Train a closed-set classifier: set up, epochs, choice, hand over."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bodysounds.audio.packed import Packed
from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import detached
from bodysounds.params.train_base import TrainBaseParams
from bodysounds.params.train_respiratory import TrainRespiratoryParams
from bodysounds.training.checkpoints import weights_of
from bodysounds.training.classifier_setup import ClassifierTraining, effective, set_up
from bodysounds.training.classifier_start import start_of
from bodysounds.training.classifier_step import (
    check_finite,
    dev_figures,
    hear_once,
    train_mode,
    train_step,
)
from bodysounds.training.display import TrainingBar
from bodysounds.training.resume import restore_parts, save_parts
from bodysounds.training.state import State
from bodysounds.types import Table

log = logging.getLogger(__name__)

HISTORY = (
    "epoch", "step", "loss", "loss_cross_entropy", "loss_contrastive_center", "train_accuracy",
    "dev_accuracy", "dev_balanced_accuracy", "dev_loss", "learning_rate", "center_learning_rate",
    "seconds", "items_per_second", "chosen",
)  # fmt: skip


def train_classifier(
    packed: Packed,
    examples: Table,
    params: TrainBaseParams,
    init: Encoder | None = None,
) -> tuple[Classifier, Table]:
    """Return the classifier of the epoch that dev chose, and a row an epoch.

    A run that was killed goes on from its last checkpoint in `params.work_dir` and, on a CPU, ends
    with the same bytes; anything else than equal parameters, data and code starts anew.

    Parameters
    ----------
    examples : Table
        segment_id, label (str), subset. train teaches and its labels are the classes; dev chooses
        the epoch as `params.choose` says, the earlier of equals; test is not heard.
    params : TrainClassifierParams, TrainYamnetParams or TrainWav2vec2Params
        Which of them it is says the network.
    init : Encoder, optional
        Weights to start from, all of which must fit; `start_of(params)` where None.

    Returns
    -------
    classifier : Classifier
    history : Table
        epoch and step (counted from 1); loss, the sum that is minimised; loss_cross_entropy and
        loss_contrastive_center, before its weight; train_accuracy, while learning, on changed
        crops; dev_accuracy, dev_balanced_accuracy (the mean recall of the classes) and dev_loss
        (cross-entropy), on the start of each recording; learning_rate (of the top stage),
        center_learning_rate; seconds, items_per_second; chosen. What belongs to the
        contrastive-center loss is NaN where it is left out.

    Raises ValueError for fewer than two classes, no dev, an init that does not fit, and a loss that
    is not finite.
    """
    if init is None:
        init = start_of(params)
    run, state = trained(packed, examples, params, init)
    made = chosen(run, state)
    run.store.clear()
    return made, table(state)


def trained(
    packed: Packed, examples: Table, params: TrainBaseParams, init: Encoder | None
) -> tuple[ClassifierTraining, State]:
    """Return a training that is over; its store still holds what it ends with."""
    run = hear_once(set_up(packed, examples, params, init))
    state = restore(run)
    fit(run, state)
    return run, state


def chosen(run: ClassifierTraining, state: State) -> Classifier:
    """Return the classifier of the chosen epoch."""
    best = state.kept[0]
    weights = run.store.read(weights_of(best))
    if weights is None:
        raise ValueError(
            f"the weights of epoch {best} are gone from {run.store.folder}: run the training "
            "again, and let nothing else empty the folder meanwhile"
        )
    training = record(run, state)
    encoder = Encoder(weights["body"], run.architecture, run.front_end, training)
    return Classifier(encoder, weights["head"], run.labels, training)


def fit(run: ClassifierTraining, state: State) -> None:
    """Train from where `state` stands to the last step."""
    n_epochs = -(-run.n_steps // len(run.plan(0)))
    with TrainingBar(run.n_steps, n_epochs) as bar:
        while not is_over(state, n_epochs, run.params.patience):
            train_epoch(run, state, bar)
            close_epoch(run, state, n_epochs)
            over = is_over(state, n_epochs, run.params.patience)
            if over or state.step - state.saved >= run.params.checkpoint_every:
                save(run, state)
    if state.epoch < n_epochs:
        log.info("dev's loss was not lower for %d epochs: training ends", run.params.patience)


def is_over(state: State, n_epochs: int, patience: int | None) -> bool:
    """Return whether all epochs are done, or dev's loss was not lower for `patience` of them."""
    if state.epoch >= n_epochs or patience is None or not state.history:
        return state.epoch >= n_epochs
    losses = [row["dev_loss"] for row in state.history]
    return len(losses) - 1 - losses.index(min(losses)) >= patience


def train_epoch(run: ClassifierTraining, state: State, bar: TrainingBar) -> None:
    """Take the steps that are left of the epoch under way."""
    plan = run.plan(state.epoch)
    plan = plan[: run.n_steps - (state.step - state.batch)]
    train_mode(run, state.epoch)
    dev = state.history[-1].get("dev_accuracy") if state.history else None
    while state.batch < len(plan):
        begin = time.perf_counter()
        batch = plan[state.batch]
        figures = train_step(run, batch, state)
        n_samples = run.params.views * len(batch) * run.n_samples
        state.add(figures, len(batch), n_samples, time.perf_counter() - begin)
        bar.show(state.step, state.epoch + 1, figures["loss"], None, dev)
        due = state.step - state.saved >= run.params.checkpoint_every
        if due and state.batch < len(plan):
            save(run, state)


def close_epoch(run: ClassifierTraining, state: State, n_epochs: int) -> None:
    """Close the epoch: its means, what dev says, and its weights where they are the best."""
    dev = dev_figures(run)
    check_finite(run, dev["dev_loss"], state)
    row = {"epoch": state.epoch + 1, "step": state.step, **state.means(), **dev}
    row["learning_rate"] = max(float(group["lr"]) for group in run.optimiser.param_groups)
    if run.center_optimiser is not None:
        row["center_learning_rate"] = float(run.center_optimiser.param_groups[0]["lr"])
    row |= {"seconds": state.seconds, "items_per_second": state.items / state.seconds}
    log.info("epoch %d of %d: %s", row["epoch"], n_epochs, told(row))
    state.close_epoch(row)
    state.kept = [best_epoch(state.history, choice(run))]
    if state.epoch in state.kept:
        weights = {"body": detached(run.module.body), "head": detached(run.head)}
        run.store.write(weights_of(state.epoch), weights)


def told(row: dict[str, float]) -> str:
    """Return the figures of an epoch in words."""
    words = [
        f"{word} {row[name]:{how}}"
        for name, word, how in (
            ("loss_cross_entropy", "cross-entropy", ".4f"),
            ("loss_contrastive_center", "contrastive-center", ".2e"),
            ("loss_contrastive", "contrastive", ".4f"),
            ("loss_metadata", "metadata", ".4f"),
        )
        if name in row
    ]
    if "train_accuracy" in row:
        words.append(f"accuracy {100 * row['train_accuracy']:.1f}% in train")
        words.append(f"{100 * row['dev_accuracy']:.1f}% in dev")
    return ", ".join([*words, f"{row['items_per_second']:.0f} examples a second"])


def choice(run: ClassifierTraining) -> str:
    """Return what chooses the epoch: a figure of dev, or `last`."""
    if run.alone:
        assert isinstance(run.params, TrainRespiratoryParams)
        return run.params.choose_contrastive
    return run.params.choose


def best_epoch(history: list[dict[str, float]], choose: str) -> int:
    """Return the epoch, counted from 1, of the highest dev figure, then the lowest dev loss.

    `choose` names the figure, or is `last`.
    """
    if choose == "last":
        return len(history)
    keys = [(0.0 if choose == "dev_loss" else -row[choose], row["dev_loss"]) for row in history]
    return keys.index(min(keys)) + 1


def save(run: ClassifierTraining, state: State) -> None:
    """Write a checkpoint, and remove the weights that it no longer names."""
    save_parts(run.store, state, _parts(run))


def restore(run: ClassifierTraining) -> State:
    """Return the state of the last checkpoint, its weights loaded, or a new one."""
    return restore_parts(run.store, _parts(run))


def _parts(run: ClassifierTraining) -> dict[str, Any]:
    parts = {
        "body": run.module.body,
        "head": run.head,
        "optimiser": run.optimiser,
        "projections": run.projections,
        "centers": run.centers,
        "center_optimiser": run.center_optimiser,
    }
    return {name: part for name, part in parts.items() if part is not None}


def table(state: State, columns: Sequence[str] = HISTORY) -> Table:
    """Return a row an epoch."""
    history = pd.DataFrame(state.history)
    history["chosen"] = history["epoch"].isin(state.kept)
    return history.reindex(columns=list(columns)).astype({"epoch": "int64", "step": "int64"})


def record(run: ClassifierTraining, state: State) -> dict[str, Any]:
    """Return what the classifier says of its training; equal for equal runs, so without times."""
    row = state.history[state.kept[0] - 1]
    return {
        "seed": run.params.seed,
        "epochs": len(state.history),
        "chosen_epoch": state.kept[0],
        "steps": int(row["step"]),
        "audio_s": state.heard / run.packed.sample_rate,
        **{name: value for name, value in row.items() if name.startswith("dev_")},
        "losses": {name: value for name, value in row.items() if name.startswith("loss")},
        "parameters": effective(run.params),
        "device": run.device.type,
        "precision": "bf16" if run.bf16 else "float32",
        "n_classes": len(run.labels),
        "n_train": len(run.train.labels),
        "n_dev": len(run.dev.labels),
        "init": run.started,
    }
