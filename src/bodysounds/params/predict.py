"""Parameters of `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bodysounds.params.rules import one_of, within

BASELINES = ("mfcc", "recording", "most_frequent")


@dataclass(frozen=True)
class PredictParams:
    """Which clips are classified, by which systems, and what is kept of it."""

    seed: int = 0
    baselines: Sequence[str] = field(default_factory=lambda: list(BASELINES))
    """Beside ours: `mfcc`, logistic regression on MFCC mean and deviation; `recording`, the same
    on level, noise floor, bandwidth and duration; `most_frequent`, the train class met most."""
    audit: bool = True
    """Classify by each property of the recording alone too: the shortcut audit."""
    max_train: int = 2000
    """Train clips that are classified too, to show how far they are learnt by heart."""
    max_fit: int = 20_000
    """Train clips that a logistic regression is fitted on at most."""
    balanced: bool = False
    """Let all classes weigh equally in these fits, as balanced accuracy does, not all clips."""
    max_iterations: int = 200
    """Of the fit of a logistic regression."""
    most_columns: int = 50
    """Up to so many classes, every probability is kept; beyond, the five highest."""
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in self.baselines:
            one_of("predict.baselines", name, BASELINES)
        one_of("predict.audit", self.audit, (True, False))
        one_of("predict.balanced", self.balanced, (True, False))
        within("predict.max_train", self.max_train, 0, 10_000_000)
        within("predict.max_fit", self.max_fit, 2, 10_000_000)
        within("predict.max_iterations", self.max_iterations, 1, 100_000)
        within("predict.most_columns", self.most_columns, 2, 5_000)
