"""Parameters of `threshold`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, within


@dataclass(frozen=True)
class ThresholdParams:
    """How the threshold is chosen on dev."""

    seed: int = 0
    policy: str = "eer"
    """`eer`, `max_accuracy` or `far` (the highest false acceptance rate is `far`)."""
    far: float = 0.01
    """Largest false acceptance rate on dev, for the policy `far`."""
    n_bootstrap: int = 1000
    level: float = 0.95

    def __post_init__(self) -> None:
        one_of("threshold.policy", self.policy, ("eer", "max_accuracy", "far"))
        within("threshold.far", self.far, 0.0, 1.0)
        within("threshold.n_bootstrap", self.n_bootstrap, 10, 1_000_000)
        within("threshold.level", self.level, 0.5, 0.9999)
