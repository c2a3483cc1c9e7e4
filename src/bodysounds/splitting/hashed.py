"""A random order that depends on a seed and the names alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def hashed_order(names: Iterable[str], seed: int) -> list[str]:
    """Return the names, each once, by a hash of seed and name: no name moves another."""
    return sorted(
        set(names), key=lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest()
    )
