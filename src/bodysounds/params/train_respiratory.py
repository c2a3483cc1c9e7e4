"""Parameters of `train_respiratory`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from bodysounds.params.rules import one_of, within
from bodysounds.params.train_base import CHOICES, TrainBaseParams

NETWORKS = ("cnn6", "cnn10", "cnn14")
METHODS = ("sl", "scl", "hybrid", "mscl")
TWO_STAGES = ("scl", "mscl")
METADATA = ("sex", "age_group", "location", "domain")


@dataclass(frozen=True)
class TrainRespiratoryParams(TrainBaseParams):
    """What a PANNs network hears of a breath cycle, and the losses by which it learns its sounds.

    The stages that `freeze` may name are those of the network. `choose` also knows `dev_score`, the
    ICBHI score: the mean of specificity and of sensitivity to the exact class. With `scl` and
    `mscl`, `n_epochs`, `learning_rate`, `schedule`, `optimiser`, `augment` and `patience` are those
    of the contrastive stage; `class_weights`, `label_smoothing`, `dropout` and `choose` those of
    the linear one, which hears the start of each cycle as it is.
    """

    stage: ClassVar[str] = "train_respiratory"
    choosing: ClassVar[tuple[str, ...]] = (*CHOICES, "dev_score")

    # what is heard
    clip_s: float = 8.0
    """Length that is heard of each cycle (seconds); of a longer one, see random_crop."""
    fill: str = "circular"
    """What follows a shorter cycle: itself again, `circular`, itself backwards and forwards,
    `reflect`, or silence, `zeros`."""
    n_fft: int = 1024
    """Samples of the transform, and of its window."""
    hop: int = 512
    """Samples from frame to frame."""
    n_mels: int = 64
    """Bands."""
    f_min: float = 50.0
    """Where the lowest band begins (Hz)."""
    f_max: float = 2000.0
    """Where the highest band ends (Hz), up to half the sample rate."""
    normalise: str = "clip"
    """What is done with the decibels: `none`; `clip`, each clip to mean 0 and variance 1; `band`,
    the mean of each band of a clip taken off, and with it the microphone, then divided by `std`;
    `fixed`, `mean` and `std` taken off; `batch`, the batch stretched to [0, 1], then these."""
    mean: float = 0.0
    """Of `fixed` and `batch`."""
    std: float = 1.0
    """Of `band`, `fixed` and `batch`."""
    random_crop: bool = False
    """Training hears a random part of a cycle longer than clip_s, and begins a repeated one
    anywhere; false: it hears the start, as everything else does."""
    # the network
    network: str = "cnn6"
    """`cnn6`, `cnn10` or `cnn14`."""
    width: float = 1.0
    """Channels of each layer against the published network's, where the weights are random;
    published ones bring their own."""
    input_norm: bool = True
    """A batch norm of each band comes first, as in the published networks."""
    rows: str = "frames"
    """Which way the network is pooled: `frames`, the mean over the bands, then mean and maximum
    over time, as in the published networks; `bands`, the other way round."""
    block_dropout: float = 0.0
    """Share of what each block gives that is left out, in training."""
    published: str | None = None
    """Path of weights to start from: PANNs (.pth), or a classifier or encoder of this project;
    null: random ones."""
    learning_rate_published: float | None = None
    """In place of learning_rate where `published` names weights; null: learning_rate."""
    # by which losses it learns
    method: str = "mscl"
    """`sl`: cross-entropy. `hybrid`: cross-entropy beside the supervised contrastive loss. `scl`:
    that loss alone, then a linear layer on the network as it stands. `mscl`: as scl, with a second
    contrastive head, whose classes are groups of the metadata."""
    two_views: bool = True
    """Where there is a contrastive loss, a cycle stands in a batch twice, each changed by itself;
    false: once, its positives being the other cycles of its class."""
    temperature: float = 0.06
    """Of the contrastive losses; divides the cosines."""
    projection: int = 128
    """Size of what they compare: the end of two linear layers above the embedding."""
    hybrid_alpha: float = 0.5
    """Of hybrid: weight of the contrastive loss; that of the cross-entropy is 1 - hybrid_alpha."""
    metadata: list[str] = field(default_factory=lambda: ["sex", "age_group"])
    """Of mscl: columns whose combination is the group of a cycle; any of `sex`, `age_group`,
    `location`, `domain` (the device). A cycle with a value missing has no group."""
    metadata_weight: float = 0.25
    """Of mscl: weight of the metadata's head; that of the classes' is 1 - metadata_weight, which is
    the lambda of the paper."""
    choose_contrastive: str = "last"
    """The epoch that the contrastive stage hands on: the `last`, or that of the lowest `dev_loss`,
    dev's contrastive loss, which knows no views."""
    head_epochs: int = 50
    """Of the linear stage."""
    head_learning_rate: float = 0.1
    """Of the linear stage; it stays as it is."""
    head_optimiser: str = "adam"
    """Of the linear stage: `adam`, `adamw` or `sgd`."""
    # what the classes weigh
    negative: str = "normal"
    """The class without a finding: what specificity counts, and `weigh: score` sets apart."""
    weigh: str = "classes"
    """What class_weights and balanced even out: `classes`, each alike; or `score`, the negative
    class one half and all others together the other, in proportion, as the ICBHI score counts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.choices(
            fill=("circular", "repeat", "reflect", "zeros"),
            normalise=("none", "clip", "band", "fixed", "batch"),
            rows=("frames", "bands"),
            input_norm=(True, False),
            network=NETWORKS,
            method=METHODS,
            choose_contrastive=("last", "dev_loss"),
            head_optimiser=("adam", "adamw", "sgd"),
            weigh=("classes", "score"),
            two_views=(True, False),
            random_crop=(True, False),
        )
        self.ranges(
            clip_s=(0.1, 60.0),
            f_min=(0.0, 96_000.0),
            f_max=(0.0, 96_000.0),
            width=(0.01, 4.0),
            temperature=(1e-3, 1e3),
            mean=(-1e6, 1e6),
            std=(1e-9, 1e6),
            block_dropout=(0.0, 0.9),
            hybrid_alpha=(0.0, 1.0),
            metadata_weight=(0.0, 1.0),
            head_learning_rate=(0.0, 1e3),
            n_fft=(16, 65_536),
            hop=(1, 65_536),
            n_mels=(1, 1024),
            projection=(2, 65_536),
            head_epochs=(1, 100_000),
        )
        if self.learning_rate_published is not None:
            within(
                "train_respiratory.learning_rate_published", self.learning_rate_published, 0, 1e3
            )
        if not self.f_min < self.f_max:
            raise ValueError(
                f"train_respiratory.f_min ({self.f_min:g}) must be below f_max ({self.f_max:g})"
            )
        for column in self.metadata:
            one_of("train_respiratory.metadata[]", column, METADATA)
        if self.method == "mscl" and not self.metadata:
            raise ValueError(
                "train_respiratory.metadata is empty and the method mscl compares groups of it: "
                f"name one or more of {', '.join(METADATA)}, or take the method scl"
            )
        if len(set(self.metadata)) < len(self.metadata):
            raise ValueError(f"train_respiratory.metadata names one twice, got {self.metadata}")

    @property
    def start(self) -> str | None:
        """Path of the weights to start from; None: random ones."""
        return self.published

    @property
    def views(self) -> int:
        """How often a cycle stands in a batch, each time changed by itself."""
        return 2 if self.contrastive and self.two_views else 1

    @property
    def contrastive(self) -> bool:
        """Whether a contrastive loss teaches."""
        return self.method != "sl"

    @property
    def two_stages(self) -> bool:
        """Whether the classes are learnt after the network, by a linear layer."""
        return self.method in TWO_STAGES
