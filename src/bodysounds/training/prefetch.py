"""What comes next is read while the step runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")

AHEAD = 2
"""Batches read before they are asked for."""


def prefetch(
    read: Callable[[Item], Read], items: Iterable[Item], ahead: int = AHEAD
) -> Generator[Read]:
    """Yield `read(item)` of each item in order, read in a thread, at most `ahead` before its turn.

    What `read` raises is raised where its result is due. Close the iterator where it is left early
    (`contextlib.closing`): the reading under way ends, and no other begins.
    """
    waiting: deque[Future[Read]] = deque()
    with ThreadPoolExecutor(1, "prefetch") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
