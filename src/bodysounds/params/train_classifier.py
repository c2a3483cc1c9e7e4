"""Parameters of `train_classifier`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bodysounds.params.rules import one_of, within
from bodysounds.params.train_base import TrainBaseParams

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
CENTER_OPTIMISERS = ("adagrad", "adam", "sgd")


@dataclass(frozen=True)
class TrainClassifierParams(TrainBaseParams):
    """The image that a network sees, the network, and how it learns to name speakers.

    The stages that `freeze` may name are `stem` and `layer1` to `layer4`.
    """

    stage: ClassVar[str] = "train_classifier"

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
    # the contrastive-center loss
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

    def __post_init__(self) -> None:
        super().__post_init__()
        self.choices(
            fill=("repeat", "zeros"),
            normalise=("per_frequency", "min_max"),
            ccl_optimiser=CENTER_OPTIMISERS,
            ccl_ratio=("item", "batch"),
            log=(True, False),
        )
        self.ranges(
            clip_s=(0.1, 60.0),
            win_s=(0.001, 1.0),
            hop_s=(0.001, 1.0),
            ccl_reg=(0.0, 1e9),
            ccl_learning_rate=(0.0, 1e3),
            ccl_delta=(1e-12, 1e9),
            n_fft=(16, 65_536),
            size=(16, 4096),
            width=(1, 1024),
        )
        if self.dim is not None:
            within("train_classifier.dim", self.dim, 2, 65_536)
        for stage in self.freeze:
            one_of("train_classifier.freeze[]", stage, STAGES)

    @property
    def start(self) -> str | None:
        """Path of the weights to start from; None: random ones."""
        return self.init_from
