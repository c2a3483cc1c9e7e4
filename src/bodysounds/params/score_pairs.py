"""Parameters of `score_pairs`."""

from __future__ import annotations

from dataclasses import dataclass, field

from bodysounds.params.rules import one_of, within


@dataclass(frozen=True)
class ScorePairsParams:
    """Which systems stand in the table, and how sides are embedded."""

    seed: int = 0
    systems: list[str] = field(default_factory=lambda: ["ours", "untrained", "mfcc", "random"])
    max_side_s: float = 60.0
    """Longer sides are cut to this many seconds before they are embedded."""
    device: str = "auto"

    def __post_init__(self) -> None:
        for system in self.systems:
            one_of("score_pairs.systems[]", system, ("ours", "untrained", "mfcc", "random"))
        if "ours" not in self.systems:
            raise ValueError("score_pairs.systems must contain ours: it is what the run is about")
        within("score_pairs.max_side_s", self.max_side_s, 0.1, 3600)
