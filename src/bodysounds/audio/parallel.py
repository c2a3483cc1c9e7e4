"""Ordered parallel work in threads, with a bounded look-ahead."""

from __future__ import annotations

import math
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

    At most two results a thread wait to be taken, so that memory stays bounded. libsndfile, soxr
    and numpy's transforms release the interpreter, so threads use all cores.
    """
    threads = thread_count(workers)
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ordered_map_in_batches(
    work: Callable[[S], T], items: Iterable[S], workers: int = 0, size: int = 16
) -> Iterator[T]:
    """Yield as `ordered_map`; a thread takes `size` items at a time, fewer where items are few.

    For items of a few hundred microseconds: handing over each of them costs as much as that.
    """
    items = list(items)
    # a few long recordings are work for all threads
    size = max(1, min(size, len(items) // (8 * thread_count(workers))))

    def batch_work(batch: list[S]) -> list[T]:
        return [work(item) for item in batch]

    for done in ordered_map(batch_work, batches(items, size), workers):
        yield from done


def batches(
    items: Iterable[S],
    size: int,
    cost: Callable[[S], float] = lambda _: 0.0,
    full_at: float = math.inf,
) -> Iterator[list[S]]:
    """Yield the items in lists of `size`, or of fewer whose costs add up to `full_at`."""
    batch: list[S] = []
    spent = 0.0
    for item in items:
        batch.append(item)
        spent += cost(item)
        if len(batch) == size or not spent < full_at:  # a cost of nan is one to be wary of
            yield batch
            batch, spent = [], 0.0
    if batch:
        yield batch
