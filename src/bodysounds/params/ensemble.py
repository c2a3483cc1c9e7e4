"""Parameters of `ensemble`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bodysounds.params.rules import one_of, whole_numbers, within
from bodysounds.scoring.events import EventRules

AIMS = ("none", "fixed", "coverage", "selective_error")
COMBINATIONS = ("average", "weighted", "vote", "meta")


@dataclass(frozen=True)
class EnsembleParams:
    """How members become one answer, when there is none, and what a stream's events are."""

    seed: int = 0
    choose: str = "auto"
    """What answers: `auto`, what does best on dev; or `average`, `weighted`, `vote`, `meta`, or a
    member by its name."""
    choose_by: str = "balanced_accuracy"
    """What `auto` compares on dev: `balanced_accuracy` (of equals, the lower log loss), or
    `log_loss`."""
    meta_c: float = 0.02
    """How far the meta-classifier's coefficients may be from those of the mean log-probability: the
    variance of their prior."""
    abstain: str = "selective_error"
    """When there is no answer: `none`; `fixed`, below this probability; `coverage`, so that this
    share of dev is answered; `selective_error`, so that this share of dev's answers is wrong."""
    abstain_value: float = 0.02
    """The probability or share that `abstain` speaks of."""
    n_bins: int = 10
    """Of the expected calibration error."""
    hop_share: float = 0.5
    """Step from one frame of a longer recording to the next, in frames."""
    min_s: float = 0.1
    """Seconds; a shorter recording gets no answer."""
    silence_dbfs: float = -80.0
    """A recording whose peak is lower gets no answer (dB full scale)."""
    clipped_share: float = 0.5
    """A recording of which more samples are at full scale gets no answer."""
    events: dict[str, Any] = field(
        default_factory=lambda: {
            "onset": 0.6, "offset": 0.4, "min_s": 0.0, "merge_s": 0.0, "quiet": "normal"
        }
    )  # fmt: skip
    """Of a stream: onset and offset (probabilities), min_s, merge_s (seconds), and the label that
    is no event."""

    def __post_init__(self) -> None:
        whole_numbers("ensemble", self)
        if not isinstance(self.choose, str) or not self.choose:
            raise ValueError(
                f"ensemble.choose must be auto, {', '.join(COMBINATIONS)} or a member's name, "
                f"got {self.choose!r}"
            )
        one_of("ensemble.choose_by", self.choose_by, ("balanced_accuracy", "log_loss"))
        one_of("ensemble.abstain", self.abstain, AIMS)
        for name, low, high in (
            ("meta_c", 1e-6, 1e6),
            ("abstain_value", 0.0, 1.0),
            ("n_bins", 1, 1000),
            ("hop_share", 0.01, 1.0),
            ("min_s", 0.001, 60.0),
            ("silence_dbfs", -200.0, 0.0),
            ("clipped_share", 0.0, 1.0),
        ):
            within(f"ensemble.{name}", getattr(self, name), low, high)
        if not isinstance(self.events, Mapping):
            raise ValueError(f"ensemble.events must be names with their values, got {self.events}")
        try:
            EventRules(**self.events)
        except (TypeError, ValueError) as error:
            raise ValueError(f"ensemble.events: {error}") from error

    @property
    def usable(self) -> dict[str, float]:
        """What a recording must be to get an answer, as the rule has it."""
        names = ("min_s", "silence_dbfs", "clipped_share")
        return {name: getattr(self, name) for name in names}
