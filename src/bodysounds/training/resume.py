"""A training that was killed goes on from its last checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from bodysounds.training.checkpoints import CHECKPOINT, Store, weights_of
from bodysounds.training.state import State

log = logging.getLogger(__name__)


def save_parts(store: Store, state: State, parts: Mapping[str, Any]) -> None:
    """Write a checkpoint of what learns, and remove the weights that it no longer names.

    `parts` are modules and optimisers by name.
    """
    state.saved = state.step
    content = {name: part.state_dict() for name, part in parts.items()}
    store.write(CHECKPOINT, {"state": state.to_dict(), **content})
    store.keep_only([CHECKPOINT, *map(weights_of, state.kept)])


def restore_parts(store: Store, parts: Mapping[str, Any], aloud: bool = True) -> State:
    """Return the state of the last checkpoint, its parts loaded, or a new one.

    It is logged where a training goes on by it, unless this is not `aloud`.
    """
    content = store.read(CHECKPOINT)
    if content is None:
        return State()
    state = State.from_dict(content["state"])
    if any(store.read(weights_of(epoch)) is None for epoch in state.kept):
        return State()
    for name, part in parts.items():
        part.load_state_dict(content[name])
    if aloud:
        log.info("resumed after epoch %d, batch %d", state.epoch, state.batch)
    return state
