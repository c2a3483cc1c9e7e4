"""SpeechBrain's `EncoderClassifier` on one file after another, as embedding.py times it.

Its features, mean normalisation and ECAPA-TDNN are those of the published spkrec-ecapa-voxceleb,
put together here so that nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bodysounds._speechbrain import ECAPA_TDNN, Fbank
from bodysounds.models.network import EmbeddingNetwork

# behind the line that tells SpeechBrain to leave the switches of torch alone
from speechbrain.dataio import audio_io  # isort: skip
from speechbrain.inference.classifiers import EncoderClassifier  # isort: skip
from speechbrain.processing.features import InputNormalization  # isort: skip

BLOCKS = 3
N_MELS, DIM, SQUEEZE = 80, 192, 128


def build_rival(module: EmbeddingNetwork, channels: int) -> Any:
    """Return SpeechBrain's classifier with the weights of a network of ours, on its device."""
    squeeze = min(SQUEEZE, max(8, channels // 2))
    network = ECAPA_TDNN(
        N_MELS, lin_neurons=DIM, channels=[channels] * (BLOCKS + 1) + [BLOCKS * channels],
        kernel_sizes=[5, 3, 3, 3, 1], dilations=[1, 2, 3, 4, 1], groups=[1] * 5,
        attention_channels=squeeze, se_channels=squeeze,
        res2net_scale=next(n for n in (8, 4, 2) if channels >= 8 * n),
    )  # fmt: skip
    network.load_state_dict(module.body.state_dict())
    modules = {
        "compute_features": Fbank(n_mels=N_MELS),
        "mean_var_norm": InputNormalization(norm_type="sentence", std_norm=False),
        "embedding_model": network,
        "classifier": nn.Identity(),
    }
    device = str(next(module.parameters()).device)
    return EncoderClassifier(modules=modules, hparams={}, run_opts={"device": device})


def encode_files(rival: Any, paths: Sequence[Path]) -> npt.NDArray[np.float32]:
    """Return unit embeddings (n, dim), as `encode_batch` gives them for one file at a time."""
    found = []
    for path in paths:
        samples, rate = audio_io.load(str(path), channels_first=False)
        embedding = rival.encode_batch(rival.audio_normalizer(samples, rate))[0, 0]
        found.append(nn.functional.normalize(embedding, dim=0).cpu().numpy())
    return np.stack(found)


def flops_of(rival: Any) -> Callable[[int], float]:
    """Return the floating point operations in the products of the network, by frames.

    Two a multiplication with its sum. Every layer but the last is as long as the clip, so that a
    straight line through two lengths is exact.
    """
    network, device = rival.mods.embedding_model, rival.device

    def counted(frames: int) -> int:
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            network(torch.zeros(1, frames, N_MELS, device=device))
        return counter.get_total_flops()

    short, long, between = counted(64), counted(128), counted(96)
    if 2 * between != short + long:
        raise SystemExit("the operations of the network do not grow in a straight line")
    return lambda frames: short + (long - short) / 64 * (frames - 64)


def shapes_of(rival: Any, frames: int) -> dict[tuple[int, int, int], int]:
    """Return how often the network multiplies (rows, inner) by (inner, columns), by these three."""
    shapes: dict[tuple[int, int, int], int] = {}

    def count(layer: nn.Module, given: Any, out: torch.Tensor) -> None:
        assert isinstance(layer, nn.Conv1d)
        inner = layer.in_channels // layer.groups * layer.kernel_size[0]
        shape = out.shape[0] * out.shape[2], inner, layer.out_channels
        shapes[shape] = shapes.get(shape, 0) + 1

    layers = [m for m in rival.mods.embedding_model.modules() if isinstance(m, nn.Conv1d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        rival.mods.embedding_model(torch.zeros(1, frames, N_MELS, device=rival.device))
    for hook in hooks:
        hook.remove()
    return shapes
