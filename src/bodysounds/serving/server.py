"""A Temporal server on this machine, for development and tests."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.testing import WorkflowEnvironment

STARTS_IN_S = 60.0
COMMAND = "temporal"


@dataclass
class DevServer:
    """The dev server of Temporal's command line tool, as a child process.

    With a file as database its streams survive its death.
    """

    command: str
    port: int
    database: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, more: Sequence[str] = ()) -> None:
        """Start the server and wait until it listens. Raises RuntimeError where it doesn't."""
        if self.listens():
            raise RuntimeError(f"another program listens on {self.address}: choose another port")
        options = ["--headless", "--ip", "127.0.0.1", "--port", str(self.port)]
        if self.database is not None:
            options += ["--db-filename", str(self.database)]
        self.process = subprocess.Popen(
            [self.command, "server", "start-dev", "--log-level", "error", *options, *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + STARTS_IN_S
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(
                    f"{self.command} server start-dev did not start on {self.address}"
                )
            time.sleep(0.05)

    def listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, kill: bool = False) -> None:
        """End the server, at once if `kill`."""
        if self.process is None:
            return
        if self.process.poll() is None:
            (self.process.kill if kill else self.process.terminate)()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


def dev_server(database: Path | None = None, port: int | None = None) -> DevServer | None:
    """Return a dev server that is not started yet, None where no `temporal` is on the PATH."""
    command = shutil.which(COMMAND)
    return None if command is None else DevServer(command, port or free_port(), database)


@contextmanager
def local_server(
    database: Path | None = None, port: int | None = None, download: bool = False
) -> Iterator[str]:
    """Give the HOST:PORT of a server: one of this machine's own `temporal`, first of all.

    Without that command it is the server that TEMPORAL_ADDRESS names, else, only if `download`,
    one whose program Temporal's library fetches from its makers. Raises RuntimeError.
    """
    server, named = dev_server(database, port), os.environ.get("TEMPORAL_ADDRESS")
    if server is not None:
        server.start()
        try:
            yield server.address
        finally:
            server.stop()
    elif named:
        yield named
    elif download:
        port = port or free_port()
        env = asyncio.run(_downloaded(database, port))
        try:
            yield f"127.0.0.1:{port}"
        finally:
            asyncio.run(env.shutdown())
    else:
        raise RuntimeError(
            "there is no Temporal server: put the command temporal on the PATH, name a server in "
            "TEMPORAL_ADDRESS, or allow the download of one (bodysounds-client server --download)"
        )


async def _downloaded(database: Path | None, port: int) -> WorkflowEnvironment:
    from temporalio.testing import WorkflowEnvironment

    file = None if database is None else str(database)
    return await WorkflowEnvironment.start_local(port=port, dev_server_database_filename=file)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
