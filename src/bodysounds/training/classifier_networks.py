"""The network that parameters ask for: its architecture, its front end and what learns of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bodysounds.audio.log_mel import NAME as LOG_MEL
from bodysounds.audio.stft_image import NAME as STFT_IMAGE
from bodysounds.audio.waveform import NAME as WAVEFORM
from bodysounds.audio.yamnet_log_mel import NAME as YAMNET_LOG_MEL
from bodysounds.losses.contrastive_center import ContrastiveCenter
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.models.stages import stages_of
from bodysounds.params import (
    TrainClassifierParams,
    TrainRespiratoryParams,
    TrainWav2vec2Params,
    TrainYamnetParams,
)
from bodysounds.params.train_base import TrainBaseParams
from bodysounds.training.fine_tuning import freeze, parameter_groups

IMAGE = ("clip_s", "fill", "n_fft", "win_s", "hop_s", "log", "size", "normalise")
MEL = ("n_fft", "hop", "n_mels", "f_min", "f_max", "normalise", "mean", "std", "clip_s", "fill")


def architecture(params: TrainBaseParams, init: Encoder | None = None) -> dict[str, Any]:
    """Return what `build_body` needs; weights to start from bring their own but for a ResNet-18.

    Raises ValueError where `init` is another network.
    """
    if isinstance(params, TrainClassifierParams):
        return {"name": "resnet18", "width": params.width, "dim": params.dim or 8 * params.width}
    name = "yamnet" if isinstance(params, TrainYamnetParams) else "wav2vec2"
    if isinstance(params, TrainRespiratoryParams):
        name = params.network
    if init is not None:
        if init.architecture["name"] != name:
            raise ValueError(
                f"{params.stage}.published is {init.architecture['name']!r}, and the stage trains "
                f"{name}: give weights of that"
                + (
                    f", or take --params network={init.architecture['name']}"
                    if isinstance(params, TrainRespiratoryParams)
                    else ""
                )
            )
        return dict(init.architecture)
    if isinstance(params, TrainYamnetParams):
        return {"name": name, "width": params.width, "batch_norm": True}
    if isinstance(params, TrainRespiratoryParams):
        own = {"n_mels": params.n_mels, "input_norm": params.input_norm, "rows": params.rows}
        return {"name": name, "width": params.width, **own, "dropout": params.block_dropout}
    from bodysounds.models.wav2vec2 import complete_config

    assert isinstance(params, TrainWav2vec2Params)
    return {"name": name, "config": complete_config(params.config)}


def features(params: TrainBaseParams, sample_rate: int, longest: int) -> dict[str, Any]:
    """Return the front end, as an encoder describes it.

    `longest` (samples) is the length of the longest recording, which is what a member hears.
    """
    if isinstance(params, TrainClassifierParams):
        own = {name: getattr(params, name) for name in IMAGE}
        return {"name": STFT_IMAGE, "sample_rate": sample_rate, **own}
    if isinstance(params, TrainRespiratoryParams):
        own = {name: getattr(params, name) for name in MEL}
        return {"name": LOG_MEL, "sample_rate": sample_rate, **own}
    heard = {"sample_rate": sample_rate, "clip_s": longest / sample_rate, "fill": "repeat"}
    if isinstance(params, TrainYamnetParams):
        return {"name": YAMNET_LOG_MEL, "patch_hop_s": params.patch_hop_s, **heard}
    assert isinstance(params, TrainWav2vec2Params)
    return {"name": WAVEFORM, "normalise": params.normalise, **heard}


def check_freeze(params: TrainBaseParams, built: dict[str, Any]) -> None:
    """Raise ValueError where `freeze` names no stage of the network."""
    known = stages_of(built)
    for stage in params.freeze:
        if stage not in known:
            raise ValueError(
                f"{params.stage}.freeze[] must be one of {', '.join(known)}, got {stage!r}"
            )


def frozen_stages(params: TrainBaseParams, epoch: int) -> list[str]:
    """Return the stages that do not learn in an epoch, counted from 0."""
    over = params.unfreeze_after is not None and epoch >= params.unfreeze_after
    return [] if over else list(params.freeze)


def build_optimiser(
    params: TrainBaseParams, module: EmbeddingNetwork, above: nn.Module, built: dict[str, Any]
) -> torch.optim.Optimizer:
    """Return the optimiser of the network and what is above it: all that learns sooner or later.

    The weights that never do are taken out of the learning. Each group of weights knows its
    `share` of the learning rate.
    """
    if params.unfreeze_after is None:
        freeze(module, built, params.freeze)
    groups = parameter_groups(module, above, built, params.layer_decay)
    rate, decay = params.learning_rate, params.weight_decay
    if params.optimiser == "sgd":
        return torch.optim.SGD(groups, rate, params.momentum, weight_decay=decay)
    kind = torch.optim.AdamW if params.optimiser == "adamw" else torch.optim.Adam
    first, second = params.betas
    return kind(groups, rate, (first, second), params.eps, decay)


def build_centers(params: TrainBaseParams, n_classes: int, dim: int) -> ContrastiveCenter | None:
    """Return the centres of the contrastive-center loss, where it is asked for."""
    if not isinstance(params, TrainClassifierParams) or not params.ccl_reg > 0:
        return None
    return ContrastiveCenter(
        n_classes, dim, params.seed, params.ccl_delta, "mean", params.ccl_ratio
    )


def build_center_optimiser(
    params: TrainBaseParams, centers: ContrastiveCenter | None
) -> torch.optim.Optimizer | None:
    """Return the optimiser of the centres, where there are any."""
    if centers is None:
        return None
    assert isinstance(params, TrainClassifierParams)
    kinds: dict[str, Any] = {
        "adagrad": torch.optim.Adagrad,
        "adam": torch.optim.Adam,
        "sgd": torch.optim.SGD,
    }
    optimiser: torch.optim.Optimizer = kinds[params.ccl_optimiser](
        centers.parameters(), lr=params.ccl_learning_rate
    )
    return optimiser
