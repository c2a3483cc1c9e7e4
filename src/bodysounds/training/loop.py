"""The loop: epochs, dev scoring, checkpoints."""

from __future__ import annotations

import logging
import time
from typing import Any

from bodysounds.models.network import detached
from bodysounds.training.best import best_epochs
from bodysounds.training.checkpoints import weights_of
from bodysounds.training.dev import dev_rates
from bodysounds.training.display import TrainingBar
from bodysounds.training.resume import restore_parts, save_parts
from bodysounds.training.run import Training, n_epochs
from bodysounds.training.state import State
from bodysounds.training.step import train_mode, train_step
from bodysounds.training.validation import validate

log = logging.getLogger(__name__)


def fit(run: Training, state: State) -> None:
    """Train from where `state` stands to the last step."""
    epochs = n_epochs(run)
    with TrainingBar(run.course.end_step, epochs) as bar:
        while state.epoch < epochs:
            train_epoch(run, state, bar)
            close_epoch(run, state, epochs)
            if state.epoch == epochs or state.step - state.saved >= run.params.checkpoint_every:
                save(run, state)


def train_epoch(run: Training, state: State, bar: TrainingBar) -> None:
    """Take the steps that are left of the epoch under way."""
    plan = run.plan(state.epoch)
    plan = plan[: run.course.end_step - (state.step - state.batch)]
    train_mode(run)
    dev_eer = state.history[-1].get("dev_eer") if state.history else None
    while state.batch < len(plan):
        begin = time.perf_counter()
        batch = plan[state.batch]
        figures = train_step(run, batch, state)
        n_samples = int(batch.lengths.sum())
        state.add(figures, len(batch.rows), n_samples, time.perf_counter() - begin)
        bar.show(state.step, state.epoch + 1, figures["loss"], dev_eer)
        due = state.step - state.saved >= run.params.checkpoint_every
        if due and state.batch < len(plan):
            save(run, state)


def close_epoch(run: Training, state: State, epochs: int) -> None:
    """Close the epoch: its means, what validation and dev say, and its weights where kept."""
    row = {"epoch": state.epoch + 1, "step": state.step, **state.means()}
    row |= validate(run, state.epoch, state.step)
    if run.dev is not None:
        dev_eer, dev_auc = dev_rates(run.module, run.packed, run.side_table, run.dev)
        row |= {"dev_eer": dev_eer, "dev_auc": dev_auc}
    row |= {
        "learning_rate": max(float(group["lr"]) for group in run.optimiser.param_groups),
        "audio_s": state.heard / run.packed.sample_rate,
        "seconds": state.seconds,
        "items_per_second": state.items / state.seconds,
    }
    told = [
        f"{words} {row[name]:.4f}"
        for words, name in (
            ("loss", "loss"), ("validation loss", "validation_loss"), ("dev EER", "dev_eer"),
        )
        if name in row
    ]  # fmt: skip
    log.info(
        "epoch %d of %d: %s, %.0f crops a second",
        row["epoch"], epochs, ", ".join(told), row["items_per_second"],
    )  # fmt: skip
    state.close_epoch(row)
    if run.course.keep is None:
        state.kept = best_epochs(state.history, run.params)
    else:
        state.kept = [epoch for epoch in run.course.keep if epoch <= state.epoch]
    if state.epoch in state.kept:
        run.store.write(weights_of(state.epoch), {"body": detached(run.module.body)})


def save(run: Training, state: State) -> None:
    """Write a checkpoint, and remove the weights that it no longer names."""
    save_parts(run.store, state, _parts(run))


def restore(run: Training) -> State:
    """Return the state of the last checkpoint, its weights loaded, or a new one."""
    return restore_parts(run.store, _parts(run))


def _parts(run: Training) -> dict[str, Any]:
    return {"body": run.module.body, "losses": run.losses, "optimiser": run.optimiser}
