"""The loop: epochs, dev scoring, checkpoints."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import Any

from bodysounds.models.network import detached
from bodysounds.scoring.embed_batches import check_finite
from bodysounds.training.best import best_epochs
from bodysounds.training.checkpoints import weights_of
from bodysounds.training.dev import dev_rates
from bodysounds.training.display import TrainingBar
from bodysounds.training.meter import Meter
from bodysounds.training.prefetch import prefetch
from bodysounds.training.resume import restore_parts, save_parts
from bodysounds.training.run import Training, n_epochs
from bodysounds.training.state import State
from bodysounds.training.step import Loaded, crop_draws, load, train_mode, train_step
from bodysounds.training.validation import validate

log = logging.getLogger(__name__)


def fit(run: Training, state: State) -> None:
    """Train from where `state` stands to the last step.

    Of several processes each calls it; the first one judges and writes, and the others follow.
    """
    epochs = n_epochs(run)
    with TrainingBar(run.course.end_step, epochs, shown=run.ranks.first) as bar:
        while state.epoch < epochs:
            train_epoch(run, state, bar)
            close_epoch(run, state, epochs)
            if state.epoch == epochs or state.step - state.saved >= run.params.checkpoint_every:
                save(run, state)


def train_epoch(run: Training, state: State, bar: TrainingBar) -> None:
    """Take the steps that are left of the epoch; ValueError for a loss that is not finite."""
    plan = run.plan(state.epoch)
    plan = plan[: run.course.end_step - (state.step - state.batch)]
    train_mode(run)
    dev_eer = state.history[-1].get("dev_eer") if state.history else None
    epoch, meter = state.epoch, Meter(run.device)

    def read(number: int) -> Loaded:
        own = run.ranks.part(len(plan[number].rows))
        return load(run, plan[number], crop_draws(run, epoch, number), own)

    begin = time.perf_counter()
    with closing(prefetch(read, range(state.batch, len(plan)))) as batches:
        for loaded in batches:
            waited = time.perf_counter() - begin
            meter.add(train_step(run, loaded, state), len(loaded.batch.rows))
            due = state.step + 1 - state.saved >= run.params.checkpoint_every
            last = state.batch + 1 == len(plan)
            if due or last or meter.is_full:
                meter.read(run, state)
            now = time.perf_counter()
            n_samples = int(loaded.batch.lengths.sum())
            state.count(len(loaded.batch.rows), n_samples, now - begin, waited)
            bar.show(state.step, epoch + 1, meter.loss, dev_eer)
            if due and not last:
                save(run, state)
            begin = time.perf_counter()


def close_epoch(run: Training, state: State, epochs: int) -> None:
    """Close the epoch: its means, what validation and dev say, and its weights where kept.

    Raises ValueError for weights that are not finite: the loss need not tell.
    """
    check_finite(run.module)
    row = run.ranks.share(judged(run, state, epochs) if run.ranks.first else {})
    state.close_epoch(row)
    if run.course.keep is None:
        state.kept = best_epochs(state.history, run.params)
    else:
        state.kept = [epoch for epoch in run.course.keep if epoch <= state.epoch]
    if run.ranks.first and state.epoch in state.kept:
        run.store.write(weights_of(state.epoch), {"body": detached(run.module.body)})


def judged(run: Training, state: State, epochs: int) -> dict[str, float]:
    """Return the row of the epoch that ends, and log it."""
    row: dict[str, float] = {"epoch": state.epoch + 1, "step": state.step, **state.means()}
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
    told = [f"loss {row['loss']:.4f}"]
    if "validation_loss" in row:
        told.append(f"validation loss {row['validation_loss']:.4f}")
    if "dev_eer" in row:
        told.append(f"dev EER {row['dev_eer']:.1%}")
    log.info(
        "epoch %d of %d: %s, %.0f crops a second, %.1f%% of the time waiting for samples",
        row["epoch"], epochs, ", ".join(told), row["items_per_second"],
        100 * state.waited / state.seconds,
    )  # fmt: skip
    return row


def save(run: Training, state: State) -> None:
    """Write a checkpoint, and remove the weights that it no longer names."""
    state.saved = state.step
    if run.ranks.first:
        save_parts(run.store, state, _parts(run))


def restore(run: Training, aloud: bool = True) -> State:
    """Return the state of the last checkpoint, its weights loaded, or a new one."""
    return restore_parts(run.store, _parts(run), aloud)


def _parts(run: Training) -> dict[str, Any]:
    return {"body": run.module.body, "losses": run.losses, "optimiser": run.optimiser}
