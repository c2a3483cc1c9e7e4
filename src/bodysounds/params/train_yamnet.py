"""Parameters of `train_yamnet`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bodysounds.params.train_member import TrainMemberParams


@dataclass(frozen=True)
class TrainYamnetParams(TrainMemberParams):
    """YAMNet, and how it learns new classes.

    The stages that `freeze` may name are `stem` and `block_1` to `block_13`. `published` is a
    YAMNet .tflite file, or a classifier that this project saved.
    """

    stage: ClassVar[str] = "train_yamnet"

    width: float = 1.0
    """Channels of each layer against the published network's, where the weights are random;
    published ones bring their own."""
    patch_hop_s: float = 0.48
    """Step between the patches of 0.96 s whose embeddings are averaged (seconds)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ranges(width=(0.01, 4.0), patch_hop_s=(0.01, 10.0))
