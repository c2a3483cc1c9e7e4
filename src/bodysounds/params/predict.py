"""Parameters of `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bodysounds.params.rules import one_of, whole_numbers, within

BASELINES = ("log_mel", "mfcc", "recording", "most_frequent")
METADATA = ("device", "sample_rate", "sex", "age_group", "location", "mode")
"""What examples may tell of a clip: columns of theirs, `device` being `domain`."""
WEIGHINGS = ("classes", "score")


@dataclass(frozen=True)
class PredictParams:
    """Which clips are classified, by which systems, and what is kept of it."""

    seed: int = 0
    baselines: Sequence[str] = field(default_factory=lambda: ["mfcc", "recording", "most_frequent"])
    """Beside ours: `log_mel`, logistic regression on what each mel band up to 2 kHz is like over
    the clip; `mfcc`, the same on MFCC mean and deviation; `recording`, on level, noise floor,
    bandwidth and duration; `most_frequent`, the train class met most."""
    audit: bool = True
    """Classify by each property of the recording alone too: the shortcut audit."""
    metadata: Sequence[str] = ()
    """And by each of these alone, where examples have it: `device`, `sample_rate`, `sex`,
    `age_group`, `location`, `mode`."""
    max_train: int = 2000
    """Train clips that are classified too, to show how far they are learnt by heart."""
    max_fit: int = 20_000
    """Train clips that a logistic regression is fitted on at most."""
    balanced: bool = False
    """Let classes weigh as `weigh` says in these fits, not as many clips as they have."""
    weigh: str = "classes"
    """`classes`: each like any other, as in balanced accuracy; `score`: the class `negative` half,
    the others together half and among themselves by their clips, as in the ICBHI score."""
    negative: str | None = None
    """The class of clips without a finding; `score` needs it."""
    max_iterations: int = 200
    """Of the fit of a logistic regression."""
    most_columns: int = 50
    """Up to so many classes, every probability is kept; beyond, the five highest."""
    device: str = "auto"

    def __post_init__(self) -> None:
        whole_numbers("predict", self)
        for name in self.baselines:
            one_of("predict.baselines", name, BASELINES)
        one_of("predict.audit", self.audit, (True, False))
        one_of("predict.balanced", self.balanced, (True, False))
        for name in self.metadata:
            one_of("predict.metadata", name, METADATA)
        one_of("predict.weigh", self.weigh, WEIGHINGS)
        if self.weigh == "score" and not isinstance(self.negative, str):
            raise ValueError(
                "predict.weigh: score needs predict.negative, the class of clips without a "
                f"finding, got {self.negative!r}: name it, such as normal, or weigh classes"
            )
        within("predict.max_train", self.max_train, 0, 10_000_000)
        within("predict.max_fit", self.max_fit, 2, 10_000_000)
        within("predict.max_iterations", self.max_iterations, 1, 100_000)
        within("predict.most_columns", self.most_columns, 2, 5_000)
