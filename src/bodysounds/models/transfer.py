"""Weights of one network into another: all of them, or those that fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Loaded:
    """What a network took of another's weights."""

    matched: tuple[str, ...]
    """Weights that were loaded."""
    missing: tuple[str, ...]
    """Weights of the network that the other lacks; they stay as they were."""
    skipped: tuple[str, ...]
    """Weights of the other that were left, each as "name: reason"."""


def load_weights(body: nn.Module, state: Mapping[str, Tensor], strict: bool) -> Loaded:
    """Load weights into a network by name and shape, and return what matched.

    Parameters
    ----------
    body : nn.Module
        Changed in place; on any device.
    state : mapping of str to Tensor
        The other network's weights.
    strict : bool
        Whether every weight of both must match. Otherwise those that do are loaded, and the
        network keeps its own where there is none, or one of another shape.

    Raises ValueError, before anything is loaded, that names the first weight which does not fit
    (strict), where nothing but counters matches, and for a weight that is not finite.
    """
    own = body.state_dict()
    matched = tuple(name for name in own if name in state and own[name].shape == state[name].shape)
    missing = tuple(name for name in own if name not in state)
    skipped = tuple(
        f"{name}: {_reason(weight, own.get(name))}"
        for name, weight in state.items()
        if name not in own or own[name].shape != weight.shape
    )
    if strict and (missing or skipped):
        first = skipped[0] if skipped else f"{missing[0]}: the other network lacks it"
        raise ValueError(
            f"{len(missing) + len(skipped)} weights do not fit, the first is {first}; make the two "
            "architectures equal, or load those that fit with init_strict: false"
        )
    # a counter of batches has no shape that could differ
    if not any(own[name].ndim for name in matched):
        raise ValueError(
            f"none of the {len(state)} weights fits the network by name and shape"
            + (f" ({skipped[0]})" if skipped else "")
            + ": are they of this architecture?"
        )
    for name in matched:
        if not torch.isfinite(state[name]).all():
            raise ValueError(f"the weight {name!r} to start from has NaN or infinite values")
    body.load_state_dict({name: state[name] for name in matched}, strict=False)
    return Loaded(matched, missing, skipped)


def _reason(weight: Tensor, own: Tensor | None) -> str:
    if own is None:
        return "the network has none of that name"
    return f"its shape is {tuple(weight.shape)}, the network's {tuple(own.shape)}"
