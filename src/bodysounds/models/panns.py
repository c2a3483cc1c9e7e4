"""The trunks of PANNs, CNN6, CNN10 and CNN14 (Kong et al. 2019, arXiv 1912.10211)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.models.yamnet import channels

CHANNELS: Mapping[str, tuple[int, ...]] = {
    "cnn6": (64, 128, 256, 512),
    "cnn10": (64, 128, 256, 512),
    "cnn14": (64, 128, 256, 512, 1024, 2048),
}
"""Of each block, at width 1."""
KERNELS: Mapping[str, tuple[int, ...]] = {"cnn6": (5,), "cnn10": (3, 3), "cnn14": (3, 3)}
"""Of the convolutions in a block."""
POOLED = {"cnn6": 4, "cnn10": 4, "cnn14": 5}
"""Blocks that halve frames and bands; the last of cnn14 does not."""
N_MELS = 64
ROWS = ("frames", "bands")
WIDEST = 4.0


class ConvBlock(nn.Module):
    """One 5 x 5 or two 3 x 3 convolutions, each with batch norm and ReLU, then average pooling."""

    def __init__(self, n_in: int, n_out: int, kernels: tuple[int, ...], pool: int) -> None:
        super().__init__()
        self.depth, self.pool = len(kernels), pool
        for number, kernel in enumerate(kernels, 1):
            layer = nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, bias=False)
            nn.init.xavier_uniform_(layer.weight)
            self.add_module(f"conv{number}", layer)
            self.add_module(f"bn{number}", nn.BatchNorm2d(n_out))
            n_in = n_out

    def forward(self, found: Tensor) -> Tensor:
        for number in range(1, self.depth + 1):
            found = self.get_submodule(f"conv{number}")(found)
            # the one channel that comes in leaves it open, and this is faster on a CPU
            found = found.contiguous(memory_format=torch.channels_last)
            found = functional.relu(self.get_submodule(f"bn{number}")(found), inplace=True)
        return found if self.pool == 1 else functional.avg_pool2d(found, self.pool)


class Panns(nn.Module):
    """Features (batch, frames, n_mels) -> embeddings (batch, dim), the pooled last block."""

    def __init__(
        self, name: str, width: float, n_mels: int, input_norm: bool, rows: str, dropout: float
    ) -> None:
        super().__init__()
        self.name, self.n_mels, self.rows, self.dropout = name, n_mels, rows, dropout
        self.n_blocks, self.shortest = len(CHANNELS[name]), 1 << POOLED[name]
        self.bn0 = nn.BatchNorm2d(n_mels) if input_norm else None
        n_in = 1
        for number, published in enumerate(CHANNELS[name], 1):
            n_out = channels(published, width)
            block = ConvBlock(n_in, n_out, KERNELS[name], 2 if number <= POOLED[name] else 1)
            self.add_module(f"conv_block{number}", block)
            n_in = n_out
        # torch's stubs do not know this form of `to`
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor) -> Tensor:
        if features.ndim != 3 or features.shape[2] != self.n_mels:
            raise ValueError(
                f"{self.name} needs features of shape (batch, frames, {self.n_mels}), got "
                f"{tuple(features.shape)}: take the front end log_mel with n_mels {self.n_mels}"
            )
        if features.shape[1] < self.shortest:
            raise ValueError(
                f"{self.name} needs at least {self.shortest} frames, got {features.shape[1]}: make "
                "clip_s longer or the hop of the front end smaller"
            )
        found = features.unsqueeze(1)
        if self.bn0 is not None:
            found = self.bn0(found.transpose(1, 3)).transpose(1, 3)
        if self.rows == "bands":
            found = found.transpose(2, 3)
        for number in range(1, self.n_blocks + 1):
            found = self.get_submodule(f"conv_block{number}")(found)
            found = functional.dropout(found, self.dropout, self.training)
        columns = found.mean(dim=3)
        return columns.amax(dim=2) + columns.mean(dim=2)


def build_panns(
    name: str,
    width: float = 1.0,
    n_mels: int = N_MELS,
    input_norm: bool = True,
    rows: str = "frames",
    dropout: float = 0.0,
    *,
    seed: int,
) -> nn.Module:
    """Return the trunk of a PANN with random weights, without fc1 and the classes of AudioSet.

    At width 1 it has 4.30 (cnn6), 4.69 (cnn10) or 75.48 (cnn14) million parameters and the names of
    weights that are published: bn0, conv_block1 to conv_block4, of cnn14 conv_block6.

    Parameters
    ----------
    name : `cnn6`, `cnn10` or `cnn14`
        Four blocks of one 5 x 5 convolution, four of two 3 x 3, or six of two 3 x 3.
    width : float
        Factor of the channels, 1 as published; the embedding has 512 * width numbers, of cnn14
        2048 * width (rounded to a multiple of 8), as `panns_dim` says.
    n_mels : int
        Bands that are read; 64 as published.
    input_norm : bool
        Whether bn0, a batch norm of each band, comes first, as published. ICBHI's published system
        (arXiv 2210.16192) leaves it out and standardises by constants.
    rows : `frames` or `bands`
        What the rows of the image are. Along the columns the last block is averaged; along the rows
        the maximum and the mean are added. `frames`, as published and pretrained: the mean over the
        bands, then both over time. `bands`: ICBHI's published system reads the image lying on its
        side, the mean over time, then both over the bands.
    dropout : float
        Share of each block's output that is dropped in training: 0.2 as AudioSet was learnt, 0 by
        default in ICBHI's published system.
    seed : int
        Of the weights (Glorot's uniform); the global generator is left as it was.

    Returns
    -------
    network : (batch, frames, n_mels) float32 -> (batch, dim)
        It needs 16 frames, cnn14 32.

    Raises ValueError for another name, and for values out of range.
    """
    if name not in CHANNELS:
        raise ValueError(f"a PANN is one of {', '.join(CHANNELS)}, got {name!r}")
    if not 0 < width <= WIDEST:
        raise ValueError(f"{name} needs a width above 0 and at most {WIDEST:g}, got {width}")
    if n_mels < 1 << POOLED[name]:
        raise ValueError(f"{name} needs at least {1 << POOLED[name]} bands, got n_mels {n_mels}")
    if rows not in ROWS:
        raise ValueError(f"the rows of {name} must be {' or '.join(ROWS)}, got {rows!r}")
    if not 0 <= dropout < 1:
        raise ValueError(f"{name} needs a dropout of at least 0 and below 1, got {dropout}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Panns(name, width, n_mels, input_norm, rows, dropout)


def panns_dim(name: str, width: float = 1.0) -> int:
    """Return the size of the embedding."""
    return channels(CHANNELS[name][-1], width)
