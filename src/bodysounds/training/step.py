"""One batch, and one step; every draw follows from (seed, epoch, step) alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.training.crops import read_crops
from bodysounds.training.fine_tuning import keep_statistics
from bodysounds.training.run import Training
from bodysounds.training.sampler import Batch
from bodysounds.training.schedule import learning_rate
from bodysounds.training.setup import architecture
from bodysounds.training.speeds import at_speeds, class_groups, n_read
from bodysounds.training.state import State
from bodysounds.training.subjects import Subjects


def train_mode(run: Training) -> None:
    """Let the network learn; its batch norms too, but for what is frozen.

    That is the stages of `freeze`, and all of them with the defect `frozen_batch_norm`.
    """
    run.module.train()
    run.losses.train()
    keep_statistics(run.module, architecture(run.params), run.params.freeze)
    if "frozen_batch_norm" in run.params.defects:
        for part in run.module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()


def read_waveforms(run: Training, batch: Batch, rng: np.random.Generator) -> Tensor:
    """Return the crops of a batch on the device, float32 (n_crops, longest) in [-1, 1)."""
    wanted = batch
    if batch.speeds is not None:
        wanted = replace(batch, lengths=n_read(batch.lengths, batch.speeds))
    crops = read_crops(run.packed.samples, run.sources.sides, wanted, rng)
    waveforms = torch.from_numpy(crops).to(run.device).float() / 32768.0
    if batch.speeds is None:
        return waveforms
    return at_speeds(waveforms, batch.speeds, int(batch.lengths.max()))


def judge(
    run: Training, features: Tensor, batch: Batch, subjects: Subjects
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch of features, and its parts."""
    labels = torch.from_numpy(batch.labels).to(run.device)
    of_classes = class_groups(subjects.groups, len(run.params.speeds))
    groups = torch.from_numpy(of_classes[batch.labels]).to(run.device)
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.bf16):
        embeddings = run.module.embed(features)
    embeddings = embeddings.float()
    if run.params.unit_length:
        embeddings = functional.normalize(embeddings)
    loss, parts = run.losses(embeddings, labels, groups)
    return loss, parts


def train_step(run: Training, batch: Batch, state: State) -> dict[str, float]:
    """Take one step and return its losses; ValueError where they are not finite."""
    params = run.params
    rng = np.random.default_rng([params.seed, state.epoch, state.batch])
    waveforms = read_waveforms(run, batch, rng)
    seed = np.random.SeedSequence([params.seed, state.step]).generate_state(1, np.uint32)[0]
    generator = torch.Generator(run.device).manual_seed(int(seed))

    with torch.no_grad():
        waveforms = run.augment.waveforms(waveforms, generator)
        features = run.augment.features(run.module.features(waveforms), generator)
    run.losses.set_progress(state.step / run.course.n_steps)
    loss, parts = judge(run, features, batch, run.sources.train)
    if not bool(torch.isfinite(loss)):
        raise ValueError(
            f"the loss is {loss.item()} at epoch {state.epoch + 1}, step {state.step + 1}: "
            f"lower train_embedding.learning_rate ({params.learning_rate:g})"
        )
    for group in run.optimiser.param_groups:
        group["lr"] = group["share"] * rate(run, state)
    run.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    if params.clip_norm is not None:
        weights = [weight for group in run.optimiser.param_groups for weight in group["params"]]
        nn.utils.clip_grad_norm_(weights, params.clip_norm)
    run.optimiser.step()
    return {name: float(value) for name, value in ({"loss": loss.detach()} | parts).items()}


def rate(run: Training, state: State) -> float:
    """Return the learning rate of the step to come."""
    course = run.course
    figures = course.figures
    if figures is None:
        figures = tuple(map(followed, state.history))
    return learning_rate(
        run.params.schedule[0],
        state.step,
        course.n_steps,
        run.params.learning_rate,
        figures[: state.epoch],
        course.stretch,
    )


def followed(row: dict[str, float]) -> float:
    """Return what the learning rate follows: the validation loss, or dev's EER without one."""
    return row["validation_loss"] if "validation_loss" in row else row["dev_eer"]
