"""The loop: steps, dev scoring, checkpoints. Every draw follows from (seed, epoch, step) alone."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from bodysounds.audio.augment import Augment
from bodysounds.audio.packed import Packed
from bodysounds.losses.build import WeightedLosses
from bodysounds.models.network import EmbeddingNetwork, detached
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.training.checkpoints import Store
from bodysounds.training.dev import DevTrials, dev_rates
from bodysounds.training.display import TrainingBar
from bodysounds.training.sampler import Batch, Subjects, plan_epoch, read_crops
from bodysounds.training.schedule import warmup_cosine
from bodysounds.training.state import State

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """All that a training needs; only weights, optimiser and `State` change."""

    packed: Packed
    side_table: SideTable
    subjects: Subjects
    dev: DevTrials
    params: TrainEmbeddingParams
    module: EmbeddingNetwork
    losses: WeightedLosses
    optimiser: torch.optim.Optimizer
    augment: Augment
    device: torch.device
    bf16: bool
    store: Store

    def plan(self, epoch: int) -> list[Batch]:
        """Return the batches of an epoch."""
        p = self.params
        return plan_epoch(
            self.subjects,
            p.subjects_per_batch,
            p.crops_per_subject,
            p.crop_s,
            self.packed.sample_rate,
            p.passes_per_epoch,
            np.random.default_rng([p.seed, epoch]),
        )


def fit(run: Training, state: State) -> None:
    """Train from where `state` stands to the last epoch."""
    n_epochs = run.params.epochs
    n_steps = n_epochs * len(run.plan(0))
    with TrainingBar(n_steps, n_epochs) as bar:
        while state.epoch < n_epochs:
            train_epoch(run, state, n_steps, bar)
            save(run, state)
            score_epoch(run, state)
            save(run, state)


def train_epoch(run: Training, state: State, n_steps: int, bar: TrainingBar) -> None:
    """Take the steps that are left of the epoch under way."""
    plan = run.plan(state.epoch)
    run.module.train()
    dev_eer = state.history[-1]["dev_eer"] if state.history else None
    while state.batch < len(plan):
        begin = time.perf_counter()
        batch = plan[state.batch]
        figures = train_step(run, batch, state, n_steps)
        state.add(figures, len(batch.rows), time.perf_counter() - begin)
        bar.show(state.step, state.epoch + 1, figures["loss"], dev_eer)
        if state.step % run.params.checkpoint_every == 0 and state.batch < len(plan):
            save(run, state)


def train_step(run: Training, batch: Batch, state: State, n_steps: int) -> dict[str, float]:
    """Take one step and return its losses; ValueError where they are not finite."""
    params = run.params
    rng = np.random.default_rng([params.seed, state.epoch, state.batch])
    crops = read_crops(run.packed.samples, run.side_table, batch, rng)
    waveforms = torch.from_numpy(crops).to(run.device).float() / 32768.0
    labels = torch.from_numpy(batch.labels).to(run.device)
    groups = torch.from_numpy(run.subjects.groups[batch.labels]).to(run.device)
    seed = np.random.SeedSequence([params.seed, state.step]).generate_state(1, np.uint32)[0]
    generator = torch.Generator(run.device).manual_seed(int(seed))

    with torch.no_grad():
        waveforms = run.augment.waveforms(waveforms, generator)
        features = run.augment.features(run.module.features(waveforms), generator)
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.bf16):
        embeddings = run.module.embed(features)
    loss, parts = run.losses(embeddings.float(), labels, groups)
    if not bool(torch.isfinite(loss)):
        raise ValueError(
            f"the loss is {loss.item()} at epoch {state.epoch + 1}, step {state.step + 1}: "
            f"lower train_embedding.learning_rate ({params.learning_rate:g})"
        )
    for group in run.optimiser.param_groups:
        group["lr"] = warmup_cosine(state.step, n_steps, params.learning_rate, params.warmup_share)
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    weights = [weight for group in run.optimiser.param_groups for weight in group["params"]]
    nn.utils.clip_grad_norm_(weights, params.clip_norm)
    run.optimiser.step()
    return {name: float(value) for name, value in ({"loss": loss.detach()} | parts).items()}


def score_epoch(run: Training, state: State) -> None:
    """Close the epoch: its means, what dev says, and its weights where they are the best."""
    dev_eer, dev_auc = dev_rates(run.module, run.packed, run.side_table, run.dev)
    row = {
        "epoch": state.epoch + 1,
        "step": state.step,
        **state.means(),
        "dev_eer": dev_eer,
        "dev_auc": dev_auc,
        "learning_rate": float(run.optimiser.param_groups[0]["lr"]),
        "seconds": state.seconds,
        "items_per_second": state.items / state.seconds,
    }
    log.info(
        "epoch %d of %d: loss %.4f, dev EER %.2f%%, %.0f crops a second",
        row["epoch"],
        run.params.epochs,
        row["loss"],
        100 * dev_eer,
        row["items_per_second"],
    )
    state.close_epoch(row, detached(run.module.body))


def save(run: Training, state: State) -> None:
    """Write a checkpoint."""
    run.store.write(
        {
            "state": state.to_dict(),
            "body": run.module.body.state_dict(),
            "losses": run.losses.state_dict(),
            "optimiser": run.optimiser.state_dict(),
        }
    )


def restore(run: Training) -> State:
    """Return the state of the last checkpoint, its weights loaded, or a new one."""
    content = run.store.read()
    if content is None:
        return State()
    run.module.body.load_state_dict(content["body"])
    run.losses.load_state_dict(content["losses"])
    run.optimiser.load_state_dict(content["optimiser"])
    state = State.from_dict(content["state"])
    log.info("resumed after epoch %d, batch %d", state.epoch, state.batch)
    return state
