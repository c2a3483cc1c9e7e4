"""ECAPA-TDNN from SpeechBrain's layers (Desplanques et al. 2020, arXiv 2005.07143)."""

from __future__ import annotations

import torch
from torch import nn

LARGEST_ATTENTION = 128


def build_ecapa(n_mels: int, channels: int, depth: int, dim: int, seed: int) -> nn.Module:
    """Return an ECAPA-TDNN with random weights.

    Parameters
    ----------
    n_mels : int
        Bands of the features.
    channels : int, a multiple of 8
        Channels of each SE-Res2 block; the layer that joins the blocks has three times as many.
    depth : int, at least 1
        SE-Res2 blocks, of dilation 2, 3, 4 and so on, at most 5.
    dim : int
        Size of the embedding.
    seed : int
        Of the weights; the global generator is left as it was.

    Returns
    -------
    network : (batch, frames, n_mels) float32, at least 6 frames -> (batch, 1, dim)

    Raises ValueError where channels is not a multiple of 8.
    """
    from bodysounds._speechbrain import ECAPA_TDNN

    if channels < 8 or channels % 8:
        raise ValueError(f"channels must be a positive multiple of 8, got {channels}")
    # small networks get small squeezes: half the channels, up to the 128 of the paper
    squeeze = min(LARGEST_ATTENTION, max(8, channels // 2))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network: nn.Module = ECAPA_TDNN(
            n_mels,
            lin_neurons=dim,
            channels=[channels] * (depth + 1) + [3 * channels],
            kernel_sizes=[5] + [3] * depth + [1],
            dilations=[1] + [min(2 + block, 5) for block in range(depth)] + [1],
            groups=[1] * (depth + 2),
            attention_channels=squeeze,
            se_channels=squeeze,
            res2net_scale=res2net_scale(channels),
        )
    return network


def res2net_scale(channels: int) -> int:
    """Return the parts a Res2 layer is cut into: 8 as in the paper, fewer below 64 channels.

    A part keeps at least 8 channels where that is possible.
    """
    return next((scale for scale in (8, 4, 2) if channels >= 8 * scale), 2)
