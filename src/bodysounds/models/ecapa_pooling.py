"""Moments over the frames of rows (batch, frames, channels): plain, and under attention.

They are taken about a mean that is a constant, so that nothing large is subtracted from another
large number, in bfloat16 too; gradients do not depend on what they are taken about.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from bodysounds.models.ecapa_ops import exporting

NEAR = 1 << 19
"""Values that are worked on at once on a CPU: they stay near the core."""


def mean(rows: Tensor) -> Tensor:
    """Return the mean over frames, (batch, frames, n) -> (batch, n); torch's copies to float32."""
    return rows.sum(1) / rows.shape[1]


def centred(rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return rows less their mean over frames, that mean, and the moments that are left.

    The mean (batch, n) is a constant in the dtype of the rows; the moments (the mean, which is what
    rounding left, and the mean of squares, both (batch, n) and at least float32) follow the rows.
    """
    about = mean(rows.detach())
    if exporting():
        deviations = rows - about.unsqueeze(1)
        return deviations, about, wide(mean(deviations)), wide(mean(deviations.square()))
    deviations, first, second = _Centred.apply(rows, about)  # type: ignore[no-untyped-call]
    return deviations, about, wide(first), wide(second)


def weighted_moments(deviations: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of rows and of their squares, weighted by a softmax over the frames.

    Both (batch, frames, n) -> two of (batch, n), at least float32.
    """
    if exporting():
        share = torch.softmax(logits, 1) * deviations
        return wide(share.sum(1)), wide((share * deviations).sum(1))
    first, second = _Moments.apply(deviations, logits)  # type: ignore[no-untyped-call]
    return wide(first), wide(second)


def spread(first: Tensor, second: Tensor) -> Tensor:
    """Return the standard deviation of two moments, at least 1e-6."""
    return (second - first * first).clamp(1e-12).sqrt()


def wide(moment: Tensor) -> Tensor:
    """Return a moment in float32, or float64 where it is."""
    return moment if moment.dtype == torch.float64 else moment.float()


class _Centred(Function):
    """Deviations and their moments; the way back is two passes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, about: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        deviations, first, second = rows.new_empty(rows.shape), *_two(rows)
        for part in _near(rows):
            torch.sub(rows[part], about[part].unsqueeze(1), out=deviations[part])
            first[part] = mean(deviations[part])
            second[part] = mean(deviations[part].square())
        ctx.save_for_backward(deviations)
        return deviations, first, second

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (deviations,) = ctx.saved_tensors
        frames = deviations.shape[1]
        of_deviations, of_first, of_second = of_outputs
        slope = (of_second * (2 / frames)).unsqueeze(1)
        of_rows = torch.addcmul(of_deviations, deviations, slope)
        return of_rows.add_((of_first / frames).unsqueeze(1)), None


class _Moments(Function):
    """Moments under attention; of what has the frames' length, the weights alone are kept."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        weights, first, second = rows.new_empty(rows.shape), *_two(rows)
        for part in _near(rows):
            weights[part] = torch.softmax(logits[part], 1)
            share = weights[part] * rows[part]
            first[part] = share.sum(1)
            second[part] = share.mul_(rows[part]).sum(1)
        ctx.save_for_backward(rows, weights, first, second)
        return first, second

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor) -> tuple[Tensor, Tensor]:
        rows, weights, first, second = ctx.saved_tensors
        of_first, of_second = of_outputs
        of_mean = -(of_first * first + of_second * second).unsqueeze(1)
        of_first, of_second = of_first.unsqueeze(1), of_second.unsqueeze(1)
        of_rows, of_logits = torch.empty_like(rows), torch.empty_like(rows)
        for part in _near(rows):
            slope = torch.addcmul(of_first[part], of_second[part], rows[part])
            falls = torch.addcmul(of_mean[part], slope, rows[part])
            torch.mul(falls, weights[part], out=of_logits[part])
            slope.addcmul_(of_second[part], rows[part])
            torch.mul(slope, weights[part], out=of_rows[part])
        return of_rows, of_logits


def _near(rows: Tensor) -> Iterator[slice]:
    """Yield the sides to take at once: few on a CPU, for its caches, else all."""
    n = rows.shape[0]
    some = max(1, NEAR // rows[0].numel()) if rows.device.type == "cpu" else n
    for start in range(0, n, some):
        yield slice(start, start + some)


def _two(rows: Tensor) -> tuple[Tensor, Tensor]:
    shape = (rows.shape[0], rows.shape[2])
    return rows.new_empty(shape), rows.new_empty(shape)
