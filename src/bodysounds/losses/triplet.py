"""Triplet loss (Hermans et al. 2017, arXiv 1703.07737), with a choice of mining and distance."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.losses.mining import hardest, mine_triplets
from bodysounds.losses.options import TripletOptions
from bodysounds.losses.pairs import check_batch, pair_masks


def triplet_loss(
    embeddings: Tensor,
    labels: Tensor,
    groups: Tensor,
    margin: float | None,
    mining: str = "hard",
    distance: str = "cosine",
) -> tuple[Tensor, Tensor]:
    """Return the mean of max(0, margin + d_ap - d_an) over the triplets that `mining` chooses.

    Parameters
    ----------
    embeddings : (batch, dim) float, of any length
    labels : (batch,) int64
        Subjects; a positive is another embedding of the anchor's subject.
    groups : (batch,) int64
        A negative is an embedding of another group than the anchor's.
    margin : float or None
        In the distance's unit; None is the soft margin, the mean of log(1 + exp(d_ap - d_an)).
    mining : `hard`, `semi_hard` or `all`
        As in `mine_triplets`. With `all` and a margin, the mean is over the triplets whose loss is
        above 0, since the many that are learnt would drown the rest.
    distance : `cosine`, `euclidean` or `squared_euclidean`
        As in `pairwise_distances`.

    Returns
    -------
    loss : scalar; zero, with zero gradients, where no anchor has a positive and a negative.
    active : scalar in [0, 1]
        Share of those triplets with d_an < d_ap + margin (no margin where it is soft): what is
        still to be learnt; 0 where there are none.
    """
    check_batch(embeddings, labels, groups)
    distances = pairwise_distances(embeddings, distance)
    positive, negative = pair_masks(labels, groups)
    if mining == "hard":
        return batch_hard(distances, positive, negative, margin)
    to_positive, to_negative = mine_triplets(distances, positive, negative, mining)
    excess = to_positive - to_negative + (margin or 0.0)
    if not len(excess):
        nothing = embeddings.sum() * 0.0
        return nothing, nothing.detach()
    active = (excess.detach() > 0).to(excess.dtype)
    if margin is None:
        return functional.softplus(excess).mean(), active.mean()
    losses = excess.clamp_min(0.0)
    if mining == "all":
        return losses.sum() / active.sum().clamp_min(1.0), active.mean()
    return losses.mean(), active.mean()


def batch_hard(
    distances: Tensor, positive: Tensor, negative: Tensor, margin: float | None
) -> tuple[Tensor, Tensor]:
    """Return loss and active share of the hardest triplets; the host waits for no count."""
    furthest, nearest = hardest(distances, positive, negative)
    excess = furthest - nearest + (margin or 0.0)
    losses = functional.softplus(excess) if margin is None else excess.clamp_min(0.0)
    n_anchors = (positive.any(dim=1) & negative.any(dim=1)).sum().clamp_min(1)
    active = (excess.detach() > 0).to(excess.dtype)
    return losses.sum() / n_anchors, active.sum() / n_anchors


def pairwise_distances(embeddings: Tensor, distance: str) -> Tensor:
    """Return the distance of each embedding to each, (batch, batch), with finite gradients.

    `cosine` is 1 - cosine, in [0, 2]: what trials are scored by. `euclidean` and
    `squared_euclidean` are of the embeddings as they are, of any length; where two coincide the
    gradient of their distance is 0.
    """
    if distance == "cosine":
        unit = functional.normalize(embeddings)
        return 1.0 - unit @ unit.T
    # by differences: the product form is off by a thousandth of the length where two are close
    lengths = torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
    if distance == "euclidean":
        return lengths
    if distance == "squared_euclidean":
        return lengths.square()
    raise ValueError(
        f"distance must be one of cosine, euclidean, squared_euclidean, got {distance!r}"
    )


class TripletLoss(nn.Module):
    """Triplet loss, without weights of its own."""

    def __init__(self, options: TripletOptions | None = None) -> None:
        super().__init__()
        self.options = options or TripletOptions()

    def forward(
        self, embeddings: Tensor, labels: Tensor, groups: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and the share of triplets still to be learnt (`active`)."""
        o = self.options
        loss, active = triplet_loss(embeddings, labels, groups, o.hinge, o.mining, o.distance)
        return loss, {"active": active}
