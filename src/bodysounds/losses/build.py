"""The weighted sum of losses that a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from bodysounds.losses.aam import AamSoftmax
from bodysounds.losses.options import AamOptions, Options, TripletOptions, check_losses
from bodysounds.losses.supcon import SupervisedContrastive
from bodysounds.losses.triplet import TripletLoss


class WeightedLosses(nn.Module):
    """Losses one by one and their weighted sum."""

    def __init__(self, losses: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(dict(losses))
        self.weights = dict(weights)

    def set_progress(self, share: float) -> None:
        """Move what is scheduled (AAM's margin) to the share of the training that is done.

        A resumed training sets it anew: it is no part of the state. Raises ValueError for a share
        outside [0, 1].
        """
        if not 0 <= share <= 1:
            raise ValueError(f"the share of training done must lie in [0, 1], got {share!r}")
        for module in self.losses.values():
            if isinstance(module, AamSoftmax):
                module.set_progress(share)

    def forward(
        self, embeddings: Tensor, labels: Tensor, groups: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum and its parts, detached.

        Parameters
        ----------
        embeddings : (batch, dim) float32
        labels, groups : (batch,) int64

        The parts are `loss_<name>` of each loss, before its weight, and `train_<figure>`. Nothing
        is changed, so that a validation batch is judged by the same call under `torch.no_grad()`;
        `aam` knows only the classes that it was built for.
        """
        total = embeddings.new_zeros(())
        parts: dict[str, Tensor] = {}
        for name, module in self.losses.items():
            loss, figures = module(embeddings, labels, groups)
            total = total + self.weights[name] * loss
            parts[f"loss_{name}"] = loss.detach()
            parts |= {f"train_{figure}": value for figure, value in figures.items()}
        return total, parts


def build_losses(
    specs: Sequence[Mapping[str, Any]], class_groups: Tensor, dim: int, seed: int
) -> WeightedLosses:
    """Return the losses that a list of {name, weight, option: value} asks for.

    Parameters
    ----------
    specs : list of dicts
        `aam`, `triplet` and `supcon`, with the options of `bodysounds.losses.options`; weight is 1
        where it is not given.
    class_groups : (n_classes,) int64
        The group of each class.
    dim : int
        Size of the embeddings.
    seed : int
        Of the class weights.

    Raises ValueError as `check_losses` does.
    """

    def build(options: Options) -> nn.Module:
        if isinstance(options, AamOptions):
            return AamSoftmax(class_groups.long(), dim, seed, options)
        if isinstance(options, TripletOptions):
            return TripletLoss(options)
        return SupervisedContrastive(options)

    checked = check_losses(specs)
    return WeightedLosses(
        {name: build(options) for name, (_, options) in checked.items()},
        {name: weight for name, (weight, _) in checked.items()},
    )
