"""Random numbers of a batch, whole or of a part of it that must not know it is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Part:
    """Some of a batch's items, for which the numbers of all are drawn and their own are taken."""

    generator: Generator
    n_items: int
    """Of the whole batch."""
    own: slice


Draws: TypeAlias = Generator | Part


def part_of(generator: Generator, n_items: int, own: slice) -> Draws:
    """Return what draws for the items `own` of a batch of n_items as it would for all of them."""
    first, last, _ = own.indices(n_items)
    return generator if last - first == n_items else Part(generator, n_items, slice(first, last))


def normal(shape: Sequence[int], device: torch.device, draws: Draws, axis: int = 0) -> Tensor:
    """Return normal numbers of a shape whose `axis` has an entry an item at hand."""

    def draw(whole: Sequence[int], generator: Generator) -> Tensor:
        return torch.randn(*whole, generator=generator, device=device)

    return _taken(draw, shape, draws, axis)


def uniform(shape: Sequence[int], device: torch.device, draws: Draws) -> Tensor:
    """Return numbers in [0, 1) of a shape whose first axis has an entry an item at hand."""

    def draw(whole: Sequence[int], generator: Generator) -> Tensor:
        return torch.rand(*whole, generator=generator, device=device)

    return _taken(draw, shape, draws)


def integers(end: int, shape: Sequence[int], device: torch.device, draws: Draws) -> Tensor:
    """Return whole numbers in [0, end) of a shape whose first axis has an entry an item at hand."""

    def draw(whole: Sequence[int], generator: Generator) -> Tensor:
        return torch.randint(0, end, tuple(whole), generator=generator, device=device)

    return _taken(draw, shape, draws)


def _taken(
    draw: Callable[[Sequence[int], Generator], Tensor],
    shape: Sequence[int],
    draws: Draws,
    axis: int = 0,
) -> Tensor:
    if isinstance(draws, Generator):
        return draw(shape, draws)
    whole = [*shape[:axis], draws.n_items, *shape[axis + 1 :]]
    return draw(whole, draws.generator).narrow(axis, draws.own.start, shape[axis])
