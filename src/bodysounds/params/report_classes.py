"""Parameters of `report_classes`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, within


@dataclass(frozen=True)
class ReportClassesParams:
    """What the report of a classifier headlines and how its intervals are drawn."""

    seed: int = 0
    n_bootstrap: int = 1000
    """Resamples of the sessions behind each interval."""
    level: float = 0.95
    condition: str = "across_sessions"
    """Test clips that the headline counts, where there are some: `across_sessions` or `all`."""
    n_confusions: int = 20
    """Most frequent confusions that the page lists."""
    most_matrix: int = 60
    """Classes of the confusion figure; of more, those that are confused most."""

    def __post_init__(self) -> None:
        within("report_classes.n_bootstrap", self.n_bootstrap, 10, 1_000_000)
        within("report_classes.level", self.level, 0.5, 0.9999)
        one_of("report_classes.condition", self.condition, ("across_sessions", "all"))
        within("report_classes.n_confusions", self.n_confusions, 1, 100_000)
        within("report_classes.most_matrix", self.most_matrix, 2, 300)
