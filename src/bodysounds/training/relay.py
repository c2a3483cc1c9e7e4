"""What processes say to the one that started them: the log, and why they could not go on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread


@dataclass(frozen=True)
class LastWords:
    """Why a process could not go on."""

    rank: int
    refused: bool
    """Whether by ValueError, that is with a sentence for the user."""
    said: str
    trace: str = ""
    """Where it was."""


class Sender(QueueHandler):
    """Sends log records through a pipe."""

    def enqueue(self, record: logging.LogRecord) -> None:
        self.queue.send(record)  # type: ignore[attr-defined]


@contextmanager
def relayed(n_processes: int) -> Iterator[tuple[list[Connection], list[LastWords]]]:
    """Give the end of a pipe for each process, and a list of their last words, first ones first.

    Their log records are handled here, as if they were of this process. The list is complete once
    the context is left; all that hold the other ends have to be gone by then.
    """
    pipes = [get_context("spawn").Pipe(duplex=False) for _ in range(n_processes)]
    last_words: list[LastWords] = []

    def listen(receiver: Connection) -> None:
        while True:
            try:
                heard = receiver.recv()
            except (EOFError, OSError):
                return
            if isinstance(heard, LastWords):
                last_words.append(heard)
            elif logging.getLogger(heard.name).isEnabledFor(heard.levelno):
                logging.getLogger(heard.name).handle(heard)

    threads = [Thread(target=listen, args=(receiver,), daemon=True) for receiver, _ in pipes]
    for thread in threads:
        thread.start()
    try:
        yield [sender for _, sender in pipes], last_words
    finally:
        for (receiver, sender), thread in zip(pipes, threads, strict=True):
            sender.close()
            thread.join()
            receiver.close()


def speak(senders: list[Connection], rank: int, level: int) -> Connection:
    """Let this process log through its pipe, the first one from a level on, others from ERROR on.

    Returns its end of the pipe; those of the others are closed.
    """
    for place, sender in enumerate(senders):
        if place != rank:
            sender.close()
    root = logging.getLogger()
    root.handlers = [Sender(senders[rank])]  # type: ignore[arg-type]
    # what the others have to say is the same
    root.setLevel(level if rank == 0 else logging.ERROR)
    return senders[rank]
