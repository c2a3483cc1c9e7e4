"""From parameters and examples to the training of a classifier that is ready to run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bodysounds.audio.augment import Augment, build_augment
from bodysounds.audio.packed import Packed
from bodysounds.audio.stft_image import NAME as STFT_IMAGE
from bodysounds.audio.stft_image import StftImage
from bodysounds.devices import choose_device, use_bf16
from bodysounds.losses.contrastive_center import ContrastiveCenter
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.models.resnet import ResNet18
from bodysounds.params import TrainClassifierParams
from bodysounds.training.checkpoints import Store, content_key
from bodysounds.training.classifier_examples import Examples, choose_examples, plan_epoch
from bodysounds.training.classifier_start import start_from
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
    params: TrainClassifierParams
    module: EmbeddingNetwork
    head: nn.Linear
    centers: ContrastiveCenter | None
    optimiser: torch.optim.Optimizer
    center_optimiser: torch.optim.Optimizer | None
    augment: Augment
    device: torch.device
    bf16: bool
    store: Store
    n_steps: int
    started: dict[str, Any] | None

    @property
    def image(self) -> StftImage:
        """The front end."""
        image = self.module.front_end
        assert isinstance(image, StftImage)
        return image

    def frozen(self) -> list[nn.Module]:
        """Return the parts of the network that do not learn."""
        return frozen_parts(self.module, self.params)

    def plan(self, epoch: int) -> list[Ints]:
        """Return the batches of an epoch, counted from 0: rows of `train`."""
        rng = np.random.default_rng([self.params.seed, epoch])
        return plan_epoch(self.train.labels, self.params.batch_size, self.params.balanced, rng)


def set_up(
    packed: Packed, examples: Table, params: TrainClassifierParams, init: Encoder | None
) -> ClassifierTraining:
    """Return the training on train that dev judges."""
    train, dev, labels = choose_examples(packed, examples)
    device = choose_device(params.device)
    bf16 = use_bf16(params.precision, device)
    about = effective(params) | {"device": device.type, "bf16": bf16}
    table = examples[["segment_id", "label", "subset"]].sort_values("segment_id")
    store = Store(Path(params.work_dir) / content_key(packed, [table], about, init))

    built, heard = architecture(params), features(params, packed.sample_rate)
    augment = build_augment(params.augment)
    module = EmbeddingNetwork(built, heard, params.seed)
    started = None if init is None else start_from(module, built, init, heard)
    for part in frozen_parts(module, params):
        part.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(params.seed)
        head = nn.Linear(module.dim, len(labels))
    centers = None
    if params.ccl_reg > 0:
        centers = ContrastiveCenter(
            len(labels), module.dim, params.seed, params.ccl_delta, "mean", params.ccl_ratio
        ).to(device)
    module.to(device)
    head.to(device)
    weights = [w for w in (*module.parameters(), *head.parameters()) if w.requires_grad]
    rng = np.random.default_rng(params.seed)
    epoch = plan_epoch(train.labels, params.batch_size, params.balanced, rng)
    log.info(
        "%d classes, %d recordings in train, %d in dev (of %d classes), %s%s",
        len(labels), len(train.labels), len(dev.labels), len(np.unique(dev.labels)), device,
        ", bf16" if bf16 else "",
    )  # fmt: skip
    return ClassifierTraining(
        packed=packed,
        train=train,
        dev=dev,
        labels=labels,
        params=params,
        module=module,
        head=head,
        centers=centers,
        optimiser=build_optimiser(params, weights),
        center_optimiser=None if centers is None else build_center_optimiser(params, centers),
        augment=augment,
        device=device,
        bf16=bf16,
        store=store,
        n_steps=count_steps(list(map(len, epoch)), params),
        started=started,
    )


def count_steps(sizes: Sequence[int], params: TrainClassifierParams) -> int:
    """Return the steps of all epochs, each of batches of these sizes, or up to the audio budget."""
    if params.audio_budget_s is None:
        return params.n_epochs * len(sizes)
    left, steps = params.audio_budget_s, 0
    for _ in range(params.n_epochs):
        for size in sizes:
            left -= size * params.clip_s
            steps += 1
            if left <= 0:
                return steps
    log.warning(
        "the %d epochs end before the audio budget of %g s is spent: raise "
        "train_classifier.n_epochs to spend it", params.n_epochs, params.audio_budget_s,
    )  # fmt: skip
    return steps


def frozen_parts(module: EmbeddingNetwork, params: TrainClassifierParams) -> list[nn.Module]:
    """Return the parts of the network that `freeze` names."""
    body = module.body
    assert isinstance(body, ResNet18)
    return [part for stage in params.freeze for part in body.stage(stage)]


def build_optimiser(
    params: TrainClassifierParams, weights: list[nn.Parameter]
) -> torch.optim.Optimizer:
    """Return the optimiser of network and head."""
    rate, decay = params.learning_rate, params.weight_decay
    if params.optimiser == "sgd":
        return torch.optim.SGD(weights, rate, params.momentum, weight_decay=decay)
    kind = torch.optim.AdamW if params.optimiser == "adamw" else torch.optim.Adam
    first, second = params.betas
    return kind(weights, rate, (first, second), params.eps, decay)


def build_center_optimiser(
    params: TrainClassifierParams, centers: ContrastiveCenter
) -> torch.optim.Optimizer:
    """Return the optimiser of the centres."""
    kinds: dict[str, Any] = {
        "adagrad": torch.optim.Adagrad,
        "adam": torch.optim.Adam,
        "sgd": torch.optim.SGD,
    }
    optimiser: torch.optim.Optimizer = kinds[params.ccl_optimiser](
        centers.parameters(), lr=params.ccl_learning_rate
    )
    return optimiser


def architecture(params: TrainClassifierParams) -> dict[str, Any]:
    """Return what `build_body` needs."""
    return {"name": "resnet18", "width": params.width, "dim": params.dim or 8 * params.width}


def features(params: TrainClassifierParams, sample_rate: int) -> dict[str, Any]:
    """Return the front end, as an encoder describes it."""
    names = ("clip_s", "fill", "n_fft", "win_s", "hop_s", "log", "size", "normalise")
    own = {name: getattr(params, name) for name in names}
    return {"name": STFT_IMAGE, "sample_rate": sample_rate, **own}


def effective(params: TrainClassifierParams) -> dict[str, Any]:
    """Return the parameters that change what a training ends with."""
    return {name: value for name, value in asdict(params).items() if name not in OF_NO_EFFECT}
