"""Parameters of `train_embedding`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bodysounds.params.rules import one_of, within


@dataclass(frozen=True)
class TrainEmbeddingParams:
    """The network, what it is asked to do, and how long it learns."""

    seed: int = 0
    # the network
    front_end: str = "speechbrain"
    """80-band log-mel: `speechbrain` (as its Fbank) or `kaldi` (as its fbank)."""
    n_mels: int = 80
    mean_over: str = "band"
    """`band` subtracts each band's mean over time, `clip` one mean of all (only the level goes)."""
    channels: int = 128
    """Channels of each SE-Res2 block; the last layer has three times as many."""
    depth: int = 3
    """Number of SE-Res2 blocks."""
    dim: int = 128
    """Size of the embedding."""
    init_from: str | None = None
    """Path of an encoder to start from (a .safetensors file or a folder of versions)."""
    # what it learns
    losses: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "aam", "weight": 1.0, "margin": 0.2, "scale": 30.0}]
    )
    """Weighted sum of losses: `aam` (margin, scale) and `triplet` (margin)."""
    augment: list[dict[str, Any]] = field(default_factory=list)
    """Augmentations in order: `tilt`, `noise`, `spec_augment`, each with its options."""
    # batches
    subjects_per_batch: int = 16
    """P: different subjects in a batch."""
    crops_per_subject: int = 4
    """K: crops of each, from different sessions where there are several."""
    crop_s: list[float] = field(default_factory=lambda: [2.0, 3.0])
    """Shortest and longest crop; one length is drawn a batch (seconds)."""
    # schedule
    epochs: int = 20
    passes_per_epoch: int = 1
    """Times each subject is drawn in an epoch."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_share: float = 0.1
    """Share of the steps over which the learning rate rises before its cosine descent."""
    clip_norm: float = 5.0
    # machine
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    precision: str = "auto"
    """`auto` (bf16 where the chip has it), `bf16` or `float32`."""
    checkpoint_every: int = 50
    """Steps between checkpoints inside an epoch."""
    work_dir: str = "data/.work"
    """Where checkpoints in flight live."""

    def __post_init__(self) -> None:
        one_of("train_embedding.front_end", self.front_end, ("speechbrain", "kaldi"))
        one_of("train_embedding.mean_over", self.mean_over, ("band", "clip"))
        one_of("train_embedding.precision", self.precision, ("auto", "bf16", "float32"))
        within("train_embedding.channels", self.channels, 8, 4096)
        if self.channels % 8:
            raise ValueError(
                f"train_embedding.channels must be a multiple of 8, got {self.channels}"
            )
        within("train_embedding.depth", self.depth, 1, 8)
        within("train_embedding.dim", self.dim, 2, 4096)
        within("train_embedding.epochs", self.epochs, 1, 100_000)
        within("train_embedding.subjects_per_batch", self.subjects_per_batch, 2, 65_536)
        within("train_embedding.crops_per_subject", self.crops_per_subject, 2, 1024)
        if len(self.crop_s) != 2 or not 0.1 <= self.crop_s[0] <= self.crop_s[1]:
            raise ValueError(
                "train_embedding.crop_s must be [shortest, longest] in seconds, at least 0.1, "
                f"got {self.crop_s}"
            )
        within("train_embedding.warmup_share", self.warmup_share, 0.0, 0.9)
        if not self.losses:
            raise ValueError("train_embedding.losses is empty: name at least one of aam, triplet")
        for loss in self.losses:
            one_of("train_embedding.losses[].name", loss.get("name"), ("aam", "triplet"))
        for step in self.augment:
            one_of(
                "train_embedding.augment[].name",
                step.get("name"),
                ("tilt", "noise", "spec_augment"),
            )
