"""Additive angular margin softmax (Deng et al. 2019, "ArcFace", arXiv 1801.07698)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# beyond this the slope of the sine of the angle grows without bound
LARGEST_COSINE = 1.0 - 1e-6


def aam_softmax(
    cosines: Tensor,
    labels: Tensor,
    margin: float,
    scale: float,
    rivals_mask: Tensor | None = None,
) -> Tensor:
    """Return the mean cross-entropy of scaled cosines, with a margin on the angle to one's class.

    Parameters
    ----------
    cosines : (batch, n_classes) float
        Between each embedding and each class; rounding beyond [-1, 1] is harmless.
    labels : (batch,) int64
        The class of each embedding.
    margin : float
        Added to the angle to the own class (radians). Angles that the margin would carry beyond
        pi are lowered by a line instead, so that the loss stays monotonous.
    scale : float
        Of the cosines before the softmax.
    rivals_mask : (batch, n_classes) bool, optional
        False where a class is not to be set against the embedding. The own class always counts.

    Returns
    -------
    loss : scalar, at least 0, with finite gradients; 0 where no rival is left.
    """
    bounded = cosines.clamp(-LARGEST_COSINE, LARGEST_COSINE)
    sines = (1.0 - bounded.square()).sqrt()
    shifted = bounded * math.cos(margin) - sines * math.sin(margin)
    linear = bounded - margin * math.sin(margin)
    with_margin = torch.where(bounded > -math.cos(margin), shifted, linear)
    own = functional.one_hot(labels, cosines.shape[1]).bool()
    logits = scale * torch.where(own, with_margin, bounded)
    if rivals_mask is not None:
        logits = logits.masked_fill(~(rivals_mask | own), -torch.inf)
    return functional.cross_entropy(logits, labels)


class AamSoftmax(nn.Module):
    """AAM-softmax with its class weights; classes of one group are never set against each other."""

    class_groups: Tensor

    def __init__(
        self, class_groups: Tensor, dim: int, seed: int, margin: float = 0.2, scale: float = 30.0
    ) -> None:
        """Take class_groups (n_classes,) int64: the group of each class."""
        super().__init__()
        if not 0 <= margin < math.pi / 2:
            raise ValueError(f"aam margin must lie in [0, pi/2) radians, got {margin!r}")
        if not scale > 0:
            raise ValueError(f"aam scale must be above 0, got {scale!r}")
        self.margin, self.scale = margin, scale
        self.register_buffer("class_groups", class_groups, persistent=False)
        generator = torch.Generator().manual_seed(seed)
        bound = math.sqrt(6.0 / (dim + len(class_groups)))
        weights = torch.rand((len(class_groups), dim), generator=generator)
        self.weight = nn.Parameter((2 * weights - 1) * bound)

    def forward(
        self, embeddings: Tensor, labels: Tensor, groups: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and the share of embeddings nearest to their own class (`accuracy`)."""
        cosines = functional.normalize(embeddings) @ functional.normalize(self.weight).T
        rivals = groups[:, None] != self.class_groups[None, :]
        loss = aam_softmax(cosines, labels, self.margin, self.scale, rivals)
        own = functional.one_hot(labels, cosines.shape[1]).bool()
        nearest = cosines.detach().masked_fill(~(rivals | own), -torch.inf).argmax(dim=1)
        return loss, {"accuracy": (nearest == labels).float().mean()}
