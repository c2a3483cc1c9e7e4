"""One batch, and one step; every draw follows from (seed, epoch, step) alone.

A batch is read (`load`, in a thread), heard (`hear`: augmentation and features, on the device),
judged (`judge`: embeddings and losses) and learnt from (`learn`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.draws import part_of
from bodysounds.training.crops import ALL, draw_windows, read_crops
from bodysounds.training.fine_tuning import keep_statistics
from bodysounds.training.ranks import sum_gradients
from bodysounds.training.resident import gather, pieces
from bodysounds.training.run import Training
from bodysounds.training.sampler import Batch
from bodysounds.training.schedule import learning_rate
from bodysounds.training.setup import architecture
from bodysounds.training.speeds import at_speeds, class_groups, n_read
from bodysounds.training.state import State
from bodysounds.training.subjects import Subjects


@dataclass(frozen=True)
class Loaded:
    """A batch with its samples, or where they lie, before it is on the device."""

    batch: Batch
    read: Batch
    """The same, as long as it is read: longer than it is heard where it is played faster."""
    content: Tensor
    """int16 (n_crops, longest); where the corpus is on the device, int64 (3, n_pieces)."""
    own: slice
    """Which crops these are, where several processes share the batch."""


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


def crop_draws(run: Training, epoch: int, number: int) -> np.random.Generator:
    """Return what draws the crops of a batch of an epoch, both counted from 0."""
    return np.random.default_rng([run.params.seed, epoch, number])


def load(run: Training, batch: Batch, rng: np.random.Generator, own: slice = ALL) -> Loaded:
    """Return a batch with its samples, drawn by `rng`; nothing of the run changes.

    Windows are drawn for all of it, and samples read of `own`.
    """
    read = batch
    if batch.speeds is not None:
        read = replace(batch, lengths=n_read(batch.lengths, batch.speeds))
    sides = run.sources.sides
    if run.resident is None:
        content = torch.from_numpy(read_crops(run.packed.samples, sides, read, rng, own))
    else:
        content = torch.from_numpy(pieces(draw_windows(sides, read, rng, own)))
    return Loaded(batch, read, content.pin_memory() if run.device.type == "cuda" else content, own)


def waveforms_of(run: Training, loaded: Loaded) -> Tensor:
    """Return the crops of a batch on the device, float32 (n_crops, longest) in [-1, 1).

    `n_crops` are the own ones; `longest` is that of the whole batch.
    """
    batch, read, own = loaded.batch, loaded.read, loaded.own
    crops = loaded.content.to(run.device, non_blocking=True)
    if run.resident is not None:
        n_crops, longest = len(read.rows[own]), int(read.lengths.max())
        crops = gather(run.resident, crops, n_crops, longest, int(read.lengths[own].sum()))
    waveforms = crops.float() / 32768.0
    if batch.speeds is None:
        return waveforms
    return at_speeds(waveforms, batch.speeds[own], int(batch.lengths.max()))


def hear(run: Training, loaded: Loaded, state: State) -> Tensor:
    """Return the features of a batch, changed at random, (n_crops, frames, n_mels) float32."""
    drawn = np.random.SeedSequence([run.params.seed, state.step]).generate_state(1, np.uint32)
    generator = torch.Generator(run.device).manual_seed(int(drawn[0]))
    draws = part_of(generator, len(loaded.batch.rows), loaded.own)
    with torch.no_grad():
        waveforms = run.augment.waveforms(waveforms_of(run, loaded), draws)
        return run.augment.features(run.module.features(waveforms), draws)


def embed(run: Training, features: Tensor) -> Tensor:
    """Return embeddings (n_crops, dim) float32, of unit length where the recipe asks for it."""
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.bf16):
        embeddings = run.module.embed(features)
    embeddings = embeddings.float()
    return functional.normalize(embeddings) if run.params.unit_length else embeddings


def judge(
    run: Training, features: Tensor, batch: Batch, subjects: Subjects
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a whole batch, and its parts.

    Of several processes that learn, `features` are of the own crops; one that validates does so
    alone.
    """
    embeddings = embed(run, features)
    if run.module.training:
        embeddings = run.ranks.gather(embeddings)
    of_classes = class_groups(subjects.groups, len(run.params.speeds))
    # small copies that the host does not wait for
    labels, groups = (
        torch.from_numpy(numbers).to(run.device, non_blocking=True)
        for numbers in (batch.labels, of_classes[batch.labels])
    )
    loss, parts = run.losses(embeddings, labels, groups)
    return loss, parts


def learn(run: Training, loss: Tensor, state: State) -> None:
    """Move the weights against the gradient of the loss."""
    for group in run.optimiser.param_groups:
        group["lr"] = group["share"] * rate(run, state)
    run.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    sum_gradients(run.ranks, run.module.parameters(), run.losses.parameters())
    if run.params.clip_norm is not None:
        weights = [weight for group in run.optimiser.param_groups for weight in group["params"]]
        nn.utils.clip_grad_norm_(weights, run.params.clip_norm, foreach=True)
    run.optimiser.step()


def train_step(run: Training, loaded: Loaded, state: State) -> dict[str, Tensor]:
    """Take one step and return its losses, on the device: the host waits for nothing.

    Of several processes each embeds its own crops, and all judge the embeddings of the whole batch.
    """
    run.ranks.begin(len(loaded.batch.rows))
    features = hear(run, loaded, state)
    run.losses.set_progress(state.step / run.course.n_steps)
    loss, parts = judge(run, features, loaded.batch, run.sources.train)
    learn(run, loss, state)
    return {"loss": loss.detach()} | parts


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
