"""Parameters of `train_wav2vec2`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from bodysounds.params.train_member import TrainMemberParams


@dataclass(frozen=True)
class TrainWav2vec2Params(TrainMemberParams):
    """Wav2Vec2, and how it learns new classes.

    The stages that `freeze` may name are those of its architecture: `feature_encoder`, its layers,
    and `projector`. `published` is a Hugging Face folder, or a name on its hub.
    """

    stage: ClassVar[str] = "train_wav2vec2"

    config: dict[str, Any] = field(default_factory=dict)
    """The network's configuration, by the names of transformers' Wav2Vec2Config, where its weights
    are random; published ones bring their own."""
    changes: dict[str, Any] = field(default_factory=dict)
    """What to change of the configuration of published weights, such as layerdrop."""
    normalise: bool = True
    """Each waveform to mean 0 and variance 1, as the published feature extractors do."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.choices(normalise=(True, False))
