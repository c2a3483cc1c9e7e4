"""The parameters of every stage: one frozen dataclass each, checked when it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any


def plain(parameters: Any) -> Any:
    """Return parameters as plain dictionaries and lists, the dataclasses below any key unfolded."""
    if is_dataclass(parameters) and not isinstance(parameters, type):
        return asdict(parameters)
    if isinstance(parameters, Mapping):
        return {key: plain(value) for key, value in parameters.items()}
    return parameters


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value!r}")


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")


@dataclass(frozen=True)
class IngestParams:
    """How a folder of recordings becomes a manifest."""

    seed: int = 0
    """Unused by the readers themselves; recorded with the run."""
    min_duration_s: float = 0.05
    """Shorter recordings are rejected (seconds)."""
    silence_dbfs: float = -80.0
    """A recording whose peak stays below this level is rejected as silent (dB full scale)."""
    max_rejected_share: float = 0.1
    """The run stops when more than this share of the listed files is rejected."""
    workers: int = 0
    """Threads that read and hash; 0 takes every core."""

    def __post_init__(self) -> None:
        _within("ingest.min_duration_s", self.min_duration_s, 0.0, 60.0)
        _within("ingest.silence_dbfs", self.silence_dbfs, -200.0, 0.0)
        _within("ingest.max_rejected_share", self.max_rejected_share, 0.0, 1.0)
        _within("ingest.workers", self.workers, 0, 1024)


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
    max_trials: int | None = None
    """Upper bound of the trials of a subset; non-targets beyond it are dropped at random."""

    def __post_init__(self) -> None:
        _within("split.dev_share", self.dev_share, 0.0, 1.0)
        _within("split.test_share", self.test_share, 0.0, 1.0)
        if self.dev_share + self.test_share > 1:
            raise ValueError(
                f"split.dev_share + split.test_share must not exceed 1, got "
                f"{self.dev_share} + {self.test_share}"
            )
        _within("split.n_folds", self.n_folds, 2, 1000)
        if (self.enrol_session is None) != (self.test_session is None):
            raise ValueError(
                "split.enrol_session and split.test_session go together: set both or neither, "
                f"got {self.enrol_session!r} and {self.test_session!r}"
            )
        if self.max_trials is not None and self.max_trials < 1:
            raise ValueError(f"split.max_trials must be at least 1 or null, got {self.max_trials}")


@dataclass(frozen=True)
class FeaturizeParams:
    """How recordings become packed waveforms and descriptors."""

    seed: int = 0
    sample_rate: int = 16_000
    """Every recording is resampled to this rate (Hz)."""
    n_mfcc: int = 20
    """Cepstral coefficients whose mean and deviation describe a segment."""
    workers: int = 0
    """Threads that decode; 0 takes every core."""

    def __post_init__(self) -> None:
        _within("featurize.sample_rate", self.sample_rate, 4_000, 192_000)
        _within("featurize.n_mfcc", self.n_mfcc, 2, 40)


@dataclass(frozen=True)
class TrainEmbeddingParams:
    """The network, what it is asked to do, and how long it learns."""

    seed: int = 0
    # the network
    front_end: str = "speechbrain"
    """80-band log-mel: `speechbrain` (as its Fbank) or `kaldi` (as its fbank)."""
    n_mels: int = 80
    mean_over: str = "band"
    """`band` subtracts each band's mean over time, `clip` one mean of all (only the level goes)."""
    channels: int = 128
    """Channels of each SE-Res2 block; the last layer has three times as many."""
    depth: int = 3
    """Number of SE-Res2 blocks."""
    dim: int = 128
    """Size of the embedding."""
    init_from: str | None = None
    """Path of an encoder to start from (a .safetensors file or a folder of versions)."""
    # what it learns
    losses: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "aam", "weight": 1.0, "margin": 0.2, "scale": 30.0}]
    )
    """Weighted sum of losses: `aam` (margin, scale) and `triplet` (margin)."""
    augment: list[dict[str, Any]] = field(default_factory=list)
    """Augmentations in order: `tilt`, `noise`, `spec_augment`, each with its options."""
    # batches
    subjects_per_batch: int = 16
    """P: different subjects in a batch."""
    crops_per_subject: int = 4
    """K: crops of each, from different sessions where there are several."""
    crop_s: list[float] = field(default_factory=lambda: [2.0, 3.0])
    """Shortest and longest crop; one length is drawn a batch (seconds)."""
    # schedule
    epochs: int = 20
    passes_per_epoch: int = 1
    """Times each subject is drawn in an epoch."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_share: float = 0.1
    """Share of the steps over which the learning rate rises before its cosine descent."""
    clip_norm: float = 5.0
    # machine
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    precision: str = "auto"
    """`auto` (bf16 where the chip has it), `bf16` or `float32`."""
    checkpoint_every: int = 50
    """Steps between checkpoints inside an epoch."""
    work_dir: str = "data/.work"
    """Where checkpoints in flight live."""

    def __post_init__(self) -> None:
        _one_of("train_embedding.front_end", self.front_end, ("speechbrain", "kaldi"))
        _one_of("train_embedding.mean_over", self.mean_over, ("band", "clip"))
        _one_of("train_embedding.precision", self.precision, ("auto", "bf16", "float32"))
        _within("train_embedding.channels", self.channels, 8, 4096)
        if self.channels % 8:
            raise ValueError(
                f"train_embedding.channels must be a multiple of 8, got {self.channels}"
            )
        _within("train_embedding.depth", self.depth, 1, 8)
        _within("train_embedding.dim", self.dim, 2, 4096)
        _within("train_embedding.epochs", self.epochs, 1, 100_000)
        _within("train_embedding.subjects_per_batch", self.subjects_per_batch, 2, 65_536)
        _within("train_embedding.crops_per_subject", self.crops_per_subject, 2, 1024)
        if len(self.crop_s) != 2 or not 0.1 <= self.crop_s[0] <= self.crop_s[1]:
            raise ValueError(
                "train_embedding.crop_s must be [shortest, longest] in seconds, at least 0.1, "
                f"got {self.crop_s}"
            )
        _within("train_embedding.warmup_share", self.warmup_share, 0.0, 0.9)
        if not self.losses:
            raise ValueError("train_embedding.losses is empty: name at least one of aam, triplet")
        for loss in self.losses:
            _one_of("train_embedding.losses[].name", loss.get("name"), ("aam", "triplet"))
        for step in self.augment:
            _one_of(
                "train_embedding.augment[].name",
                step.get("name"),
                ("tilt", "noise", "spec_augment"),
            )


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
            _one_of("score_pairs.systems[]", system, ("ours", "untrained", "mfcc", "random"))
        if "ours" not in self.systems:
            raise ValueError("score_pairs.systems must contain ours: it is what the run is about")
        _within("score_pairs.max_side_s", self.max_side_s, 0.1, 3600)


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
        _one_of("threshold.policy", self.policy, ("eer", "max_accuracy", "far"))
        _within("threshold.far", self.far, 0.0, 1.0)
        _within("threshold.n_bootstrap", self.n_bootstrap, 10, 1_000_000)
        _within("threshold.level", self.level, 0.5, 0.9999)


@dataclass(frozen=True)
class ReportParams:
    """What the report headlines and how its intervals are drawn."""

    seed: int = 0
    n_bootstrap: int = 1000
    """Resamples of the subjects behind each interval."""
    level: float = 0.95
    condition: str = "across_sessions"
    """Trials that the headline counts: `across_sessions` or `all`."""
    weighting: str = "trial"
    """The headline weighs each `trial` or each `subject` equally; both are in metrics.json."""

    def __post_init__(self) -> None:
        _within("report.n_bootstrap", self.n_bootstrap, 10, 1_000_000)
        _within("report.level", self.level, 0.5, 0.9999)
        _one_of("report.condition", self.condition, ("across_sessions", "all"))
        _one_of("report.weighting", self.weighting, ("trial", "subject"))
