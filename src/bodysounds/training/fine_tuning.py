"""What of a network learns, and how fast, stage by stage."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import nn

from bodysounds.models.network import EmbeddingNetwork
from bodysounds.models.stages import stage_of, stages_of


def freeze(
    module: EmbeddingNetwork, architecture: Mapping[str, Any], stages: Collection[str]
) -> None:
    """Take the weights of these stages out of the learning."""
    for name, weight in module.body.named_parameters():
        if stage_of(architecture, name) in stages:
            weight.requires_grad_(False)


def keep_statistics(
    module: EmbeddingNetwork, architecture: Mapping[str, Any], stages: Collection[str]
) -> None:
    """Put these stages in eval mode, so that their batch norms stay as they are."""
    known = stages_of(architecture)
    prefixes = tuple(prefix for stage in stages for prefix in known[stage])
    for name, part in module.body.named_modules():
        # a part that has parts, such as the list of blocks, may be of several stages
        if f"{name}.".startswith(prefixes):
            part.eval()


def parameter_groups(
    module: EmbeddingNetwork,
    losses: nn.Module,
    architecture: Mapping[str, Any],
    layer_decay: float,
) -> list[dict[str, Any]]:
    """Return what learns, for the optimiser, as groups of `params` and `share`.

    `share` is that of the learning rate: layer_decay to the power of the number of stages above,
    and 1 for the top stage and for what the losses learn (ULMFiT's discriminative rates, Howard and
    Ruder 2018, arXiv 1801.06146).
    """
    names = list(stages_of(architecture))
    shares = {stage: layer_decay ** (len(names) - 1 - k) for k, stage in enumerate(names)}
    learning = [
        (shares[stage_of(architecture, name)], weight)
        for name, weight in module.body.named_parameters()
        if weight.requires_grad
    ]
    learning += [(1.0, weight) for weight in losses.parameters()]
    groups: dict[float, list[nn.Parameter]] = {}
    for share, weight in learning:
        groups.setdefault(share, []).append(weight)
    return [{"params": weights, "share": share} for share, weights in groups.items()]
