"""Processes of one machine that work as one, started and watched by torch's elastic agent."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import torch

from bodysounds.training.ranks import Ranks
from bodysounds.training.relay import LastWords, relayed, speak

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(days=1)
"""Of a process for what another one judges; who died is seen by the agent, not by a clock."""
FIRST_DEAD_S = 1.0
"""A process that misses another one lets the agent see first which one it is."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
AGENTS = ("torch.distributed.elastic.multiprocessing.api", "torchelastic-events-null")
"""Loggers that say in forty lines what is said here in one."""


def run_together(work: Callable[..., None], n_processes: int, *arguments: object) -> None:
    """Call `work(ranks, *arguments)` in so many new processes that can reach each other.

    Parameters
    ----------
    work : a function of a module
        It and its arguments are pickled; what is large is better left in files.
    n_processes : int, at least 1
        Where there are as many GPUs, each process has one.

    What the first process logs is logged here. Nothing is started again. A ValueError is raised
    here with its own words; ChildProcessError where a process ended otherwise.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=n_processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        start_method="spawn",
        max_restarts=0,
    )
    n_threads = max(1, torch.get_num_threads() // n_processes)
    level = logging.getLogger("bodysounds").getEffectiveLevel()
    failed: ChildFailedError | None = None
    with agent_as_guest(), relayed(n_processes) as (senders, last_words):
        try:
            elastic_launch(config, take_place)(work, n_threads, level, senders, arguments)
        except ChildFailedError as error:
            failed = error
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from error
            raise
    if failed is None:
        return
    if last_words and last_words[0].refused:
        raise ValueError(last_words[0].said) from failed
    rank, failure = failed.get_first_failure()
    cause = LastWords(rank, False, failure.message)
    if failure.exitcode > 0 and last_words:
        cause = last_words[0]  # what the others say is that the first has gone
        log.error("%s", cause.trace)
    raise ChildProcessError(
        f"process {cause.rank + 1} of {n_processes} ended early ({cause.said}), and the others "
        "were stopped: run again to go on from the last checkpoint"
    ) from failed


def take_place(
    work: Callable[..., None],
    n_threads: int,
    level: int,
    senders: list[Connection],
    arguments: tuple[Any, ...],
) -> None:
    """Join the others, in a process that the agent has started, and work."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    sender = speak(senders, rank, level)
    torch.set_num_threads(n_threads)
    backend = "gloo"
    if torch.cuda.is_available() and torch.cuda.device_count() >= size:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    try:
        torch.distributed.init_process_group(backend, timeout=LONGEST_WAIT)
        work(Ranks(rank, size), *arguments)
        torch.distributed.barrier()
    except Exception as error:
        refused = isinstance(error, ValueError)
        said = str(error) if refused else " ".join(f"{type(error).__name__}: {error}".split())
        sender.send(LastWords(rank, refused, said, traceback.format_exc()))
        if not refused:
            time.sleep(FIRST_DEAD_S)
        # the group's threads abort a process that leaves in the ordinary way while others wait
        os._exit(1)
    torch.distributed.destroy_process_group()


@contextmanager
def agent_as_guest() -> Iterator[None]:
    """Give back the handlers of signals, which the agent takes for good, and have it be silent."""
    own = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS} if own else {}
    for name in AGENTS:
        logging.getLogger(name).addFilter(nothing)
    try:
        yield
    finally:
        for name in AGENTS:
            logging.getLogger(name).removeFilter(nothing)
        for number, handler in before.items():
            if handler is not None:  # set by other than Python, which cannot set it again
                signal.signal(number, handler)


def nothing(_: logging.LogRecord) -> bool:
    """Let no record through."""
    return False
