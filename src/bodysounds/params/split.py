"""Parameters of `split`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, whole_numbers, within


@dataclass(frozen=True)
class SplitParams:
    """Who is in train, dev and test, and which pairs are compared."""

    seed: int = 0
    dev_share: float = 0.2
    """Share of the groups without a given subset that go to dev."""
    test_share: float = 0.2
    """Share of the groups without a given subset that go to test."""
    n_folds: int = 5
    """Number of folds that the groups are dealt into."""
    enrol_session: str | None = None
    """Session whose sides enrol (CryCeleb: B); null compares every unordered pair."""
    test_session: str | None = None
    """Session whose sides are tested (CryCeleb: D); goes with enrol_session."""
    within_domain: bool = False
    """Compare sides of one domain only (device, platform, codec)."""
    session_gap_s: float = 3600.0
    """Recordings closer in time than this are one session, where only times are known (seconds)."""
    negatives: str = "all"
    """Non-targets of a generated subset: `all`; `balanced`, drawn so that subjects appear equally
    often; or `hard`, the same among pairs of equal sex, age and domain where these are known."""
    negatives_per_target: int = 1
    """Non-targets drawn for each target, for balanced and hard."""
    max_trials: int | None = None
    """Upper bound of the trials of a subset; non-targets beyond it are dropped at random."""

    def __post_init__(self) -> None:
        whole_numbers("split", self)
        within("split.dev_share", self.dev_share, 0.0, 1.0)
        within("split.test_share", self.test_share, 0.0, 1.0)
        if self.dev_share + self.test_share > 1:
            raise ValueError(
                f"split.dev_share + split.test_share must not exceed 1, got "
                f"{self.dev_share} + {self.test_share}"
            )
        within("split.n_folds", self.n_folds, 2, 1000)
        if (self.enrol_session is None) != (self.test_session is None):
            raise ValueError(
                "split.enrol_session and split.test_session go together: set both or neither, "
                f"got {self.enrol_session!r} and {self.test_session!r}"
            )
        one_of("split.negatives", self.negatives, ("all", "balanced", "hard"))
        within("split.negatives_per_target", self.negatives_per_target, 1, 1_000_000)
        if self.max_trials is not None and self.max_trials < 1:
            raise ValueError(f"split.max_trials must be at least 1 or null, got {self.max_trials}")
