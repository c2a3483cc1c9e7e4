"""Ordered parallel work in threads, with a bounded look-ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def thread_count(workers: int) -> int:
    """Return the number of threads: `workers`, or every core for 0."""
    return workers or os.cpu_count() or 1


def ordered_map(work: Callable[[S], T], items: Iterable[S], workers: int = 0) -> Iterator[T]:
    """Yield work(item) in the order of the items, computed in threads.

    At most four results a thread wait to be taken, so that memory stays bounded. libsndfile, soxr
    and numpy's transforms release the interpreter, so threads use all cores.
    """
    threads = thread_count(workers)
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 4 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
