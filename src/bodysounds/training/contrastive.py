"""The contrastive losses of a classifier's training: by its classes, and by groups of metadata."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bodysounds.losses.supcon import supcon
from bodysounds.params.train_base import TrainBaseParams
from bodysounds.params.train_respiratory import TrainRespiratoryParams

CLASSES, GROUPS = "loss_contrastive", "loss_metadata"


def build_projections(params: TrainBaseParams, dim: int) -> nn.ModuleDict | None:
    """Return what the contrastive losses compare, by the loss; None where there is none.

    Each is a linear layer of the embedding's size, ReLU, and a linear layer to `projection`.
    """
    if not isinstance(params, TrainRespiratoryParams) or not params.contrastive:
        return None
    names = [CLASSES] + ([GROUPS] if params.method == "mscl" else [])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(params.seed)
        return nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, params.projection)
                )
                for name in names
            }
        )


def contrastive_losses(
    params: TrainRespiratoryParams,
    projections: nn.ModuleDict,
    embeddings: Tensor,
    labels: Tensor,
    groups: Tensor,
) -> dict[str, Tensor]:
    """Return loss_contrastive, and loss_metadata where there is such a head, before their weights.

    Parameters
    ----------
    embeddings : (batch, dim) float32
        All views, one below the other.
    labels, groups : (batch,) int64
        An embedding of the group -1 is left out of loss_metadata: it has no positives there, and is
        no negative of any other.
    """
    parts = {CLASSES: supcon(projections[CLASSES](embeddings), labels, labels, params.temperature)}
    if GROUPS in projections:
        known = groups >= 0
        found, own = projections[GROUPS](embeddings)[known], groups[known]
        alone = found.sum()  # of none, a 0 with gradients
        parts[GROUPS] = supcon(found, own, own, params.temperature) if len(own) else alone
    return parts


def contrastive_sum(params: TrainRespiratoryParams, parts: dict[str, Tensor]) -> Tensor:
    """Return the sum of the contrastive losses, weighted.

    With a head for the metadata, lambda L_class + (1 - lambda) L_metadata, the multi-head loss of
    Moummad and Farrugia 2022 (arXiv 2210.16192), of which `metadata_weight` is 1 - lambda; their
    figure has lambda 0.75. Without one, L_class.
    """
    if GROUPS not in parts:
        return parts[CLASSES]
    weight = params.metadata_weight
    return (1.0 - weight) * parts[CLASSES] + weight * parts[GROUPS]
