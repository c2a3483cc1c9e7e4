"""Parameters of `split_patients`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, whole_numbers, within

PROTOCOLS = ("official", "published", "patients")


@dataclass(frozen=True)
class SplitPatientsParams:
    """Which patients train, choose and test, and in which fold each is."""

    seed: int = 0
    protocol: str = "official"
    """`official`: the corpus's own halves, and patients of train choose the epoch. `published`:
    the same halves, and the test half chooses, as the literature does, which flatters.
    `patients`: patients are dealt anew, whatever the corpus says."""
    strict: bool = False
    """Leave out whom the corpus's own split has in both halves."""
    dev_share: float = 0.2
    """Share of the train patients that choose the epoch."""
    test_share: float = 0.2
    """Share of the patients that are test, of the protocol `patients`."""
    folds: int = 5
    """Parts into which all patients are dealt, for cross-validation."""
    folds_from: str = "dealt"
    """`dealt`, each class apart, or those that the corpus has `published`."""

    def __post_init__(self) -> None:
        whole_numbers("split_patients", self)
        one_of("split_patients.protocol", self.protocol, PROTOCOLS)
        one_of("split_patients.strict", self.strict, (True, False))
        within("split_patients.dev_share", self.dev_share, 0.01, 0.9)
        within("split_patients.test_share", self.test_share, 0.01, 0.9)
        within("split_patients.folds", self.folds, 2, 100)
        one_of("split_patients.folds_from", self.folds_from, ("dealt", "published"))
