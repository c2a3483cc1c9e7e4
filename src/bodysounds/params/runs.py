"""Parameters of `runs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bodysounds.params.rules import one_of, whole_numbers, within
from bodysounds.params.train_respiratory import METHODS


@dataclass(frozen=True)
class RunsParams:
    """Which of the branches that are there for folds and seeds really train."""

    seed: int = 0
    """Added to the seed of the training; run k of several adds k besides."""
    methods: Sequence[str] = field(default_factory=lambda: list(METHODS))
    """Of `sl`, `scl`, `hybrid` and `mscl`, those that are trained and compared."""
    n_seeds: int = 10
    """Runs of each method, up to the ten branches there are."""
    by_cycle: bool = True
    """Train the folds dealt by random cycle too: what a split that leaks would claim."""

    def __post_init__(self) -> None:
        whole_numbers("runs", self)
        if isinstance(self.methods, str) or not self.methods:
            raise ValueError(f"runs.methods must be a list of methods, got {self.methods!r}")
        for name in self.methods:
            one_of("runs.methods[]", name, METHODS)
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"runs.methods names one twice, got {self.methods!r}")
        within("runs.n_seeds", self.n_seeds, 1, 10)
        one_of("runs.by_cycle", self.by_cycle, (True, False))
