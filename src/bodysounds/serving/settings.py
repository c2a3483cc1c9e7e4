"""What a worker is told at its start."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

QUEUE = "bodysounds"
ADDRESS = "127.0.0.1:7233"
DATABASE = "sqlite:///bodysounds.db"


def default_address() -> str:
    """Return the Temporal server's HOST:PORT: the variable TEMPORAL_ADDRESS, else this machine."""
    return os.environ.get("TEMPORAL_ADDRESS") or ADDRESS


def default_database() -> str:
    """Return the results' URL: the variable BODYSOUNDS_DATABASE, else a SQLite file here."""
    return os.environ.get("BODYSOUNDS_DATABASE") or DATABASE


@dataclass(frozen=True)
class WorkerSettings:
    """One worker process: a model, a database, a server."""

    model: str | None
    """Folder of an ensemble's bundle."""
    database: str = field(default_factory=default_database)
    """SQLAlchemy URL."""
    address: str = field(default_factory=default_address)
    namespace: str = "default"
    queue: str = QUEUE
    metrics: str | None = None
    """HOST:PORT where Prometheus finds the figures; None: nowhere."""
    threads: int = 4
    """Threads that read sound and write rows."""
    activities: int = 32
    """Activities at once: those that wait for the model fill its batches."""
    batch: int = 64
    """Clips in one call of the model, at most."""
    wait_ms: float = 2.0
    """Milliseconds that a call waits for more clips."""
    silent_s: float = 10.0
    """Seconds after which the server gives a silent worker's streams to another one."""
    connect_s: float = 30.0
    """Seconds that the server may take to answer when the worker starts."""
    shutdown_s: float = 60.0
    """Seconds that running activities have to finish once the worker is told to stop."""

    def __post_init__(self) -> None:
        for name in ("threads", "activities", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be 1 at least, got {getattr(self, name)}")
        if self.wait_ms < 0:
            raise ValueError(f"--wait-ms must be 0 at least, got {self.wait_ms}")
        for name in ("silent_s", "connect_s", "shutdown_s"):
            if not getattr(self, name) >= 0:
                option = name.replace("_", "-")
                raise ValueError(f"--{option} must be 0 at least, got {getattr(self, name)}")
        for name in ("address", "metrics"):
            value = getattr(self, name)
            if value is not None and not _host_and_port(value):
                raise ValueError(f"--{name} must read HOST:PORT, got {value!r}")


def watch_queue(queue: str) -> str:
    """Return the task queue of the folders' watchers, who sit long and do little."""
    return f"{queue}-watch"


def _host_and_port(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536
