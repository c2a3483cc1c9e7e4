"""Supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.losses.options import SupconOptions
from bodysounds.losses.pairs import check_batch, pair_masks


def supcon(embeddings: Tensor, labels: Tensor, groups: Tensor, temperature: float = 0.07) -> Tensor:
    """Return the supervised contrastive loss: the paper's L_out, averaged over the anchors.

    For an anchor i with positives P(i): the mean over p in P(i) of
    -log(exp(z_i z_p / t) / sum over a in A(i) of exp(z_i z_a / t)), where A(i) holds the positives
    and the negatives of i. The sum over the positives stands outside the logarithm.

    Parameters
    ----------
    embeddings : (batch, dim) float, of any length; z are their directions.
    labels : (batch,) int64
        Subjects or classes; a positive is another embedding with the anchor's label.
    groups : (batch,) int64
        An embedding of another label but the anchor's group is left out of A(i). Equal to the
        labels where there are no groups: the loss as published.
    temperature : float
        t, above 0.

    Returns
    -------
    loss : scalar, at least 0; an anchor without positives doesn't count (it still is a negative of
        others), and where none has any the loss is 0 with zero gradients.
    """
    check_batch(embeddings, labels, groups)
    if not temperature > 0:
        raise ValueError(f"supcon temperature must be above 0, got {temperature!r}: 0.07 is usual")
    positive, negative = pair_masks(labels, groups)
    anchors = positive.any(dim=1)
    unit = functional.normalize(embeddings)
    if not bool(anchors.any()):
        return unit.sum() * 0.0
    positive, negative = positive[anchors], negative[anchors]
    logits = unit[anchors] @ unit.T / temperature
    everyone = logits.masked_fill(~(positive | negative), -torch.inf).logsumexp(dim=1)
    to_positives = (logits * positive).sum(dim=1) / positive.sum(dim=1)
    return (everyone - to_positives).mean()


class SupervisedContrastive(nn.Module):
    """Supervised contrastive loss, without weights of its own."""

    def __init__(self, options: SupconOptions | None = None) -> None:
        super().__init__()
        self.options = options or SupconOptions()

    def forward(
        self, embeddings: Tensor, labels: Tensor, groups: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss; it has no other figure."""
        return supcon(embeddings, labels, groups, self.options.temperature), {}
