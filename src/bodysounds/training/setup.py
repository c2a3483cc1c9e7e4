"""From parameters to a training that is ready to run."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bodysounds.audio.augment import build_augment
from bodysounds.audio.packed import Packed
from bodysounds.devices import choose_device, use_bf16
from bodysounds.losses.build import WeightedLosses, build_losses
from bodysounds.models.encoder import Encoder, network_of
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params import TrainEmbeddingParams
from bodysounds.params.train_embedding import check_no_start
from bodysounds.sides import SideTable
from bodysounds.training.checkpoints import Store, training_key
from bodysounds.training.dev import dev_trials
from bodysounds.training.fine_tuning import freeze, parameter_groups
from bodysounds.training.head import head_from_means
from bodysounds.training.resident import resident_samples
from bodysounds.training.run import Course, Training, count_steps, planner
from bodysounds.training.speeds import class_groups
from bodysounds.training.start import start_from
from bodysounds.training.subjects import Sources, choose_sources
from bodysounds.types import Table

log = logging.getLogger(__name__)

# where a run lives, how often it saves and who shares it do not change what it ends with
OF_NO_EFFECT = ("work_dir", "checkpoint_every", "processes")
OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclass(frozen=True)
class Given:
    """What a training is asked for."""

    packed: Packed
    side_table: SideTable
    trials: Table
    params: TrainEmbeddingParams
    init: Encoder | None


def set_up(given: Given) -> tuple[Training, dict[str, Any] | None]:
    """Return the training on train that dev judges, and what came over from `init`."""
    params = given.params
    rate = given.packed.sample_rate
    sources = choose_sources(given.side_table, params, rate)
    dev = dev_trials(given.trials, given.side_table)
    plan = planner(sources, params, rate)
    n_steps = count_steps(plan, params.epochs, params.audio_budget_s, rate)
    if params.audio_budget_s is not None and n_steps == params.epochs * len(plan(0)):
        log.warning(
            "the %d epochs end before the audio budget of %g s is spent: raise "
            "train_embedding.epochs to spend it", params.epochs, params.audio_budget_s,
        )  # fmt: skip
    several = n_processes(params) > 1  # of which each has its own copy
    key = training_key(given.packed, given.side_table, given.trials, about(params), given.init)
    store = Store(Path(params.work_dir) / key)
    module, parts, started = build(given, sources)
    run = Training(
        packed=given.packed,
        side_table=given.side_table,
        sources=sources,
        dev=dev,
        module=module,
        params=params,
        store=store,
        course=Course(n_steps, n_steps),
        resident=None if several else resident_samples(given.packed, parts["device"]),
        **parts,
    )
    log.info(
        "%d subjects in train, %d in validation, %d sides in dev, %s%s",
        len(sources.train.ids), len(sources.validation.ids) if sources.validation else 0,
        len(dev.rows), run.device, ", bf16" if run.bf16 else "",
    )  # fmt: skip
    return run, started


def build(
    given: Given, sources: Sources
) -> tuple[EmbeddingNetwork, dict[str, Any], dict[str, Any] | None]:
    """Return the network, the other parts that learn or change a batch, and what came over."""
    params = given.params
    heard = features(params, given.packed.sample_rate)
    device = choose_device(params.device)
    if given.init is None:
        check_no_start(asdict(params))
    module, losses = begin(params, sources, given.packed.sample_rate)
    started = None
    if given.init is not None:
        started = start_from(module, network_of(given.init), heard, params.init_strict)
    module.to(device)
    losses.to(device)
    if params.head_from_means:
        head_from_means(losses, module, given.packed, sources, params)
    return module, assemble(module, losses, params), started


def begin(
    params: TrainEmbeddingParams, sources: Sources, sample_rate: int
) -> tuple[EmbeddingNetwork, WeightedLosses]:
    """Return network and losses with random weights, on the CPU."""
    module = EmbeddingNetwork(architecture(params), features(params, sample_rate), params.seed)
    groups = torch.from_numpy(class_groups(sources.train.groups, len(params.speeds)))
    return module, build_losses(params.losses, groups, params.dim, params.seed)


def assemble(
    module: EmbeddingNetwork, losses: WeightedLosses, params: TrainEmbeddingParams
) -> dict[str, Any]:
    """Return the parts of a training beside its network; what it freezes learns no more.

    Network and losses are on their device.
    """
    device = choose_device(params.device)
    freeze(module, architecture(params), params.freeze)
    optimiser = OPTIMISERS[params.optimiser](
        parameter_groups(module, losses, architecture(params), params.layer_decay),
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
        fused=True,
    )
    return {
        "losses": losses,
        "optimiser": optimiser,
        "augment": build_augment(params.augment),
        "device": device,
        "bf16": use_bf16(params.precision, device),
    }


def n_processes(params: TrainEmbeddingParams) -> int:
    """Return the processes to train on; ValueError for more than there are GPUs to train on."""
    on_gpu = choose_device(params.device).type == "cuda"
    n_gpus = torch.cuda.device_count() if on_gpu else 0
    if n_gpus and params.processes > n_gpus:
        raise ValueError(
            f"train_embedding.processes is {params.processes} and there are {n_gpus} GPU(s), each "
            "for one process: lower it, 0 takes one a GPU"
        )
    return params.processes or max(1, n_gpus)


def architecture(params: TrainEmbeddingParams) -> dict[str, Any]:
    """Return what `build_body` needs."""
    return {
        "name": "ecapa",
        "n_mels": params.n_mels,
        "channels": params.channels,
        "depth": params.depth,
        "dim": params.dim,
    }


def features(params: TrainEmbeddingParams, sample_rate: int) -> dict[str, Any]:
    """Return what `front_end` needs."""
    return {
        "name": params.front_end,
        "sample_rate": sample_rate,
        "n_mels": params.n_mels,
        "mean_over": params.mean_over,
    }


def effective(params: TrainEmbeddingParams) -> dict[str, Any]:
    """Return the parameters that change what a training ends with."""
    return {name: value for name, value in asdict(params).items() if name not in OF_NO_EFFECT}


def about(params: TrainEmbeddingParams) -> dict[str, Any]:
    """Return these with the device and the precision that they come to on this machine."""
    device = choose_device(params.device)
    return effective(params) | {
        "device": device.type,
        "bf16": use_bf16(params.precision, device),
    }
