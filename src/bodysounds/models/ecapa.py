"""ECAPA-TDNN over rows of channels (Desplanques et al. 2020, arXiv 2005.07143).

The weights have SpeechBrain's names and shapes, and are drawn in its order. Frames are rows, so
that nearly all work is products of matrices, and nothing is transposed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bodysounds.models.ecapa_norm import RowsNorm
from bodysounds.models.ecapa_ops import joined, product
from bodysounds.models.ecapa_pooling import centred, mean, spread, weighted_moments

LARGEST_ATTENTION = 128


class Convolution(nn.Module):
    """(batch, frames, n_in) -> (batch, frames, n_out): as many frames, reflected at both ends."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.conv = nn.Conv1d(n_in, n_out, kernel, dilation=dilation)

    def matrix(self) -> Tensor:
        """Return the weights as (n_out, kernel * n_in), in the order of `joined`."""
        return self.conv.weight.transpose(1, 2).flatten(1)

    def forward(self, frames: Tensor, relu: bool = False) -> Tensor:
        if self.kernel > 1:
            frames = joined(frames, self.kernel, self.dilation)
        assert self.conv.bias is not None
        return product(frames, self.matrix(), self.conv.bias, relu)


class Norm(nn.Module):
    """Batch norm of (..., n), whose statistics are float32 whatever the dtype."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.norm = RowsNorm(n)

    def forward(self, frames: Tensor) -> Tensor:
        normed: Tensor = self.norm(frames.flatten(0, -2))
        return normed.view(frames.shape)


class Tdnn(nn.Module):
    """A convolution, ReLU and batch norm."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = Convolution(n_in, n_out, kernel, dilation)
        self.norm = Norm(n_out)

    def forward(self, frames: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.conv(frames, relu=True))
        return normed


class Res2(nn.Module):
    """Parts of the channels, each convolved with what came of the part before; the first is not."""

    def __init__(self, channels: int, scale: int, dilation: int) -> None:
        super().__init__()
        part = channels // scale
        self.blocks = nn.ModuleList(Tdnn(part, part, 3, dilation) for _ in range(scale - 1))

    def forward(self, frames: Tensor) -> Tensor:
        parts = frames.chunk(len(self.blocks) + 1, -1)
        heard = [parts[0]]
        for number, block in enumerate(self.blocks, 1):
            heard.append(block(parts[number] if number == 1 else parts[number] + heard[-1]))
        return torch.cat(heard, -1)


class Squeeze(nn.Module):
    """What each channel is multiplied by, from the channels' means: (batch, n) -> (batch, n)."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Convolution(channels, squeeze), Convolution(squeeze, channels)

    def forward(self, means: Tensor) -> Tensor:
        return torch.sigmoid(self.conv2(self.conv1(means, relu=True)))


class SeRes2(nn.Module):
    """A block: 1 x 1 products around a Res2 layer, squeeze and excitation, and a way past."""

    def __init__(self, channels: int, scale: int, squeeze: int, dilation: int) -> None:
        super().__init__()
        self.tdnn1 = Tdnn(channels, channels)
        self.res2net_block = Res2(channels, scale, dilation)
        self.tdnn2 = Tdnn(channels, channels)
        self.se_block = Squeeze(channels, squeeze)

    def forward(self, frames: Tensor) -> Tensor:
        found = self.tdnn2(self.res2net_block(self.tdnn1(frames)))
        excited = self.se_block(mean(found)).unsqueeze(1)
        return torch.addcmul(frames, found, excited)


class Pooling(nn.Module):
    """Mean and deviation under attention: (batch, frames, n) -> (batch, 2 * n) float32."""

    def __init__(self, channels: int, attention: int) -> None:
        super().__init__()
        self.tdnn = Tdnn(3 * channels, attention)
        self.conv = Convolution(attention, channels)

    def forward(self, frames: Tensor) -> Tensor:
        deviations, about, first, second = centred(frames)
        context = torch.cat((about + first, spread(first, second)), 1).to(frames.dtype)
        # the context is one of all frames: its share of the product is too
        conv, n = self.tdnn.conv.conv, frames.shape[-1]
        # oneDNN has no quick kernel in float32 for weights with gaps between the rows
        parts = torch.split(self.tdnn.conv.matrix(), [n, 2 * n], 1)
        own, shared = (part.contiguous() for part in parts)
        assert conv.bias is not None
        of_side = product(context, shared, conv.bias).unsqueeze(1)
        heard = product(frames, own, torch.zeros_like(conv.bias)) + of_side
        logits = self.conv(torch.tanh(self.tdnn.norm(torch.relu_(heard))))
        first, second = weighted_moments(deviations, logits)
        return torch.cat((about + first, spread(first, second)), 1)


class Ecapa(nn.Module):
    """Features (batch, frames, n_mels) -> embeddings (batch, 1, dim).

    Under autocast all but the last layer, which is float32, computes in its dtype.
    """

    def __init__(
        self, n_mels: int, channels: int, depth: int, dim: int, scale: int, squeeze: int
    ) -> None:
        super().__init__()
        first = Tdnn(n_mels, channels, 5)
        dilations = [min(2 + block, 5) for block in range(depth)]
        rest = [SeRes2(channels, scale, squeeze, dilation) for dilation in dilations]
        self.blocks = nn.ModuleList([first, *rest])
        self.mfa = Tdnn(depth * channels, 3 * channels)
        self.asp = Pooling(3 * channels, squeeze)
        self.asp_bn = Norm(6 * channels)
        self.fc = Convolution(6 * channels, dim)

    def forward(self, features: Tensor) -> Tensor:
        kind = features.device.type
        if torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self.embedded(features.to(torch.get_autocast_dtype(kind)))
        return self.embedded(features.to(self.fc.conv.weight.dtype))

    def embedded(self, features: Tensor) -> Tensor:
        """Return embeddings (batch, 1, dim), computed in the dtype of the features."""
        embeddings: Tensor = self.fc(self.asp_bn(self.pooled(features)))
        return embeddings.unsqueeze(1)

    def pooled(self, features: Tensor) -> Tensor:
        """Return mean and deviation of the joined blocks: (batch, 6 * channels)."""
        frames, heard = self.blocks[0](features), []
        for block in self.blocks[1:]:
            frames = block(frames)
            heard.append(frames)
        return self.asp(self.mfa(torch.cat(heard, -1)))  # type: ignore[no-any-return]


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
    network : (batch, frames, n_mels) float32, at least 6 frames -> (batch, 1, dim) float32

    Raises ValueError where channels is not a multiple of 8.
    """
    if channels < 8 or channels % 8:
        raise ValueError(f"channels must be a positive multiple of 8, got {channels}")
    # small networks get small squeezes: half the channels, up to the 128 of the paper
    squeeze = min(LARGEST_ATTENTION, max(8, channels // 2))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Ecapa(n_mels, channels, depth, dim, res2net_scale(channels), squeeze)


def res2net_scale(channels: int) -> int:
    """Return the parts a Res2 layer is cut into: 8 as in the paper, fewer below 64 channels.

    A part keeps at least 8 channels where that is possible.
    """
    return next((scale for scale in (8, 4, 2) if channels >= 8 * scale), 2)
