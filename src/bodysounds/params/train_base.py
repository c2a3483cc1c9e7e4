"""What the trainings of all classifiers share: how they learn, choose and stop, and the machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bodysounds.params.rules import one_of, whole_numbers, within
from bodysounds.training.schedule import check_schedule

OPTIMISERS = ("adam", "adamw", "sgd")
CHOICES = ("dev_accuracy", "dev_balanced_accuracy", "dev_loss")


@dataclass(frozen=True)
class TrainBaseParams(ABC):
    """What of a network learns and by which losses and batches, how fast and how long."""

    stage: ClassVar[str]
    """The stage that these are the parameters of, for messages."""
    choosing: ClassVar[tuple[str, ...]] = CHOICES
    """What the epoch may be chosen by."""

    seed: int = 0
    # the network
    freeze: list[str] = field(default_factory=list)
    """Stages of the network that do not learn."""
    unfreeze_after: int | None = None
    """Epochs after which the frozen stages learn too; null: never."""
    layer_decay: float = 1.0
    """The learning rate of each stage, against that of the stage above it."""
    dropout: float = 0.0
    """Share of the embedding that is left out before the classes, in training."""
    # what it learns
    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over the classes."""
    class_weights: bool = False
    """Each class weighs alike in the loss, however many recordings it has."""
    augment: list[dict[str, Any]] = field(default_factory=list)
    """Augmentations in order: `gain`, `tilt`, `noise`, `spec_augment`, each with its options."""
    # batches
    balanced: bool = False
    """Each class equally often in an epoch; otherwise each recording once."""
    batch_size: int = 64
    """Recordings of a batch, at most."""
    # how long, how fast, and which epoch
    n_epochs: int = 20
    """At most this many."""
    patience: int | None = None
    """Training ends where dev's loss has not been lower for so many epochs; null: it does not."""
    choose: str = "dev_accuracy"
    """What dev chooses the epoch by: `dev_accuracy`, `dev_balanced_accuracy` (the mean recall of
    the classes), each highest, then the lowest loss; or the lowest `dev_loss`."""
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
    patience; follows dev's loss), `step` (factor, every so many epochs), `cosine` (t_max epochs
    down to min_lr, as many up again, and so on), `constant`."""
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
        whole_numbers(self.stage, self)
        self.choices(
            optimiser=OPTIMISERS,
            choose=self.choosing,
            precision=("auto", "bf16", "float32"),
            balanced=(True, False),
            class_weights=(True, False),
        )
        self.ranges(
            layer_decay=(0.01, 1.0),
            dropout=(0.0, 0.9),
            label_smoothing=(0.0, 0.9),
            learning_rate=(0.0, 1e3),
            eps=(1e-16, 1.0),
            momentum=(0.0, 0.9999),
            weight_decay=(0.0, 1e3),
            # fewer could leave one item alone in a batch, which batch norm cannot normalise
            batch_size=(4, 65_536),
            n_epochs=(1, 100_000),
            checkpoint_every=(1, 1_000_000),
        )
        for name in ("patience", "unfreeze_after"):
            if getattr(self, name) is not None:
                self.ranges(**{name: (1, 100_000)})
        for name in ("audio_budget_s", "clip_norm"):
            self.above_zero(name)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"{self.stage}.betas must be two numbers in [0, 1), got {self.betas}")
        self.named("augment")
        check_schedule(self.schedule, self.learning_rate, self.stage)

    @property
    @abstractmethod
    def start(self) -> str | None:
        """Path or name of the weights to start from; None: random ones."""

    @property
    def views(self) -> int:
        """How often a recording stands in a batch, each time changed by itself."""
        return 1

    def choices(self, **rules: tuple[object, ...]) -> None:
        """Raise ValueError where a field is none of what is allowed."""
        for name, allowed in rules.items():
            one_of(f"{self.stage}.{name}", getattr(self, name), allowed)

    def ranges(self, **rules: tuple[float, float]) -> None:
        """Raise ValueError where a field is not between two numbers."""
        for name, (low, high) in rules.items():
            within(f"{self.stage}.{name}", getattr(self, name), low, high)

    def above_zero(self, name: str) -> None:
        """Raise ValueError where a field is neither null nor above 0."""
        value = getattr(self, name)
        if value is not None and not value > 0:
            raise ValueError(f"{self.stage}.{name} must be above 0 or null, got {value!r}")

    def named(self, name: str) -> None:
        """Raise ValueError where a field is no list of names with options."""
        for step in getattr(self, name):
            if not isinstance(step, Mapping) or "name" not in step:
                raise ValueError(
                    f"{self.stage}.{name}[] must be a name with its options, got {step!r}"
                )
