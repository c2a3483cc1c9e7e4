"""Parameters of `report_classes`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, whole_numbers, within

HEARD = {
    "across_sessions": "same_session",
    "unseen_source": "heard_source",
    "unseen_patient": "heard_patient",
}
"""For each condition of test clips that are new to training, the one that it knows."""
HEADLINES = ("accuracy", "balanced_accuracy", "score")


@dataclass(frozen=True)
class ReportClassesParams:
    """What the report of a classifier headlines and how its intervals are drawn."""

    seed: int = 0
    n_bootstrap: int = 1000
    """Resamples of the sessions behind each interval."""
    level: float = 0.95
    headline: str = "accuracy"
    """The rate that is headlined, compared and audited: `accuracy`, `balanced_accuracy`, or
    `score`, the mean of sensitivity and specificity of the ICBHI 2017 challenge."""
    negative: str | None = None
    """The class that is not abnormal, such as normal; `score` needs one, other rates none."""
    condition: str = "across_sessions"
    """Test clips that the headline counts, where there are some: `all`, or those of which training
    heard no `across_sessions`, `unseen_source` or `unseen_patient`."""
    n_confusions: int = 20
    """Most frequent confusions that the page lists."""
    most_matrix: int = 60
    """Classes of the confusion figure; of more, those that are confused most."""
    n_bins: int = 10
    """Of confidence, in reliability diagrams and the expected calibration error."""
    audio: int = 0
    """Surest errors whose sound is put into the page, up to twenty; 0: no sound. People may be
    recognised by it, and where the licence allows no excerpts there is none."""

    def __post_init__(self) -> None:
        whole_numbers("report_classes", self)
        within("report_classes.n_bootstrap", self.n_bootstrap, 10, 1_000_000)
        within("report_classes.level", self.level, 0.5, 0.9999)
        one_of("report_classes.headline", self.headline, HEADLINES)
        if self.headline == "score" and not self.negative:
            raise ValueError(
                "report_classes.negative must name the class that is not abnormal, such as normal, "
                "where report_classes.headline is score"
            )
        one_of("report_classes.condition", self.condition, (*HEARD, "all"))
        within("report_classes.n_confusions", self.n_confusions, 1, 100_000)
        within("report_classes.most_matrix", self.most_matrix, 2, 300)
        within("report_classes.audio", self.audio, 0, 20)
        within("report_classes.n_bins", self.n_bins, 2, 100)
