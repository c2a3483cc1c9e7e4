"""Products and joined frames of ECAPA-TDNN over rows (batch, frames, channels)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional


def _of_onednn() -> tuple[torch.dtype, ...]:
    if not torch._C._has_mkldnn or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return ()
    half = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return (torch.float32, torch.bfloat16) if half else (torch.float32,)


ONEDNN = _of_onednn()
"""The dtypes in which this build and chip have oneDNN's product with ReLU."""


def product(rows: Tensor, weight: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
    """Return rows @ weight.T + bias, or its ReLU, in the dtype of the rows and differentiable.

    rows (..., n_in), weight (n_out, n_in), bias (n_out,). On a CPU it is oneDNN's: in float32 twice
    as fast as `functional.linear` on the chips that MKL does not favour.
    """
    weight, bias = weight.to(rows.dtype), bias.to(rows.dtype)
    if not has_onednn(rows):
        found = functional.linear(rows, weight, bias)
        return torch.relu_(found) if relu else found
    multiply = _Product.apply if torch.is_grad_enabled() else onednn
    # oneDNN is a hundred times slower where rows do not lie side by side
    found = multiply(rows.flatten(0, -2).contiguous(), weight.contiguous(), bias, relu)
    return found.view(*rows.shape[:-1], len(weight))


def has_onednn(rows: Tensor) -> bool:
    """Whether `onednn` takes rows of this device and dtype, and nothing is exported."""
    return rows.device.type == "cpu" and rows.dtype in ONEDNN and not exporting()


def exporting() -> bool:
    """Whether torch writes down what is computed, for other programs: in plain operations then."""
    return tracing() or torch.compiler.is_exporting()


def tracing() -> bool:
    """Whether `torch.jit.trace` writes it down."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def onednn(rows: Tensor, weight: Tensor, bias: Tensor | None, relu: bool = False) -> Tensor:
    """Return rows @ weight.T + bias, and its ReLU; nothing is differentiable."""
    after = "relu" if relu else "none"
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, after, [], "")
    return result


class _Product(Function):
    """The product and its gradients; of three in float32, none is left to MKL."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, relu: bool) -> Tensor:
        found = onednn(rows, weight, bias, relu)
        ctx.save_for_backward(rows, weight, found if relu else None)
        return found

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, rectified = ctx.saved_tensors
        grads, needs = of_outputs[0].contiguous(), ctx.needs_input_grad
        if rectified is not None:
            grads = torch.ops.aten.threshold_backward(grads, rectified, 0)
        of_rows = _times(grads, weight.t()) if needs[0] else None
        of_weight = _times(grads.t(), rows.t()) if needs[1] else None
        return of_rows, of_weight, grads.sum(0) if needs[2] else None, None


def _times(left: Tensor, right: Tensor) -> Tensor:
    """Return left @ right.T; in bfloat16 torch's own product is oneDNN's, and knows transposes."""
    return onednn(left, right, None) if left.dtype == torch.float32 else left @ right.t()


def joined(rows: Tensor, kernel: int, dilation: int) -> Tensor:
    """Return each frame with its neighbours, what a dilated convolution multiplies.

    (batch, frames, channels) -> (batch, frames, kernel * channels): the frames at -dilation, 0,
    +dilation for a kernel of 3, reflected at both ends. Raises ValueError where there are fewer
    frames than the reflection reads.
    """
    pad, frames = dilation * (kernel - 1) // 2, rows.shape[1]
    # a trace would take the answer for all lengths, and warns of that
    if not tracing() and frames <= pad:
        raise ValueError(
            f"ecapa needs at least {pad + 1} frames for a dilation of {dilation}, got {frames}: "
            "give longer recordings"
        )
    if torch.is_grad_enabled() and not exporting():
        rows = _Joined.apply(rows, kernel, dilation)  # type: ignore[no-untyped-call]
        return rows
    return join(rows, kernel, dilation)


def join(rows: Tensor, kernel: int, dilation: int) -> Tensor:
    """Return what `joined` does, not differentiable by the short way."""
    pad, frames = dilation * (kernel - 1) // 2, rows.shape[1]
    before, after = rows[:, 1 : pad + 1].flip(1), rows[:, frames - pad - 1 : frames - 1].flip(1)
    padded = torch.cat((before, rows, after), 1)
    taps = [padded[:, tap * dilation : tap * dilation + frames] for tap in range(kernel)]
    return torch.cat(taps, 2)


class _Joined(Function):
    """Joined frames; autograd's own way back would fill a padded tensor of zeros a tap."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, kernel: int, dilation: int) -> Tensor:
        ctx.kernel, ctx.dilation = kernel, dilation
        return join(rows, kernel, dilation)

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor) -> tuple[Tensor | None, ...]:
        kernel, dilation, frames = ctx.kernel, ctx.dilation, of_outputs[0].shape[1]
        taps = of_outputs[0].chunk(kernel, 2)
        pad = dilation * (kernel - 1) // 2
        padded = functional.pad(taps[0], (0, 0, 0, 2 * pad))
        for tap in range(1, kernel):
            padded[:, tap * dilation : tap * dilation + frames] += taps[tap]
        of_rows = padded[:, pad : pad + frames]
        of_rows[:, 1 : pad + 1] += padded[:, :pad].flip(1)
        of_rows[:, frames - pad - 1 : frames - 1] += padded[:, pad + frames :].flip(1)
        return of_rows, None, None
