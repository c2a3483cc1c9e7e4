"""ECAPA-TDNN that only listens: batch norms as one scale and shift, weights cast once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bodysounds.models.ecapa import Convolution, Ecapa, Norm, SeRes2, Tdnn
from bodysounds.models.ecapa_ops import join, product
from bodysounds.models.ecapa_pooling import mean, wide

CHUNK = 512
"""Channels that are pooled at once, so that what they need stays near the core."""


@dataclass(frozen=True)
class Layer:
    """A convolution with ReLU, and what its batch norm does: scale * value + shift."""

    weight: Tensor
    bias: Tensor
    scale: Tensor
    shift: Tensor
    kernel: int
    dilation: int

    def rectified(self, rows: Tensor) -> Tensor:
        """Return the convolution's ReLU: (batch, frames, n_in) -> (batch, frames, n_out)."""
        if self.kernel > 1:
            rows = join(rows, self.kernel, self.dilation)
        return product(rows, self.weight, self.bias, relu=True)

    def normed(self, rows: Tensor) -> Tensor:
        """Return the layer's output."""
        found = self.rectified(rows)
        return torch.addcmul(self.shift, found, self.scale, out=found)


@dataclass(frozen=True)
class Block:
    """An SE-Res2 block."""

    before: Layer
    parts: tuple[Layer, ...]
    after: Layer
    squeeze: tuple[Tensor, Tensor]
    excite: tuple[Tensor, Tensor]

    def __call__(self, rows: Tensor) -> Tensor:
        inner = self.before.normed(rows)
        heard = torch.empty_like(inner)
        parts, outputs = (t.chunk(len(self.parts) + 1, -1) for t in (inner, heard))
        outputs[0].copy_(parts[0])
        for number, layer in enumerate(self.parts, 1):
            read = parts[number] if number == 1 else parts[number] + outputs[number - 1]
            torch.addcmul(layer.shift, layer.rectified(read), layer.scale, out=outputs[number])
        found = self.after.normed(heard)
        excited = torch.sigmoid(product(product(mean(found), *self.squeeze, True), *self.excite))
        return torch.addcmul(rows, found, excited.unsqueeze(1), out=found)


@dataclass(frozen=True)
class Pool:
    """Attentive pooling of what the joining layer gives before its batch norm, and that norm."""

    own: tuple[Tensor, Tensor]
    context: tuple[Tensor, Tensor]
    scale: Tensor
    shift: Tensor
    attention_scale: Tensor
    attention_shift: Tensor
    logits: tuple[Tensor, Tensor]

    def __call__(self, rows: Tensor) -> Tensor:
        n = rows.shape[-1]
        chunks = [slice(start, min(n, start + CHUNK)) for start in range(0, n, CHUNK)]
        about = mean(rows)
        context = torch.cat([self.moments(rows, about, chunk, None) for chunk in chunks], -1)
        of_side = product(context.flatten(1).to(rows.dtype), *self.context)
        heard = torch.relu_(product(rows, *self.own).add_(of_side.unsqueeze(1)))
        heard = torch.addcmul(self.attention_shift, heard, self.attention_scale, out=heard).tanh_()
        pooled = [self.moments(rows, about, chunk, heard) for chunk in chunks]
        return torch.cat(pooled, -1).flatten(1)

    def moments(self, rows: Tensor, about: Tensor, chunk: slice, heard: Tensor | None) -> Tensor:
        """Return mean and deviation of some channels, (batch, 2, n): under attention, or plain."""
        deviations = rows[..., chunk] - about[:, chunk].unsqueeze(1)
        if heard is None:
            first, second = mean(deviations), mean(deviations.square_())
        else:
            weight, bias = self.logits
            weights = torch.softmax(product(heard, weight[chunk], bias[chunk]), 1)
            share = weights.mul_(deviations)
            first, second = share.sum(1), share.mul_(deviations).sum(1)
        first, second = wide(first), wide(second)
        scale, middle = self.scale[chunk], wide(about[:, chunk]) + first
        deviation = ((second - first * first) * scale * scale).clamp(1e-12).sqrt()
        return torch.stack((middle * scale + self.shift[chunk], deviation), 1)


