"""Parameters of `score_pairs`."""

from __future__ import annotations

from dataclasses import dataclass, field

from bodysounds.params.rules import one_of, whole_numbers, within

MODES = ("whole", "windows", "loud", "first")
BACKENDS = ("plain", "network", "statistics")
SYSTEMS = ("ours", *MODES, *BACKENDS, "untrained", "mfcc", "random")
CENTRED = ("ours", "pretrained", "untrained", "mfcc")
VARIANTS = ("unfiltered", "averaged", *MODES, *BACKENDS)
"""Rows of the encoder of ours, heard or scored in another way, or a part of it."""


@dataclass(frozen=True)
class ScorePairsParams:
    """Which systems stand in the table, and how sides are embedded and scores normalised."""

    seed: int = 0
    systems: list[str] = field(default_factory=lambda: ["ours", "untrained", "mfcc", "random"])
    """`ours`, and any of `untrained`, `mfcc` and `random`; `whole`, `windows`, `loud` and `first`
    are the encoder of ours in that mode of `embed`; `plain` is ours without its backend, and
    `network` and `statistics` are the parts of the backend alone."""
    max_side_s: float = 60.0
    """Longer sides are cut to this many seconds before they are embedded."""
    device: str = "auto"
    precision: str = "auto"
    """`bf16` or `float32`; auto takes bf16 for large networks on a chip that has it."""
    # what of a side every network hears; `averaged` hears its shuffled segments
    embed: str = "whole"
    """`whole`; `windows`: the mean of the embeddings of short windows; `loud`: the loudest frames
    of 25 ms, joined; `first`: the first seconds."""
    window_s: float = 1.5
    """Length of a window; a shorter side is one window."""
    hop_s: float = 0.75
    """From the start of a window to that of the next; the last one ends with the side."""
    loud_share: float = 0.5
    """Share of the frames that `loud` keeps."""
    first_s: float = 2.0
    """Seconds that `first` keeps."""
    # pairs of two sexes
    sex_filter: str | None = None
    """Pairs whose sides differ in sex get the lowest score from ours, and the row `unfiltered`
    shows ours without that. `known`: as the manifest says of both sides; `classifier`: as a
    logistic classifier is sure of, learnt on the cohort's embeddings and known sex; null: none."""
    sex_certainty: float = 0.9
    """Probability above which the classifier is sure of a side's sex."""
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
    # how the work is dealt out
    shards: int = 1
    """Parts that the sides of a system are embedded in, each kept as soon as it is done: on the
    workers of Dask where the node runs on one, else one after the other."""
    work_dir: str = "data/.work"
    """Holds the parts until all systems are scored."""

    def __post_init__(self) -> None:
        whole_numbers("score_pairs", self)
        for system in self.systems:
            one_of("score_pairs.systems[]", system, SYSTEMS)
        for system in self.centre:
            one_of("score_pairs.centre[]", system, CENTRED)
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"score_pairs.systems names a system twice: {self.systems}")
        if "ours" not in self.systems:
            raise ValueError("score_pairs.systems must contain ours: it is what the run is about")
        within("score_pairs.shards", self.shards, 1, 100_000)
        within("score_pairs.max_side_s", self.max_side_s, 0.1, 3600)
        one_of("score_pairs.precision", self.precision, ("auto", "bf16", "float32"))
        one_of("score_pairs.embed", self.embed, MODES)
        within("score_pairs.window_s", self.window_s, 0.1, 3600)
        within("score_pairs.hop_s", self.hop_s, 0.01, 3600)
        if self.hop_s > self.window_s:
            raise ValueError(
                f"score_pairs.hop_s must not exceed window_s, got {self.hop_s} and "
                f"{self.window_s}: what lies between two windows would not be heard"
            )
        within("score_pairs.loud_share", self.loud_share, 0.01, 1)
        within("score_pairs.first_s", self.first_s, 0.1, 3600)
        if self.sex_filter is not None and self.sex_filter not in ("known", "classifier"):
            raise ValueError(
                "score_pairs.sex_filter must be one of known, classifier, or null, got "
                f"{self.sex_filter!r}"
            )
        within("score_pairs.sex_certainty", self.sex_certainty, 0.5, 1)
        if self.sex_filter == "classifier" and not self.cohort_subjects:
            raise ValueError(
                "score_pairs.sex_filter: classifier learns from the cohort: raise "
                "cohort_subjects, or set sex_filter to known or null"
            )
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
        modes = [system for system in others if system in (*MODES, *BACKENDS)]
        unfiltered = ["unfiltered"] if self.sex_filter else []
        averaged = ["averaged"] if self.shuffles else []
        pretrained = ["pretrained"] if self.pretrained else []
        return (ours, *unfiltered, *averaged, *modes, *pretrained, *others[len(modes) :])
