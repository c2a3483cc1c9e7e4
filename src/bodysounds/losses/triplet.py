"""Triplet loss with batch-hard mining (Hermans et al. 2017, arXiv 1703.07737)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def batch_hard_triplet(
    embeddings: Tensor, labels: Tensor, groups: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """Return the mean of max(0, margin + furthest positive - nearest negative) over the anchors.

    Distances are cosine distances, 1 - cosine, in [0, 2]: what trials are scored by.

    Parameters
    ----------
    embeddings : (batch, dim) float, of any length
    labels : (batch,) int64
        Subjects; a positive is another embedding of the anchor's subject.
    groups : (batch,) int64
        A negative is an embedding of another group than the anchor's.
    margin : float
        In cosine distance.

    Returns
    -------
    loss : scalar; zero, with zero gradients, where no anchor has a positive and a negative.
    active : scalar in [0, 1]
        Share of those anchors whose loss is above 0; 0 where there are none.
    """
    unit = functional.normalize(embeddings)
    distances = 1.0 - unit @ unit.T
    same = labels[:, None] == labels[None, :]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    negative = (groups[:, None] != groups[None, :]) & ~same
    anchors = positive.any(dim=1) & negative.any(dim=1)
    if not bool(anchors.any()):
        return unit.sum() * 0.0, unit.detach().sum() * 0.0
    furthest = distances.masked_fill(~positive, -torch.inf).amax(dim=1)[anchors]
    nearest = distances.masked_fill(~negative, torch.inf).amin(dim=1)[anchors]
    losses = (margin + furthest - nearest).clamp_min(0.0)
    return losses.mean(), (losses.detach() > 0).to(losses.dtype).mean()


class BatchHardTriplet(nn.Module):
    """Triplet loss with batch-hard mining, without weights of its own."""

    def __init__(self, margin: float = 0.3) -> None:
        super().__init__()
        if not 0 < margin <= 2:
            raise ValueError(f"triplet margin must lie in (0, 2] cosine distance, got {margin!r}")
        self.margin = margin

    def forward(
        self, embeddings: Tensor, labels: Tensor, groups: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and the share of anchors that still have one (`active`)."""
        loss, active = batch_hard_triplet(embeddings, labels, groups, self.margin)
        return loss, {"active": active}
