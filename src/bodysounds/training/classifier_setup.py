"""From parameters and examples to the training of a classifier that is ready to run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bodysounds.audio.augment import Augment, build_augment
from bodysounds.audio.packed import Packed
from bodysounds.audio.waveform import Waveform
from bodysounds.devices import choose_device, use_bf16
from bodysounds.losses.contrastive_center import ContrastiveCenter
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params.train_base import TrainBaseParams
from bodysounds.params.train_member import TrainMemberParams
from bodysounds.params.train_respiratory import TrainRespiratoryParams
from bodysounds.training.checkpoints import Store, content_key
from bodysounds.training.classifier_classes import check_choice, metadata_columns, strata
from bodysounds.training.classifier_examples import Examples, choose_examples, plan_epoch
from bodysounds.training.classifier_networks import (
    architecture,
    build_center_optimiser,
    build_centers,
    build_optimiser,
    check_freeze,
    features,
)
from bodysounds.training.classifier_start import start_from
from bodysounds.training.contrastive import build_projections
from bodysounds.types import Ints, Table

log = logging.getLogger(__name__)

# where a run lives and how often it saves do not change what it ends with
OF_NO_EFFECT = ("work_dir", "checkpoint_every")


@dataclass(frozen=True)
class ClassifierTraining:
    """All that a training needs; only weights, optimisers and `State` change."""

    packed: Packed
    train: Examples
    dev: Examples
    labels: list[str]
    params: TrainBaseParams
    architecture: dict[str, Any]
    front_end: dict[str, Any]
    module: EmbeddingNetwork
    head: nn.Linear
    projections: nn.ModuleDict | None
    centers: ContrastiveCenter | None
    optimiser: torch.optim.Optimizer
    center_optimiser: torch.optim.Optimizer | None
    augment: Augment
    class_weights: Tensor | None
    device: torch.device
    bf16: bool
    store: Store
    n_samples: int
    """Of a clip that training hears."""
    n_steps: int
    started: dict[str, Any] | None
    strata: Ints
    """Of each row of `train`, int64 (n,): what balanced batches and class weights even out."""
    known: dict[str, Tensor] | None = None
    """Embeddings (n, dim) of train and dev, on the CPU, where the training cannot change them."""

    @property
    def alone(self) -> bool:
        """Whether contrastive losses alone teach, so that the head learns nothing."""
        return isinstance(self.params, TrainRespiratoryParams) and self.params.two_stages

    @property
    def learning(self) -> list[nn.Parameter]:
        """The weights of the network that learn sooner or later."""
        return [weight for group in self.optimiser.param_groups for weight in group["params"]]

    def plan(self, epoch: int) -> list[Ints]:
        """Return the batches of an epoch, counted from 0: rows of `train`."""
        rng = np.random.default_rng([self.params.seed, epoch])
        return plan_epoch(self.strata, self.params.batch_size, self.params.balanced, rng)


def set_up(
    packed: Packed, examples: Table, params: TrainBaseParams, init: Encoder | None
) -> ClassifierTraining:
    """Return the training on train that dev judges."""
    columns = metadata_columns(params)
    train, dev, labels = choose_examples(packed, examples, columns)
    check_choice(params, dev, labels)
    device = choose_device(params.device)
    bf16 = use_bf16(params.precision, device)
    about = effective(params) | {"stage": params.stage, "device": device.type, "bf16": bf16}
    told = [*dict.fromkeys(["segment_id", "label", "subset", *columns])]
    told += ["chooses"] if "chooses" in examples else []
    table = examples[told].sort_values("segment_id")
    store = Store(Path(params.work_dir) / content_key(packed, [table], about, init))

    longest = int(np.concatenate([train.spans, dev.spans])[:, 1].max())
    built, heard = architecture(params, init), features(params, packed.sample_rate, longest)
    check_freeze(params, built)
    augment = build_augment(params.augment)
    module = EmbeddingNetwork(built, heard, params.seed)
    check_names(params, module, augment, labels)
    n_samples = n_heard(params, module)
    started = None if init is None else start_from(module, built, init, heard, params.stage)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(params.seed)
        head = nn.Linear(module.dim, len(labels))
    projections = build_projections(params, module.dim)
    centers = build_centers(params, len(labels), module.dim)
    for part in (module, head, projections, centers):
        if part is not None:
            part.to(device)
    above: nn.Module = head if projections is None else nn.ModuleList([head, projections])
    stratum = strata(params, labels)
    weights = None
    if params.class_weights and not params.balanced:  # where they come equally often, they do
        weights = class_weights(stratum[train.labels])[stratum].to(device)
    rng = np.random.default_rng(params.seed)
    epoch = plan_epoch(stratum[train.labels], params.batch_size, params.balanced, rng)
    log.info(
        "%d classes, %d examples in train, %d in dev (of %d classes), %s%s",
        len(labels), len(train.labels), len(dev.labels), len(np.unique(dev.labels)), device,
        ", bf16" if bf16 else "",
    )  # fmt: skip
    heard_s = params.views * n_samples / packed.sample_rate
    return ClassifierTraining(
        packed=packed,
        train=train,
        dev=dev,
        labels=labels,
        params=params,
        architecture=built,
        front_end=heard,
        module=module,
        head=head,
        projections=projections,
        centers=centers,
        optimiser=build_optimiser(params, module, above, built),
        center_optimiser=build_center_optimiser(params, centers),
        augment=augment,
        class_weights=weights,
        device=device,
        bf16=bf16,
        store=store,
        n_samples=n_samples,
        n_steps=count_steps(list(map(len, epoch)), params, heard_s),
        started=started,
        strata=stratum[train.labels],
    )


def check_names(
    params: TrainBaseParams, module: EmbeddingNetwork, augment: Augment, labels: list[str]
) -> None:
    """Raise ValueError where parameters name what the network or the examples do not have."""
    if augment.feature_steps and isinstance(module.front_end, Waveform):
        raise ValueError(
            f"{params.stage}.augment has spec_augment, and the network hears waveforms: mask what "
            f"it makes of them by {params.stage}.config (apply_spec_augment, mask_time_prob)"
        )
    for own in params.background if isinstance(params, TrainMemberParams) else ():
        if own["label"] not in labels:
            raise ValueError(
                f"{params.stage}.background[].label must be one of {', '.join(labels)}, got "
                f"{own['label']!r}"
            )


def class_weights(labels: Ints) -> Tensor:
    """Return float32 (n_classes,): equal for equally many, and 1 on average over the labels."""
    counts = np.bincount(labels)
    return torch.from_numpy((len(labels) / (len(counts) * counts)).astype(np.float32))


def n_heard(params: TrainBaseParams, module: EmbeddingNetwork) -> int:
    """Return the samples of a clip that training hears; ValueError for a crop longer than it."""
    assert module.clip_samples is not None
    whole: int = module.clip_samples
    if not isinstance(params, TrainMemberParams) or params.crop_s is None:
        return whole
    crop: int = round(params.crop_s * module.sample_rate)
    if crop > whole:
        raise ValueError(
            f"{params.stage}.crop_s is {params.crop_s:g}, and the windows have "
            f"{whole / module.sample_rate:g} s: it must not be longer"
        )
    return crop


def count_steps(sizes: Sequence[int], params: TrainBaseParams, clip_s: float) -> int:
    """Return the steps of all epochs, each of batches of these sizes, or up to the audio budget."""
    if params.audio_budget_s is None:
        return params.n_epochs * len(sizes)
    left, steps = params.audio_budget_s, 0
    for _ in range(params.n_epochs):
        for size in sizes:
            left -= size * clip_s
            steps += 1
            if left <= 0:
                return steps
    log.warning(
        "the %d epochs end before the audio budget of %g s is spent: raise %s.n_epochs to spend it",
        params.n_epochs, params.audio_budget_s, params.stage,
    )  # fmt: skip
    return steps


def effective(params: TrainBaseParams) -> dict[str, Any]:
    """Return the parameters that change what a training ends with."""
    return {name: value for name, value in asdict(params).items() if name not in OF_NO_EFFECT}
