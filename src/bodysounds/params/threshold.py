"""Parameters of `threshold`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, whole_numbers, within

POLICIES = ("eer", "max_accuracy", "min_dcf", "far", "balanced", "prior")


@dataclass(frozen=True)
class ThresholdParams:
    """How scores are calibrated and the threshold is chosen, on dev."""

    seed: int = 0
    score: str = "cosine"
    """What decides: `cosine`, or `normalised` (AS-norm against the train subjects)."""
    policy: str = "eer"
    """`eer`, `max_accuracy`, `min_dcf`, `far`, `balanced` (precision equals recall), or `prior`
    (a share `prior` of the test trials is accepted; their labels are not looked at)."""
    far: float = 0.01
    """Largest false acceptance rate on dev, for the policy `far`."""
    prior: float = 0.5
    """Share of targets to expect among the test trials, for the policy `prior`."""
    p_target: float = 0.05
    """Prior probability of a target in the detection costs (minDCF, actDCF)."""
    c_miss: float = 1.0
    """Cost of a false rejection."""
    c_fa: float = 1.0
    """Cost of a false acceptance."""
    calibrate_durations: bool = False
    """The logistic calibration sees the durations of both sides beside the score."""
    calibration_folds: int = 5
    """Folds of subjects in which dev's own log-likelihood ratios are made."""
    n_bootstrap: int = 1000
    level: float = 0.95

    def __post_init__(self) -> None:
        whole_numbers("threshold", self)
        one_of("threshold.score", self.score, ("cosine", "normalised"))
        one_of("threshold.policy", self.policy, POLICIES)
        within("threshold.far", self.far, 0.0, 1.0)
        within("threshold.prior", self.prior, 0.0, 1.0)
        within("threshold.p_target", self.p_target, 1e-9, 1 - 1e-9)
        within("threshold.c_miss", self.c_miss, 1e-9, 1e9)
        within("threshold.c_fa", self.c_fa, 1e-9, 1e9)
        within("threshold.calibration_folds", self.calibration_folds, 3, 1000)
        within("threshold.n_bootstrap", self.n_bootstrap, 10, 1_000_000)
        within("threshold.level", self.level, 0.5, 0.9999)
