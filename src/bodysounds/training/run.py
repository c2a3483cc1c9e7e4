"""A training: what it learns from, what changes, and how long it goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bodysounds.audio.augment import Augment
from bodysounds.audio.packed import Packed
from bodysounds.losses.build import WeightedLosses
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.training.checkpoints import Store
from bodysounds.training.dev import DevTrials
from bodysounds.training.ranks import Ranks
from bodysounds.training.sampler import Batch, plan_epoch
from bodysounds.training.speeds import draw_speeds
from bodysounds.training.subjects import Sources


@dataclass(frozen=True)
class Course:
    """How long a training is, and what its learning rate follows."""

    n_steps: int
    """Steps that the schedule is laid out for."""
    end_step: int
    """Steps that are taken."""
    stretch: float = 1.0
    """Steps of an epoch against those of the training that the schedule was written for."""
    figures: tuple[float, ...] | None = None
    """What an earlier training's epochs were judged by, followed instead of this one's own."""
    keep: tuple[int, ...] | None = None
    """Epochs, counted from 1, whose weights are kept; None keeps the best."""


@dataclass(frozen=True)
class Training:
    """All that a training needs; only weights, optimiser and `State` change."""

    packed: Packed
    side_table: SideTable
    """What dev's trials compare."""
    sources: Sources
    dev: DevTrials | None
    """None where dev teaches too, so that nothing is chosen."""
    params: TrainEmbeddingParams
    module: EmbeddingNetwork
    losses: WeightedLosses
    optimiser: torch.optim.Optimizer
    augment: Augment
    device: torch.device
    bf16: bool
    store: Store
    course: Course
    resident: Tensor | None = None
    """All samples on the device, int16 (n,), where they fit; None reads crops from the host's."""
    ranks: Ranks = field(default_factory=Ranks)
    """The processes that share it, and which of them this one is."""

    def plan(self, epoch: int) -> list[Batch]:
        """Return the batches of an epoch, counted from 0."""
        return planner(self.sources, self.params, self.packed.sample_rate)(epoch)


def planner(
    sources: Sources, params: TrainEmbeddingParams, sample_rate: int
) -> Callable[[int], list[Batch]]:
    """Return the function from an epoch, counted from 0, to its batches."""
    p = params

    def plan(epoch: int) -> list[Batch]:
        rng = np.random.default_rng([p.seed, epoch])
        batches = plan_epoch(
            sources.train, p.subjects_per_batch, p.crops_per_subject, p.crop_s, sample_rate,
            p.passes_per_epoch, rng, p.defects,
        )  # fmt: skip
        return [draw_speeds(batch, p.speeds, rng) for batch in batches]

    return plan


def count_steps(
    plan: Callable[[int], list[Batch]], epochs: int, audio_budget_s: float | None, sample_rate: int
) -> int:
    """Return the steps of so many epochs, or up to the one that reaches the audio budget."""
    if audio_budget_s is None:
        return epochs * len(plan(0))
    left, steps = audio_budget_s * sample_rate, 0
    for epoch in range(epochs):
        for batch in plan(epoch):
            left -= int(batch.lengths.sum())
            steps += 1
            if left <= 0:
                return steps
    return steps


def n_epochs(run: Training) -> int:
    """Return the epochs of a training; the last may be cut short."""
    return math.ceil(run.course.end_step / len(run.plan(0)))
