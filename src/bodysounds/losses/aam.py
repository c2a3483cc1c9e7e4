"""Additive angular margin softmax (Deng et al. 2019, "ArcFace", arXiv 1801.07698).

With several centres a class it is the sub-center ArcFace of Deng et al. (ECCV 2020): the nearest
centre of each class counts, so that recordings of another kind, or wrong labels, gather at one of
their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.losses.options import AamOptions
from bodysounds.losses.pairs import check_batch

# beyond this the slope of the sine of the angle grows without bound
LARGEST_COSINE = 1.0 - 1e-6


def aam_softmax(
    cosines: Tensor,
    labels: Tensor,
    margin: float,
    scale: float,
    rivals_mask: Tensor | None = None,
    label_smoothing: float = 0.0,
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
    label_smoothing : float in [0, 1)
        Share of the target that is spread evenly over the own class and the rivals that count.

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
    allowed = torch.ones_like(own) if rivals_mask is None else rivals_mask | own
    logits = logits.masked_fill(~allowed, -torch.inf)
    loss = functional.cross_entropy(logits, labels)
    if label_smoothing == 0:
        return loss
    # torch's own smoothing would count the classes left out, whose loss is infinite
    costs = -logits.log_softmax(dim=1).masked_fill(~allowed, 0.0)
    even = (costs.sum(dim=1) / allowed.sum(dim=1)).mean()
    return (1.0 - label_smoothing) * loss + label_smoothing * even


def scheduled_margin(margin: float, schedule: Sequence[float] | None, share: float) -> float:
    """Return the margin after a share of the training, in [0, margin].

    0 up to schedule[0], a linear rise, the whole `margin` from schedule[1] on (shares of the
    training, 0 <= start < end <= 1); constant where the schedule is None.
    """
    if schedule is None:
        return margin
    start, end = schedule
    return margin * min(1.0, max(0.0, (share - start) / (end - start)))


class AamSoftmax(nn.Module):
    """AAM-softmax with its class weights; classes of one group are never set against each other.

    A scheduled margin starts as for a share of 0 and moves with `set_progress` alone; a loss on
    validation data is taken with the margin of that moment.
    """

    class_groups: Tensor

    def __init__(
        self, class_groups: Tensor, dim: int, seed: int, options: AamOptions | None = None
    ) -> None:
        """Take class_groups (n_classes,) int64: the group of each class."""
        super().__init__()
        self.options = options or AamOptions()
        self.set_progress(0.0)
        self.register_buffer("class_groups", class_groups, persistent=False)
        n_centers = len(class_groups) * self.options.subcenters
        generator = torch.Generator().manual_seed(seed)
        bound = math.sqrt(6.0 / (dim + n_centers))
        weights = torch.rand((n_centers, dim), generator=generator)
        # the sub-centres of a class stand together
        self.weight = nn.Parameter((2 * weights - 1) * bound)

    def set_progress(self, share: float) -> None:
        """Set the margin for the share of the training that is done, in [0, 1]."""
        self.margin = scheduled_margin(self.options.margin, self.options.margin_schedule, share)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Return the cosine of each embedding with the nearest centre of each class."""
        cosines = functional.normalize(embeddings) @ functional.normalize(self.weight).T
        return cosines.reshape(len(cosines), len(self.class_groups), -1).amax(dim=2)

    def forward(
        self, embeddings: Tensor, labels: Tensor, groups: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, and the share of embeddings nearest to their own class (`accuracy`).

        A scheduled margin is a figure too (`margin`). Raises ValueError for a label that is not
        one of the classes.
        """
        check_batch(embeddings, labels, groups)
        o, n_classes = self.options, len(self.class_groups)
        # a GPU's host would wait for the answer; there the look-up of the class refuses by itself
        on_host = labels.device.type == "cpu"
        if on_host and bool(((labels < 0) | (labels >= n_classes)).any()):
            raise ValueError(
                f"loss aam knows the classes 0 to {n_classes - 1}, got labels {int(labels.min())} "
                f"to {int(labels.max())}: judge other subjects by triplet or supcon"
            )
        cosines = self.cosines(embeddings)
        rivals = groups[:, None] != self.class_groups[None, :]
        loss = aam_softmax(cosines, labels, self.margin, o.scale, rivals, o.label_smoothing)
        own = functional.one_hot(labels, n_classes).bool()
        nearest = cosines.detach().masked_fill(~(rivals | own), -torch.inf).argmax(dim=1)
        figures = {"accuracy": (nearest == labels).float().mean()}
        if o.margin_schedule is not None:
            figures["margin"] = cosines.new_full((), self.margin)
        return loss, figures
