"""Which triplets of a batch count: a pure choice from distances."""

from __future__ import annotations

import torch
from torch import Tensor


def mine_triplets(
    distances: Tensor, positive: Tensor, negative: Tensor, mining: str
) -> tuple[Tensor, Tensor]:
    """Return the distances anchor-positive and anchor-negative of the triplets that count.

    - `hard`: for each anchor, its furthest positive and its nearest negative (batch hard, Hermans
      et al. 2017, arXiv 1703.07737).
    - `semi_hard`: for each pair of an anchor and a positive, the nearest of the negatives that are
      further than the positive; where none is, the furthest negative, which is the mildest error
      (Schroff et al. 2015, arXiv 1503.03832). With a hinge, a negative beyond the margin costs
      nothing, so those that teach are the ones inside it.
    - `all`: every anchor with each of its positives and each of its negatives (batch all).

    Parameters
    ----------
    distances : (batch, batch) float
    positive, negative : (batch, batch) bool
        As of `pair_masks`; a row an anchor. Anchors without a positive or a negative don't count.
    mining : str

    Returns
    -------
    to_positive, to_negative : (n_triplets,) float, with gradients
    """
    if mining == "hard":
        anchors = positive.any(dim=1) & negative.any(dim=1)
        furthest, nearest = hardest(distances, positive, negative)
        return furthest[anchors], nearest[anchors]
    anchor, other = (positive & negative.any(dim=1)[:, None]).nonzero(as_tuple=True)
    to_positive, to_others, negative = distances[anchor, other], distances[anchor], negative[anchor]
    if mining == "semi_hard":
        further = negative & (to_others > to_positive[:, None])
        nearest = to_others.masked_fill(~further, torch.inf).amin(dim=1)
        furthest = to_others.masked_fill(~negative, -torch.inf).amax(dim=1)
        return to_positive, torch.where(further.any(dim=1), nearest, furthest)
    if mining == "all":
        return to_positive[:, None].expand_as(to_others)[negative], to_others[negative]
    raise ValueError(f"mining must be one of hard, semi_hard, all, got {mining!r}")


def hardest(distances: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distances of every anchor to its furthest positive and its nearest negative.

    (batch,) each, minus infinity without a positive and infinity without a negative: their
    difference is then minus infinity, which costs nothing. Unlike the choice of those that have
    both, it needs no count, for which the host of a GPU would wait.
    """
    furthest = distances.masked_fill(~positive, -torch.inf).amax(dim=1)
    nearest = distances.masked_fill(~negative, torch.inf).amin(dim=1)
    return furthest, nearest
