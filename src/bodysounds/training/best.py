"""The best epochs, the mean of their weights, and which of them is handed over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bodysounds.params import TrainEmbeddingParams
from bodysounds.training.checkpoints import weights_of
from bodysounds.training.dev import dev_rates
from bodysounds.training.run import Training
from bodysounds.training.state import State

log = logging.getLogger(__name__)

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Choice:
    """The weights that are handed over."""

    weights: Weights
    """On the CPU."""
    epochs: tuple[int, ...]
    """The epoch that they are of, or those that they are the mean of, best first."""
    dev_eer: float
    dev_auc: float


def best_epochs(history: Sequence[dict[str, float]], params: TrainEmbeddingParams) -> list[int]:
    """Return the best epochs, counted from 1, best first; at most `keep_best`.

    Lower dev EER first, then higher AUC, then the earlier epoch; by the validation loss with the
    defect `choose_by_loss`.
    """
    by_loss = "choose_by_loss" in params.defects

    def rank(number: int) -> tuple[float, ...]:
        row = history[number - 1]
        judged = (row["validation_loss"],) if by_loss else (row["dev_eer"], -row["dev_auc"])
        return (*judged, number)

    return sorted(range(1, len(history) + 1), key=rank)[: params.keep_best]


def choose(run: Training, state: State) -> Choice:
    """Return the best epoch's weights or the mean of the best, as `average_best` says.

    With `auto` the mean is taken where its dev EER is lower, or its AUC higher at the same EER.
    """
    row = state.history[state.kept[0] - 1]
    single = Choice(
        kept_weights(run, state.kept[0]), (state.kept[0],), row["dev_eer"], row["dev_auc"]
    )
    if not run.params.average_best or len(state.kept) < 2 or run.dev is None:
        return single
    weights = average([kept_weights(run, epoch) for epoch in state.kept])
    run.module.body.load_state_dict(weights)
    dev_eer, dev_auc = dev_rates(run.module, run.packed, run.side_table, run.dev)
    mean = Choice(weights, tuple(state.kept), dev_eer, dev_auc)
    better = (mean.dev_eer, -mean.dev_auc) < (single.dev_eer, -single.dev_auc)
    taken = mean if better or run.params.average_best is True else single
    log.info(
        "dev EER %.1f%% of the best epoch, %.1f%% of the mean of %d: %s is handed over",
        100 * single.dev_eer, 100 * mean.dev_eer, len(state.kept),
        "the mean" if taken is mean else "the best",
    )  # fmt: skip
    return taken


def kept_weights(run: Training, epoch: int) -> Weights:
    """Return the weights of an epoch that were kept, on the CPU."""
    content = run.store.read(weights_of(epoch))
    if content is None:
        raise ValueError(
            f"the weights of epoch {epoch} are gone from {run.store.folder}: run the training "
            "again, and let nothing else empty the folder meanwhile"
        )
    weights: Weights = content["body"]
    return weights


def average(states: Sequence[Weights]) -> Weights:
    """Return the mean of each weight, running statistics included; counts are the first's."""
    mean = {}
    for name, first in states[0].items():
        if not first.is_floating_point():
            mean[name] = first.clone()
            continue
        total = torch.stack([state[name].double() for state in states]).mean(dim=0)
        mean[name] = total.to(first.dtype)
    return mean
