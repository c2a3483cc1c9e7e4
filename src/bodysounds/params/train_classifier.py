"""Parameters of `train_classifier`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bodysounds.params.rules import one_of, within
from bodysounds.training.schedule import check_schedule

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
OPTIMISERS = ("adam", "adamw", "sgd")
CENTER_OPTIMISERS = ("adagrad", "adam", "sgd")


@dataclass(frozen=True)
class TrainClassifierParams:
    """The image that a network sees, the network, and how it learns to name speakers."""

    seed: int = 0
    # the image
    clip_s: float = 3.0
    """Length that is heard of each recording (seconds): a random crop at each epoch of the
    training, the first so many seconds elsewhere."""
    fill: str = "repeat"
    """What follows a recording shorter than clip_s: itself again, `repeat`, or silence, `zeros`."""
    n_fft: int = 512
    """Samples of the transform."""
    win_s: float = 0.025
    """Length of a frame (seconds)."""
    hop_s: float = 0.010
    """Step from frame to frame (seconds)."""
    log: bool = True
    """Logarithm of the magnitudes."""
    size: int = 224
    """Rows and columns of the image."""
    normalise: str = "per_frequency"
    """`per_frequency` (each row to mean 0 and variance 1) or `min_max` (each image to [0, 1])."""
    # the network
    width: int = 64
    """Channels of the first layer of ResNet-18, 64 as published; the last has 8 times as many."""
    dim: int | None = None
    """Size of the embedding; null: 8 * width, what the network ends with."""
    init_from: str | None = None
    """Path of weights to start from: a classifier, an encoder, or torchvision's resnet18 (.pth)."""
    freeze: list[str] = field(default_factory=list)
    """Stages that do not learn: `stem`, `layer1` to `layer4`."""
    # what it learns
    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over the classes."""
    ccl_reg: float = 0.0
    """Weight of the contrastive-center loss beside the cross-entropy; 0 leaves it out."""
    ccl_optimiser: str = "adagrad"
    """Of the centres: `adagrad`, `adam` or `sgd`."""
    ccl_learning_rate: float = 1e-3
    """Of the centres; it stays as it is."""
    ccl_ratio: str = "item"
    """`item`: the paper's quotient of each item; `batch`: one of the batch, as published code
    computes it, thousands of times smaller."""
    ccl_delta: float = 1.0
    """Added to the denominator; 1 in the paper."""
    augment: list[dict[str, Any]] = field(default_factory=list)
    """Augmentations in order: `tilt`, `noise`, `spec_augment`, each with its options."""
    # batches
    balanced: bool = False
    """Each speaker equally often in an epoch; otherwise each recording once."""
    batch_size: int = 64
    """Recordings of a batch, at most."""
    # how long, and how fast
    n_epochs: int = 20
    """At most this many."""
    audio_budget_s: float | None = None
    """Training ends once clips of this many seconds in all were heard; null: after the epochs."""
    optimiser: str = "adam"
    """Of the network: `adam`, `adamw` or `sgd`."""
    learning_rate: float = 1e-3
    """The highest."""
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    """Of adam and adamw."""
    eps: float = 1e-8
    """Of adam and adamw."""
    momentum: float = 0.9
    """Of sgd."""
    weight_decay: float = 0.0
    schedule: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "warmup_cosine", "warmup_share": 0.1}]
    )
    """One of `warmup_cosine` (warmup_share), `cyclic` (base_lr, step_size), `plateau` (factor,
    patience; follows dev's loss), `step` (factor, every so many epochs), `constant`."""
    clip_norm: float | None = None
    """Longest gradient; null leaves it as it is."""
    # machine
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    precision: str = "auto"
    """`auto` (bf16 where the chip has it), `bf16` or `float32`."""
    checkpoint_every: int = 100
    """Steps between checkpoints."""
    work_dir: str = "data/.work"
    """Where checkpoints in flight live."""

    def __post_init__(self) -> None:
        for name, allowed in (
            ("fill", ("repeat", "zeros")),
            ("normalise", ("per_frequency", "min_max")),
            ("optimiser", OPTIMISERS),
            ("ccl_optimiser", CENTER_OPTIMISERS),
            ("ccl_ratio", ("item", "batch")),
            ("precision", ("auto", "bf16", "float32")),
            ("log", (True, False)),
            ("balanced", (True, False)),
        ):
            one_of(f"train_classifier.{name}", getattr(self, name), allowed)
        for name, low, high in (
            ("clip_s", 0.1, 60.0),
            ("n_fft", 16, 65_536),
            ("win_s", 0.001, 1.0),
            ("hop_s", 0.001, 1.0),
            ("size", 16, 4096),
            ("width", 1, 1024),
            ("label_smoothing", 0.0, 0.9),
            ("ccl_reg", 0.0, 1e9),
            ("ccl_learning_rate", 0.0, 1e3),
            ("ccl_delta", 1e-12, 1e9),
            # fewer could leave one item alone in a batch, which batch norm cannot normalise
            ("batch_size", 4, 65_536),
            ("n_epochs", 1, 100_000),
            ("learning_rate", 0.0, 1e3),
            ("eps", 1e-16, 1.0),
            ("momentum", 0.0, 0.9999),
            ("weight_decay", 0.0, 1e3),
            ("checkpoint_every", 1, 1_000_000),
        ):
            within(f"train_classifier.{name}", getattr(self, name), low, high)
        for name in ("n_fft", "size", "width", "batch_size", "n_epochs", "checkpoint_every"):
            if not isinstance(getattr(self, name), int):
                raise ValueError(
                    f"train_classifier.{name} must be a whole number, got {getattr(self, name)!r}"
                )
        if self.dim is not None:
            within("train_classifier.dim", self.dim, 2, 65_536)
        for name in ("audio_budget_s", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"train_classifier.{name} must be above 0 or null, got {value!r}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(
                f"train_classifier.betas must be two numbers in [0, 1), got {self.betas}"
            )
        for stage in self.freeze:
            one_of("train_classifier.freeze[]", stage, STAGES)
        for step in self.augment:
            if not isinstance(step, Mapping) or "name" not in step:
                raise ValueError(
                    f"train_classifier.augment[] must be a name with its options, got {step!r}"
                )
        check_schedule(self.schedule, self.learning_rate, "train_classifier")
