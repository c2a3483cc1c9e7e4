"""The stages of a network by name, from the input to the embedding; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RESNET18 = {
    "stem": ("conv1.", "bn1."),
    **{f"layer{number}": (f"layer{number}.",) for number in range(1, 5)},
    "embedding": ("project.",),
}


def stages_of(architecture: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return what the names of each stage's weights begin with, lowest stage first.

    Of `ecapa`: block_0 to block_<depth>, join (of the blocks' outputs), pooling, embedding; of
    `resnet18`: stem, layer1 to layer4, and the embedding's linear layer, which not all have. Raises
    ValueError for another architecture.
    """
    name = architecture["name"]
    if name == "resnet18":
        return dict(RESNET18)
    if name != "ecapa":
        raise ValueError(f"architecture must be ecapa or resnet18 to have stages, got {name!r}")
    blocks = {f"block_{k}": (f"blocks.{k}.",) for k in range(int(architecture["depth"]) + 1)}
    top = {"join": ("mfa.",), "pooling": ("asp.", "asp_bn."), "embedding": ("fc.",)}
    return blocks | top


def stage_of(architecture: Mapping[str, Any], weight: str) -> str:
    """Return the stage of a weight or a part of the network, by its name; ValueError for none."""
    for stage, prefixes in stages_of(architecture).items():
        if f"{weight}.".startswith(prefixes):
            return stage
    raise ValueError(f"weight {weight!r} is in no stage of {dict(architecture)}")
