"""What other packages note in the log while they export or load."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def muted(level: int) -> Iterator[None]:
    """Keep back, inside, what is logged up to a level: logs may go where results do."""
    before = logging.root.manager.disable
    logging.disable(max(level, before))
    try:
        yield
    finally:
        logging.disable(before)
