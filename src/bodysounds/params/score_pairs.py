"""Parameters of `score_pairs`."""

from __future__ import annotations

from dataclasses import dataclass, field

from bodysounds.params.rules import one_of, within

SYSTEMS = ("ours", "untrained", "mfcc", "random")
CENTRED = ("ours", "pretrained", "untrained", "mfcc")


@dataclass(frozen=True)
class ScorePairsParams:
    """Which systems stand in the table, and how sides are embedded and scores normalised."""

    seed: int = 0
    systems: list[str] = field(default_factory=lambda: ["ours", "untrained", "mfcc", "random"])
    """`ours`, and any of `untrained`, `mfcc` and `random`."""
    max_side_s: float = 60.0
    """Longer sides are cut to this many seconds before they are embedded."""
    device: str = "auto"
    # the row `averaged`: ours, with test-time averaging
    shuffles: int = 0
    """n: each side's segments are shuffled n times, and a pair scores the mean of n x n cosines; 0
    leaves the row out."""
    slice_s: list[float] | None = None
    """[shortest, longest] slice of each shuffled side (seconds); null takes all of it."""
    # the row `pretrained`: a frozen encoder
    pretrained: str | None = None
    """Path of an encoder, or of a SpeechBrain folder such as spkrec-ecapa-voxceleb; null leaves
    the row out."""
    # normalisation against train subjects
    centre: list[str] = field(default_factory=lambda: ["pretrained"])
    """Systems whose embeddings have the cohort's mean subtracted."""
    cohort_subjects: int = 300
    """Most train subjects in the cohort of AS-norm and centring; 0 leaves `normalised` empty."""
    cohort_top_k: int = 100
    """Nearest cohort subjects that each side is normalised by."""
    seconds: list[float] = field(default_factory=lambda: [0.5, 1.0, 2.0, 5.0, 10.0, 30.0])
    """Lengths that sides are cut to, to show how much sound is needed; empty leaves that out."""

    def __post_init__(self) -> None:
        for system in self.systems:
            one_of("score_pairs.systems[]", system, SYSTEMS)
        for system in self.centre:
            one_of("score_pairs.centre[]", system, CENTRED)
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"score_pairs.systems names a system twice: {self.systems}")
        if "ours" not in self.systems:
            raise ValueError("score_pairs.systems must contain ours: it is what the run is about")
        within("score_pairs.max_side_s", self.max_side_s, 0.1, 3600)
        within("score_pairs.shuffles", self.shuffles, 0, 100)
        if self.slice_s is not None and not (
            len(self.slice_s) == 2 and 0.1 <= self.slice_s[0] <= self.slice_s[1]
        ):
            raise ValueError(
                "score_pairs.slice_s must be [shortest, longest] in seconds, at least 0.1, or "
                f"null, got {self.slice_s}"
            )
        within("score_pairs.cohort_subjects", self.cohort_subjects, 0, 1_000_000)
        within("score_pairs.cohort_top_k", self.cohort_top_k, 2, 1_000_000)
        for length in self.seconds:
            within("score_pairs.seconds[]", length, 0.1, 3600)
        if set(self.centre) & set(self.rows) and not self.cohort_subjects:
            raise ValueError(
                "score_pairs.centre needs a cohort: raise cohort_subjects, or empty centre"
            )

    @property
    def rows(self) -> tuple[str, ...]:
        """The systems of the table: those named, and those that a parameter switches on."""
        ours, *others = sorted(self.systems, key=SYSTEMS.index)
        averaged = ["averaged"] if self.shuffles else []
        pretrained = ["pretrained"] if self.pretrained else []
        return (ours, *averaged, *pretrained, *others)
