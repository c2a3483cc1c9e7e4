"""Contrastive-center loss (Qi and Su 2017, arXiv 1707.07391)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

RATIOS = ("item", "batch")
REDUCTIONS = ("mean", "sum")
# the published speaker recognition system divides by 0.1
BATCH_FACTOR = 10.0


def contrastive_center_loss(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    delta: float = 1.0,
    reduction: str = "sum",
    ratio: str = "item",
) -> Tensor:
    """Return how near embeddings are to their own centre, against their distance to the others.

    Half the sum over the items of d(own) / (d(others) + delta), where d(own) is the squared
    distance of an embedding to the centre of its class and d(others) the sum of those to all other
    centres.

    Parameters
    ----------
    embeddings : (batch, dim) float, of any length
    labels : (batch,) int64
        Classes, in [0, n_classes).
    centers : (n_classes, dim) float
        One point a class, learnt with the embeddings.
    delta : float, above 0
        Keeps the quotient finite; 1 in the paper.
    reduction : `sum` or `mean`
        Over the items; the paper has the sum. With `ratio: batch` there is nothing to reduce.
    ratio : `item` or `batch`
        `item` is the paper's formula. `batch` is what code in circulation computes, that of the
        published ResNet-18 system among it: one quotient of the two sums over the batch, divided by
        twice the number of items and by 0.1. It is smaller than the paper's by about the square
        of the batch size over ten: near 2e-4 from the first step on, beside a cross-entropy of 4.

    Returns
    -------
    loss : scalar, at least 0

    Raises ValueError for shapes that do not fit, fewer than two classes, a label that is none of
    them, and options out of range.
    """
    _check(embeddings, labels, centers)
    if not delta > 0:
        raise ValueError(f"delta of the contrastive-center loss must be above 0, got {delta!r}")
    if reduction not in REDUCTIONS or ratio not in RATIOS:
        raise ValueError(
            f"reduction must be one of {', '.join(REDUCTIONS)} and ratio one of "
            f"{', '.join(RATIOS)}, got {reduction!r} and {ratio!r}"
        )
    # by differences: the product form is off where an embedding is close to its centre
    lengths = torch.cdist(embeddings, centers, compute_mode="donot_use_mm_for_euclid_dist")
    distances = lengths.square()
    own = distances.gather(1, labels[:, None]).squeeze(1)
    others = distances.sum(dim=1) - own
    if ratio == "batch":
        quotient = own.sum() / (others.sum() + delta)
        return BATCH_FACTOR * quotient / (2.0 * len(embeddings))
    quotients = own / (others + delta)
    return 0.5 * (quotients.sum() if reduction == "sum" else quotients.mean())


def _check(embeddings: Tensor, labels: Tensor, centers: Tensor) -> None:
    fits = (
        embeddings.ndim == 2
        and centers.ndim == 2
        and embeddings.shape[1] == centers.shape[1]
        and labels.shape == embeddings.shape[:1]
        and len(labels) > 0
    )
    if not fits:
        raise ValueError(
            "the contrastive-center loss takes embeddings (batch, dim), labels (batch,) and "
            f"centers (n_classes, dim), got shapes {tuple(embeddings.shape)}, "
            f"{tuple(labels.shape)} and {tuple(centers.shape)}"
        )
    if len(centers) < 2:
        raise ValueError("the contrastive-center loss needs at least two classes, got 1")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(centers):
        raise ValueError(
            f"the contrastive-center loss has centers of the classes 0 to {len(centers) - 1}, "
            f"got labels {low} to {high}"
        )


class ContrastiveCenter(nn.Module):
    """The loss with its centres, drawn from a normal distribution of deviation 1."""

    def __init__(
        self,
        n_classes: int,
        dim: int,
        seed: int,
        delta: float = 1.0,
        reduction: str = "mean",
        ratio: str = "item",
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.centers = nn.Parameter(torch.randn((n_classes, dim), generator=generator))
        self.delta, self.reduction, self.ratio = delta, reduction, ratio

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of embeddings (batch, dim) with labels (batch,) int64."""
        return contrastive_center_loss(
            embeddings, labels, self.centers, self.delta, self.reduction, self.ratio
        )