def inference_form(network: Ecapa, bf16: bool) -> Callable[[Tensor], Tensor]:
    """Return a function that embeds features with the network as it is now, in eval mode.

    Its values are those of the network but for rounding: a batch norm is an affine map then, which
    goes into the product behind it where nothing else reads it.

    Parameters
    ----------
    bf16 : bool
        Compute in bfloat16 all but the last layer; else in the dtype of the weights.

    Returns
    -------
    embed : (batch, frames, n_mels) -> (batch, dim) float32; to be called where no gradient is kept
    """
    dtype = torch.bfloat16 if bf16 else network.fc.conv.weight.dtype
    with torch.no_grad():
        first = _layer(network.blocks[0], dtype)
        blocks = [_block(block, dtype) for block in network.blocks[1:]]
        joint = _layer(network.mfa, dtype)
        pool = _pool(network, dtype)
        scale, shift = affine(network.asp_bn)
        last = _folded(*matrix(network.fc), scale, shift)

    def embed(features: Tensor) -> Tensor:
        rows, heard = first.normed(features.to(dtype)), []
        for block in blocks:
            rows = block(rows)
            heard.append(rows)
        return product(pool(joint.rectified(torch.cat(heard, -1))), *last)

    return embed


def matrix(convolution: Convolution) -> tuple[Tensor, Tensor]:
    """Return the weights (n_out, kernel * n_in) and the bias of a convolution."""
    bias = convolution.conv.bias
    assert bias is not None
    return convolution.matrix().detach(), bias.detach()


def affine(norm: Norm) -> tuple[Tensor, Tensor]:
    """Return scale and shift of a batch norm in eval mode."""
    inner = norm.norm
    mean, variance = inner.get_buffer("running_mean"), inner.get_buffer("running_var")
    scale = inner.weight.detach() / (variance + inner.eps).sqrt()
    return scale, inner.bias.detach() - mean * scale


def _folded(weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight and bias for what is not yet scaled and shifted."""
    return (weight * scale).contiguous(), bias + weight @ shift


def _cast(parts: tuple[Tensor, Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    weight, bias = parts
    return weight.to(dtype, copy=True).contiguous(), bias.to(dtype, copy=True)


def _layer(tdnn: nn.Module, dtype: torch.dtype) -> Layer:
    assert isinstance(tdnn, Tdnn)
    weight, bias = _cast(matrix(tdnn.conv), dtype)
    scale, shift = _cast(affine(tdnn.norm), dtype)
    return Layer(weight, bias, scale, shift, tdnn.conv.kernel, tdnn.conv.dilation)


def _block(block: nn.Module, dtype: torch.dtype) -> Block:
    assert isinstance(block, SeRes2)
    return Block(
        _layer(block.tdnn1, dtype),
        tuple(_layer(part, dtype) for part in block.res2net_block.blocks),
        _layer(block.tdnn2, dtype),
        _cast(matrix(block.se_block.conv1), dtype),
        _cast(matrix(block.se_block.conv2), dtype),
    )


def _pool(network: Ecapa, dtype: torch.dtype) -> Pool:
    pooling, (scale, shift) = network.asp, affine(network.mfa.norm)
    weight, bias = matrix(pooling.tdnn.conv)
    own, context = torch.split(weight, [len(scale), 2 * len(scale)], 1)
    weight_own, bias_own = _folded(own, bias, scale, shift)
    attention_scale, attention_shift = _cast(affine(pooling.tdnn.norm), dtype)
    return Pool(
        _cast((weight_own, torch.zeros_like(bias)), dtype),
        _cast((context, bias_own), dtype),
        scale,
        shift,
        attention_scale,
        attention_shift,
        _cast(matrix(pooling.conv), dtype),
    )
