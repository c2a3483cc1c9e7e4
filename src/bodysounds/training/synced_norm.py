"""Batch norms whose statistics are those of the whole batch, wherever its crops are.

As torch's SyncBatchNorm, which works on GPUs alone (Ioffe and Szegedy 2015, arXiv 1502.03167).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from bodysounds.training.ranks import Ranks


def sync_norms(module: nn.Module, ranks: Ranks) -> None:
    """Let the batch norms of a network that is in training look at all processes' crops.

    Their weights and statistics stay the same objects under the same names. With one process
    nothing is changed.
    """
    if ranks.size == 1:
        return
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.__class__ = synced(type(part))  # type: ignore[arg-type]
            part.ranks = ranks  # type: ignore[assignment]


@lru_cache
def synced(kind: type[_BatchNorm]) -> type[_BatchNorm]:
    """Return the synced form of a class of batch norms; it is still of that class."""
    return kind if issubclass(kind, SyncedNorm) else type(kind.__name__, (SyncedNorm, kind), {})


class SyncedNorm(_BatchNorm):
    """A batch norm of inputs (batch, channels) or (batch, channels, ...), of any dtype."""

    ranks: Ranks

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not self.ranks.split:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        output, mean, variance, n = synced_norm(input, self.weight, self.bias, self.eps, self.ranks)
        self._follow(mean, variance, n)
        return output

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, n: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum
        if share is None:
            share = 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        unbiased = variance * (n / (n - 1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


def synced_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, ranks: Ranks
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the normalised input, and mean, variance and count of the whole batch.

    Parameters
    ----------
    input : (batch, channels, ...) float
        This process's part of the batch.
    weight, bias : (channels,) float or None

    The mean and the variance (over the count, not one less) are (channels,), the count is a scalar
    on the device, and none carries a gradient.
    """
    output, mean, variance, n = _SyncedNorm.apply(input, weight, bias, eps, ranks)  # type: ignore[no-untyped-call]
    return output, mean, variance, n


class _SyncedNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        ranks: Ranks,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance, n = statistics(input, ranks)
        ctx.save_for_backward(input, weight, mean, variance, n)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance, n)
        output = functional.batch_norm(input, mean, variance, weight, bias, False, 0.0, eps)
        return output, mean, variance, n

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        input, weight, mean, variance, n = ctx.saved_tensors
        # as if mean and variance were constants; what they add follows
        of_input, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, input, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.cat([of_weight, of_bias])
        torch.distributed.all_reduce(sums)
        along, level = sums.chunk(2)
        deviation = (variance + ctx.eps).sqrt()
        factor = (1.0 if weight is None else weight) / (n * deviation)
        slope = factor * along / deviation
        level = factor * level - slope * mean
        shape = (1, -1, *[1] * (input.ndim - 2))
        of_input -= input * slope.to(input.dtype).view(shape)
        of_input -= level.to(input.dtype).view(shape)
        if weight is None:
            return of_input, None, None, None, None
        return of_input, of_weight, of_bias, None, None


def statistics(input: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, variance and count a channel over all processes' parts.

    Each process sends its own count, mean and variance, which are merged by Chan's formula, so that
    no large squares are subtracted from each other.
    """
    channels = input.shape[1]
    half = input.dtype in (torch.bfloat16, torch.float16)
    zeros = torch.zeros(channels, dtype=torch.float32 if half else input.dtype, device=input.device)
    mean, variance = torch.batch_norm_update_stats(input, zeros, torch.ones_like(zeros), 1.0)
    count = mean.new_tensor([input.numel() // channels], dtype=torch.float64)
    own = torch.cat([count, mean.double(), variance.double()])
    everybody = own.new_zeros((ranks.size, len(own)))
    everybody[ranks.rank] = own
    # a sum with zeros gathers as exactly as gathering, in half the time of gloo's
    torch.distributed.all_reduce(everybody)
    counts, means, variances = torch.split(everybody, [1, channels, channels], dim=1)
    n = counts.sum()  # at least one of each process; the host waits for nothing
    shares = counts / n
    merged = (shares * means).sum(dim=0)
    spread = (shares * (variances + (means - merged).square())).sum(dim=0)
    return merged.to(mean.dtype), spread.to(mean.dtype), n.to(mean.dtype)
