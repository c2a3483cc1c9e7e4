"""The processes that share a training: who reads what of a batch, and what they tell each other.

The processes hold the same weights and draw the same numbers. Each embeds its own crops of a batch,
all of them compute the whole loss on everybody's embeddings, and the gradients of the network are
summed, so that a step is that of one process but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")

BUCKET = 2**23
"""Gradients summed at once, as numbers: large enough that their count costs nothing."""


@dataclass
class Ranks:
    """The place of this process among those of a training, and the batch under way."""

    rank: int = 0
    size: int = 1
    n_items: int = 0
    """Crops of the batch under way."""

    @property
    def first(self) -> bool:
        """Whether this process speaks for all: it logs, judges and writes."""
        return self.rank == 0

    @property
    def split(self) -> bool:
        """Whether the batch under way is dealt; one smaller than the processes is everybody's."""
        return self.size > 1 and self.n_items >= self.size

    def begin(self, n_items: int) -> None:
        """Turn to a batch of so many crops."""
        self.n_items = n_items

    def part(self, n_items: int) -> slice:
        """Return the place of this process's own crops in a batch of so many."""
        edges = self._edges(n_items)
        return slice(*edges[self.rank]) if len(edges) > 1 else slice(0, n_items)

    def gather(self, own: Tensor) -> Tensor:
        """Return the rows of all processes in the order of the batch; only own ones have gradients.

        `own` is (n_own, dim), the embeddings of the crops of `part`.
        """
        if not self.split:
            return own
        edges = self._edges(self.n_items)
        longest = max(last - first for first, last in edges)
        padded = own.new_zeros((longest, *own.shape[1:]))
        padded[: len(own)] = own.detach()
        found = [torch.empty_like(padded) for _ in edges]
        torch.distributed.all_gather(found, padded)
        rows = [part[: last - first] for part, (first, last) in zip(found, edges, strict=True)]
        rows[self.rank] = own
        return torch.cat(rows)

    def share(self, value: T) -> T:
        """Return the value of the first process; that of the others is not looked at."""
        if self.size == 1:
            return value
        told = [value]
        torch.distributed.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        return told[0]

    def _edges(self, n_items: int) -> list[tuple[int, int]]:
        """Return where each part begins and ends; one part where everybody has the whole."""
        n_parts = self.size if n_items >= self.size else 1
        edges = [n_items * k // n_parts for k in range(n_parts + 1)]
        return list(pairwise(edges))


def sum_gradients(
    ranks: Ranks, dealt: Iterable[nn.Parameter], whole: Iterable[nn.Parameter]
) -> None:
    """Give every process the gradients of the whole batch.

    Parameters
    ----------
    dealt : weights of the network
        Each process has the part of the gradient that its own crops make; they are summed.
    whole : weights of the losses
        Each process has all of it; the first one's counts, so that no rounding parts the processes.

    Weights that do not learn are left out.
    """
    if ranks.size == 1:
        return
    gradients: list[tuple[nn.Parameter, Tensor]] = []
    for weights, alone in ((dealt, not ranks.split), (whole, True)):
        for weight in weights:
            if not weight.requires_grad:
                continue
            gradient = weight.grad if weight.grad is not None else torch.zeros_like(weight)
            counts = ranks.first or not alone
            gradients.append((weight, gradient if counts else torch.zeros_like(gradient)))
    under_way = []
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.reshape(-1) for _, gradient in bucket])
        work = torch.distributed.all_reduce(flat, async_op=True)
        under_way.append((bucket, flat, work))
    for bucket, flat, work in under_way:
        work.wait()
        sizes = [weight.numel() for weight, _ in bucket]
        for (weight, _), piece in zip(bucket, torch.split(flat, sizes), strict=True):
            weight.grad = piece.view_as(weight)


def _buckets(
    gradients: Sequence[tuple[nn.Parameter, Tensor]],
) -> list[list[tuple[nn.Parameter, Tensor]]]:
    """Return the gradients in their order, in lists of one dtype and of about BUCKET numbers."""
    buckets: list[list[tuple[nn.Parameter, Tensor]]] = []
    filled, dtype = 0, None
    for weight, gradient in gradients:
        if not buckets or filled >= BUCKET or gradient.dtype != dtype:
            buckets.append([])
            filled, dtype = 0, gradient.dtype
        buckets[-1].append((weight, gradient))
        filled += gradient.numel()
    return buckets
