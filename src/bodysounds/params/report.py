"""Parameters of `report`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, whole_numbers, within


@dataclass(frozen=True)
class ReportParams:
    """What the report headlines and how its intervals are drawn."""

    seed: int = 0
    n_bootstrap: int = 1000
    """Resamples of the subjects behind each interval."""
    level: float = 0.95
    condition: str = "across_sessions"
    """Trials that the headline counts: `across_sessions` or `all`."""
    weighting: str = "trial"
    """The headline weighs each `trial` or each `subject` equally; both are in metrics.json."""
    min_subjects: int = 10
    """A group of fewer subjects with target pairs is counted, not rated."""
    n_failures: int = 20
    """Worst errors listed of each kind."""
    audio: int = 0
    """Worst errors of each kind whose sound is put into the page, up to ten; 0: no sound. People
    may be recognised by it, and where the licence allows no excerpts there is none."""

    def __post_init__(self) -> None:
        whole_numbers("report", self)
        within("report.min_subjects", self.min_subjects, 2, 1_000_000)
        within("report.n_failures", self.n_failures, 0, 100_000)
        within("report.audio", self.audio, 0, 10)
        within("report.n_bootstrap", self.n_bootstrap, 10, 1_000_000)
        within("report.level", self.level, 0.5, 0.9999)
        one_of("report.condition", self.condition, ("across_sessions", "all"))
        one_of("report.weighting", self.weighting, ("trial", "subject"))
