"""Dask clusters: one of processes on this machine, or one that runs elsewhere."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

ANSWER_S = 10
INSTALL = 'pip install "bodysounds[dask]"'
FORWARDED = ("bodysounds", "kedro")
"""Loggers of a running cluster's workers whose lines are shown here."""


def check_installed() -> None:
    """Raise ModuleNotFoundError, with the way out, where Dask's `distributed` is not installed."""
    if importlib.util.find_spec("distributed") is None:
        raise ModuleNotFoundError(f"DaskRunner needs the package distributed: {INSTALL}")


@contextmanager
def local_cluster(n_workers: int, retries: int) -> Iterator[Client]:
    """Give the client of `n_workers` processes of this machine, which end with the block.

    A worker does one task at a time and may start processes. What a worker that died was doing is
    done again up to `retries` times.
    """
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.worker.daemon": False,
        "distributed.scheduler.allowed-failures": retries,
    }
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        # Dask leaves in this process what its workers shall inherit
        stack.callback(_restore, dict(os.environ))
        # for as long as the cluster lives: a nanny starts a worker again with them
        stack.enter_context(dask.config.set(settings))
        cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # a memory map would count, though it takes no memory from others
            memory_limit=None,
            dashboard_address="127.0.0.1:0",
            # moving bars of several processes would write over each other
            env={"TTY_INTERACTIVE": "0"},
        )
        stack.enter_context(cluster)
        yield stack.enter_context(Client(cluster, set_as_default=False))


@contextmanager
def running_cluster(
    address: str, package: str = "bodysounds", prepare: Callable[[], None] | None = None
) -> Iterator[Client]:
    """Give a client of the cluster whose scheduler is at `address`, such as tcp://host:8786.

    Each worker calls `prepare` first. The log of its workers is shown here too. Raises
    ConnectionError where nothing answers and where it has no worker, and ModuleNotFoundError where
    a worker lacks the package.
    """
    from distributed import Client

    try:
        # a client itself would wait for ever at a port where something else, or nobody, answers
        with ThreadPoolExecutor(1) as pool:  # a notebook's own thread has a loop already
            pool.submit(asyncio.run, _shake_hands(address)).result()
    except Exception as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {address} within {ANSWER_S} s: start one with `dask "
            "scheduler`, and give the address that it prints, such as tcp://host:8786"
        ) from error
    with _quiet(), Client(address, timeout=ANSWER_S, set_as_default=False) as client:
        _check_workers(client, address, package)
        if prepare is not None:
            client.run(prepare)
        for name in FORWARDED:
            client.forward_logging(name)
        try:
            yield client
        finally:
            for name in FORWARDED:
                client.unforward_logging(name)


def places(client: Client) -> dict[str, int]:
    """Return how many tasks the workers of each host do at once."""
    found: Counter[str] = Counter()
    for address, threads in client.nthreads().items():
        found[host_of(address)] += threads
    return dict(found)


def host_of(address: str) -> str:
    """Return the host of a worker's address, such as tcp://127.0.0.1:38483."""
    from distributed.comm.addressing import get_address_host

    return str(get_address_host(address))


async def _shake_hands(address: str) -> None:
    from distributed import Security
    from distributed.comm.core import connect

    arguments = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, ANSWER_S, **arguments), ANSWER_S)
    comm.abort()


def _check_workers(client: Client, address: str, package: str) -> None:
    try:
        client.wait_for_workers(1, timeout=ANSWER_S)
    except TimeoutError as error:
        raise ConnectionError(
            f"the Dask scheduler at {address} has no workers: start some with `dask worker "
            f"{address}`, where the package and the data are"
        ) from error
    for worker, found in client.run(_has_package, package).items():
        if not found:
            raise ModuleNotFoundError(
                f"the worker {worker} has no package {package}: install it there, or start `dask "
                "worker` in an environment that has it"
            )
    if any(client.run(_is_daemonic).values()):
        logger.warning(
            "the workers of %s may not start processes, and a node that does will fail: set "
            "DASK_DISTRIBUTED__WORKER__DAEMON=False where `dask worker` is started",
            address,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Dask tell only of what went wrong, such as a worker that died."""
    dasks = logging.getLogger("distributed")
    before = dasks.level
    dasks.setLevel(logging.WARNING)
    try:
        yield
    finally:
        dasks.setLevel(before)


def _has_package(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _is_daemonic() -> bool:
    import multiprocessing

    return multiprocessing.current_process().daemon


def _restore(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
