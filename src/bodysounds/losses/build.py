"""The weighted sum of losses that a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bodysounds.losses.aam import AamSoftmax
from bodysounds.losses.triplet import BatchHardTriplet

OPTIONS = {"aam": ("margin", "scale"), "triplet": ("margin",)}


class WeightedLosses(nn.Module):
    """Losses one by one and their weighted sum."""

    def __init__(self, losses: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(dict(losses))
        self.weights = dict(weights)

    def forward(
        self, embeddings: Tensor, labels: Tensor, groups: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sum and its parts, detached.

        Parameters
        ----------
        embeddings : (batch, dim) float32
        labels, groups : (batch,) int64

        The parts are `loss_<name>` of each loss, before its weight, and `train_<figure>`.
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
        `aam` (margin, scale) and `triplet` (margin); weight is 1 where it is not given.
    class_groups : (n_classes,) int64
        The group of each class.
    dim : int
        Size of the embeddings.
    seed : int
        Of the class weights.

    Raises ValueError for an unknown name or option, a loss named twice and a weight of 0 or less.
    """
    losses: dict[str, nn.Module] = {}
    weights: dict[str, float] = {}
    for spec in specs:
        options = dict(spec)
        name, weight = str(options.pop("name", None)), options.pop("weight", 1.0)
        if name not in OPTIONS:
            raise ValueError(f"losses[].name must be one of {', '.join(OPTIONS)}, got {name!r}")
        unknown = [key for key in options if key not in OPTIONS[name]]
        if unknown:
            raise ValueError(
                f"loss {name} has no option {unknown[0]!r}: it has weight, "
                f"{', '.join(OPTIONS[name])}"
            )
        if name in losses:
            raise ValueError(f"loss {name} is named twice: give it once, with its weight")
        for key, value in (options | {"weight": weight}).items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"loss {name}: {key} must be a number, got {value!r}")
        if not weight > 0:
            raise ValueError(f"loss {name}: weight must be above 0, got {weight!r}")
        weights[name] = float(weight)
        losses[name] = (
            AamSoftmax(class_groups.to(torch.int64), dim, seed, **options)
            if name == "aam"
            else BatchHardTriplet(**options)
        )
    return WeightedLosses(losses, weights)
