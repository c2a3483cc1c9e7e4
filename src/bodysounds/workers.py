"""What code learns of the Dask worker that it runs in; elsewhere, that there is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client

THREADS = "OMP_NUM_THREADS"


def in_worker() -> bool:
    """Return whether this thread runs a task of a Dask worker; nothing is imported to know."""
    module = sys.modules.get("distributed.worker")
    if module is None:
        return False
    try:
        module.get_worker()
    except ValueError:
        return False
    return True


@contextmanager
def dask_client() -> Iterator[Client | None]:
    """Give the client of the worker that this runs in, and None elsewhere.

    While the block lasts the worker's place is free, so that what the client submits may run on
    this very worker.
    """
    if not in_worker():
        yield None
        return
    from distributed import worker_client

    with worker_client() as client:
        yield client


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_threads(count: int) -> None:
    """Let the libraries that compute use `count` threads in this process, loaded now or later."""
    from threadpoolctl import threadpool_limits

    os.environ[THREADS] = str(count)
    threadpool_limits(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def own_threads() -> int:
    """Return how many threads this worker was given, 1 where nobody said."""
    # OpenMP takes a list as well, an entry a level of nesting
    told = os.environ.get(THREADS, "1").split(",")[0]
    return max(1, int(told)) if told.isdigit() else 1
