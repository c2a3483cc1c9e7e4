"""Parameters of `train_embedding`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bodysounds.losses.options import check_losses
from bodysounds.models.stages import stages_of
from bodysounds.params.rules import one_of, whole_numbers, within
from bodysounds.training.schedule import check_schedule

# what the published triplet solution did wrong, each a switch for those who repeat its figure
DEFECTS = (
    "draw_with_replacement",
    "pad_crops",
    "frozen_batch_norm",
    "validation_gradients",
    "choose_by_loss",
    "no_seed",
)
# losses that need two crops of a subject in a batch
OF_PAIRS = ("triplet", "supcon")
TRAIN_AND_DEV = "train+dev"


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
    """Path of an encoder to start from: a .safetensors file, a folder of versions, or a folder of
    SpeechBrain's."""
    init_strict: bool = True
    """Every weight must fit; false loads those that do, and says which did not."""
    head_from_means: bool = False
    """The classes of the loss aam begin at the mean embeddings that init_from gives the subjects of
    train, instead of anywhere."""
    freeze: list[str] = field(default_factory=list)
    """Stages of the network that stay as init_from has them, batch norms too: `block_0` to
    `block_<depth>`, `join`, `pooling`, `embedding`."""
    layer_decay: float = 1.0
    """A stage learns at learning_rate * layer_decay ** (stages above it); losses at the whole."""
    # who teaches, and who validates
    min_seconds_per_subject: float = 0.0
    """Subjects with less audio in all (seconds) teach nothing."""
    train_session: str | None = None
    """Only this session's sides teach, of the subjects that have it; null takes every session."""
    validate_session: str | None = None
    """This session of the same subjects validates; only subjects that have both take part."""
    validation_share: float = 0.0
    """Share of train's groups that teach nothing and validate."""
    join_sessions: bool = False
    """Crops are cut from all segments of a subject, whatever the session, as one recording."""
    # what it learns
    losses: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "aam", "weight": 1.0, "margin": 0.2, "scale": 30.0}]
    )
    """Weighted sum of losses: `aam`, `triplet` and `supcon`, each with its options."""
    unit_length: bool = False
    """The losses see embeddings of unit length; matters to euclidean distances alone."""
    augment: list[dict[str, Any]] = field(default_factory=list)
    """Augmentations in order: `tilt`, `noise`, `spec_augment`, each with its options."""
    speeds: list[float] = field(default_factory=lambda: [1.0])
    """Subjects are heard at these speeds, one drawn for each subject of a batch, pitch and formants
    moving along; at another speed than 1 a subject counts as another subject."""
    # batches
    subjects_per_batch: int = 16
    """P: different subjects in a batch."""
    crops_per_subject: int = 4
    """K: crops of each, from different sessions where there are several; triplet and supcon need
    2."""
    crop_s: list[float] = field(default_factory=lambda: [2.0, 3.0])
    """Shortest and longest crop; one length is drawn a batch (seconds)."""
    # how long, and how fast
    epochs: int = 20
    """At most this many."""
    passes_per_epoch: int = 1
    """Times each subject is drawn in an epoch."""
    audio_budget_s: float | None = None
    """Training ends once crops of this many seconds in all were heard; null: after the epochs."""
    optimiser: str = "adamw"
    """`adam` (weight decay as a part of the gradient) or `adamw` (apart from it)."""
    learning_rate: float = 1e-3
    """The highest."""
    weight_decay: float = 1e-4
    schedule: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "warmup_cosine", "warmup_share": 0.1}]
    )
    """One of `warmup_cosine` (warmup_share), `cyclic` (base_lr, step_size), `plateau` (factor,
    patience; follows the validation loss, or dev's EER where nothing validates), `constant`."""
    clip_norm: float | None = 5.0
    """Longest gradient; null leaves it as it is."""
    # what is handed over
    keep_best: int = 1
    """Best epochs whose weights are kept beside the encoder."""
    average_best: bool | str = False
    """Hand over the mean of their weights: true, false, or `auto`, where dev's EER decides."""
    refit: str | None = None
    """`train+dev` trains anew on both for as many epochs as dev chose; null hands over dev's
    choice."""
    defects: list[str] = field(default_factory=list)
    """Faults of the published triplet solution, to repeat its figure: `draw_with_replacement`,
    `pad_crops`, `frozen_batch_norm`, `validation_gradients`, `choose_by_loss`, `no_seed`."""
    backend: list[str] = field(default_factory=list)
    """A linear discriminant backend, fitted on train at the end and saved with the encoder: on the
    embeddings (`network`), on the long-term statistics of the log-mel features, which know the
    microphone too (`statistics`), or on both; dev chooses shrinkage and shares."""
    # machine
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    precision: str = "auto"
    """`auto` (bf16 where the chip has it), `bf16` or `float32`."""
    processes: int = 1
    """Processes that share each batch, one a GPU where there are; 0: as many as there are GPUs, and
    one without. It ends as one process does, but for rounding."""
    checkpoint_every: int = 50
    """Steps between checkpoints."""
    work_dir: str = "data/.work"
    """Where checkpoints in flight live."""

    def __post_init__(self) -> None:
        whole_numbers("train_embedding", self)
        one_of("train_embedding.front_end", self.front_end, ("speechbrain", "kaldi"))
        one_of("train_embedding.mean_over", self.mean_over, ("band", "clip"))
        one_of("train_embedding.precision", self.precision, ("auto", "bf16", "float32"))
        one_of("train_embedding.optimiser", self.optimiser, ("adam", "adamw"))
        one_of("train_embedding.refit", self.refit, (None, TRAIN_AND_DEV))
        one_of("train_embedding.average_best", self.average_best, (True, False, "auto"))
        within("train_embedding.n_mels", self.n_mels, 1, 1024)
        within("train_embedding.channels", self.channels, 8, 4096)
        if self.channels % 8:
            raise ValueError(
                f"train_embedding.channels must be a multiple of 8, got {self.channels}"
            )
        within("train_embedding.depth", self.depth, 1, 8)
        within("train_embedding.dim", self.dim, 2, 4096)
        within("train_embedding.epochs", self.epochs, 1, 100_000)
        within("train_embedding.passes_per_epoch", self.passes_per_epoch, 1, 100_000)
        within("train_embedding.subjects_per_batch", self.subjects_per_batch, 2, 65_536)
        within("train_embedding.crops_per_subject", self.crops_per_subject, 1, 1024)
        within("train_embedding.processes", self.processes, 0, 1024)
        if self.processes != 1 and self.device.startswith("cuda:"):
            raise ValueError(
                f"train_embedding.device {self.device!r} is one GPU and processes is "
                f"{self.processes}, each with one of its own: give device: cuda, or processes: 1"
            )
        within("train_embedding.keep_best", self.keep_best, 1, 100)
        within("train_embedding.checkpoint_every", self.checkpoint_every, 1, 1_000_000)
        if len(self.crop_s) != 2 or not 0.1 <= self.crop_s[0] <= self.crop_s[1]:
            raise ValueError(
                "train_embedding.crop_s must be [shortest, longest] in seconds, at least 0.1, "
                f"got {self.crop_s}"
            )
        for name in ("audio_budget_s", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"train_embedding.{name} must be above 0 or null, got {value!r}")
        for step in self.augment:
            one_of(
                "train_embedding.augment[].name",
                step.get("name"),
                ("tilt", "noise", "spec_augment"),
            )
        self._check_speeds()
        self._check_fine_tuning()
        for part in self.backend:
            one_of("train_embedding.backend[]", part, ("network", "statistics"))
        for name in self.defects:
            one_of("train_embedding.defects[]", name, DEFECTS)
        check_schedule(self.schedule, self.learning_rate)
        losses = check_losses(self.losses)
        self._check_pairs([name for name in losses if name in OF_PAIRS])
        self._check_validation("aam" in losses)

    def _check_fine_tuning(self) -> None:
        names = tuple(stages_of({"name": "ecapa", "depth": self.depth}))
        for stage in self.freeze:
            one_of("train_embedding.freeze[]", stage, names)
        if set(self.freeze) == set(names):
            raise ValueError(
                "train_embedding.freeze names every stage, so that nothing of the network would "
                "learn: leave one out"
            )
        within("train_embedding.layer_decay", self.layer_decay, 0.01, 1.0)
        within("train_embedding.min_seconds_per_subject", self.min_seconds_per_subject, 0.0, 1e6)
        one_of("train_embedding.head_from_means", self.head_from_means, (True, False))
        if self.head_from_means and "aam" not in [loss.get("name") for loss in self.losses]:
            raise ValueError(
                "train_embedding.head_from_means sets the classes of the loss aam, and losses has "
                "none: add aam, or set head_from_means: false"
            )

    def _check_speeds(self) -> None:
        for speed in self.speeds:
            within("train_embedding.speeds[]", speed, 0.5, 2.0)
            if abs(100 * speed - round(100 * speed)) > 1e-6:
                raise ValueError(
                    f"train_embedding.speeds[] must be a whole number of hundredths, got {speed!r}"
                )
        if 1.0 not in self.speeds or len(set(self.speeds)) < len(self.speeds):
            raise ValueError(
                "train_embedding.speeds must hold 1.0, the speed at which dev and test are heard, "
                f"and none twice, got {self.speeds}"
            )
        if len(self.speeds) > 1 and "pad_crops" in self.defects:
            raise ValueError(
                f"train_embedding.speeds {self.speeds} and the defect pad_crops do not go "
                "together: leave one of them out"
            )

    def _check_pairs(self, of_pairs: list[str]) -> None:
        alone = self.crops_per_subject < 2 and "draw_with_replacement" not in self.defects
        if alone and of_pairs:
            raise ValueError(
                f"train_embedding.crops_per_subject is {self.crops_per_subject}, and the loss "
                f"{of_pairs[0]} needs two crops of a subject in a batch: give at least 2"
            )

    def _check_validation(self, knows_classes: bool) -> None:
        within("train_embedding.validation_share", self.validation_share, 0.0, 0.9)
        if self.validate_session is not None and self.train_session is None:
            raise ValueError(
                f"train_embedding.validate_session is {self.validate_session!r} and train_session "
                "null: name the session that teaches too"
            )
        if self.validate_session is not None and self.validate_session == self.train_session:
            raise ValueError(
                f"train_embedding.train_session and validate_session are both "
                f"{self.train_session!r}: what teaches cannot validate, name two sessions"
            )
        if self.validation_share and self.validate_session is not None:
            raise ValueError(
                "train_embedding.validation_share and validate_session both ask for a validation "
                "set: give one of them"
            )
        if self.validation_share and knows_classes:
            raise ValueError(
                "train_embedding.validation_share keeps subjects apart that the loss aam, which "
                "knows only those in train, cannot judge: validate by validate_session, or leave "
                "aam out"
            )
        if self.join_sessions and self.train_session is not None:
            raise ValueError(
                "train_embedding.join_sessions takes every session, and train_session is "
                f"{self.train_session!r}: leave one of them out"
            )
        if "choose_by_loss" in self.defects and not self.validates:
            raise ValueError(
                "train_embedding.defects has choose_by_loss and nothing validates: give "
                "validation_share or validate_session"
            )

    @property
    def validates(self) -> bool:
        """Whether some of train is kept for validation."""
        return self.validation_share > 0 or self.validate_session is not None


def check_no_start(parameters: Mapping[str, Any]) -> None:
    """Raise ValueError where parameters that have no encoder to start from need one."""
    for name, off in (("head_from_means", "false"), ("freeze", "[]")):
        if parameters.get(name):
            raise ValueError(
                f"train_embedding.{name} is {parameters[name]!r} and there is nothing to start "
                f"from: give --params init_from=/path/of/an/encoder, or {name}: {off}"
            )
