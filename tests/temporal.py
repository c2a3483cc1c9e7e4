"""A real Temporal server and real workers for the serving tests, and a stand-in for a model."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bodysounds.scoring.events import EventRules
from bodysounds.serving import tables
from bodysounds.serving.messages import Patience, StreamSpec, Totals
from bodysounds.serving.server import DevServer, dev_server, free_port, local_server
from bodysounds.serving.store import Store

WORKERS = multiprocessing.get_context("forkserver")


def prepare_workers() -> None:
    """Start the process whose forks are the workers: it has imported all that they need."""
    WORKERS.set_forkserver_preload(["serving_worker"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        forkserver.ensure_running()


RATE = 16_000
LABELS = ("crying", "normal", "screaming")
QUICK = {"retry_s": 0.1, "heartbeat_s": 1.5, "database_s": 1.0, "timeout_s": 20.0}


@dataclass(frozen=True)
class FakeModel:
    """Hears loud low tones as crying, loud high ones as screaming, all else as normal."""

    labels: tuple[str, ...] = LABELS
    clip_s: float = 1.0
    hop_s: float = 0.5
    sample_rate: int = RATE
    short: str = "zeros"
    event_rules: EventRules = field(default_factory=EventRules)
    rule: dict[str, Any] = field(
        default_factory=lambda: {
            "usable": {"min_s": 0.1, "silence_dbfs": -80.0, "clipped_share": 0.5},
            "abstain": {"threshold": 0.3},
        }
    )
    delay_s: float = 0.0
    """Seconds that a clip takes."""
    poison: float = 0.95
    """A clip that peaks above this breaks the model."""

    def predict(self, waveforms: np.ndarray) -> Any:
        assert waveforms.dtype == np.float32
        assert waveforms.shape[1] == round(self.clip_s * self.sample_rate)
        if np.abs(waveforms).max() > self.poison:
            raise RuntimeError("the model broke")
        time.sleep(self.delay_s * len(waveforms))
        loud = np.sqrt(np.square(waveforms, dtype=np.float64).mean(axis=1)) > 0.05
        crossings = np.abs(np.diff(np.signbit(waveforms), axis=1)).mean(axis=1) * self.sample_rate
        said = np.where(loud, np.where(crossings < 2000, 0, 2), 1)
        probabilities = np.full((len(waveforms), 3), 0.05)
        probabilities[np.arange(len(said)), said] = 0.9
        return Said(np.log(probabilities).astype(np.float32), np.zeros(len(said), dtype=bool))


@dataclass(frozen=True)
class Said:
    log_probabilities: np.ndarray
    abstained: np.ndarray


def tone(seconds: float, hertz: float = 0.0, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    """Return a sine, or a faint hum at 0 Hz: float32 (n,)."""
    at = np.arange(round(seconds * rate)) / rate
    return ((level if hertz else 1e-3) * np.sin(2 * np.pi * (hertz or 100) * at)).astype(np.float32)


def write(path: Path, *parts: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, np.concatenate(parts), rate)
    return path


def spec(**options: Any) -> StreamSpec:
    """Return a stream of 2 s windows with short timeouts and a name of its own."""
    quick = {**QUICK, **options.pop("patience", {})}
    named = {"stream_id": f"s{uuid.uuid4().hex[:8]}", "window_s": 2.0, "frame_hop_s": 1.0}
    return StreamSpec(**{**named, **options}, patience=Patience(**quick))


@dataclass
class Live:
    """A server, a database, and the workers that a test starts."""

    server: str
    folder: Path
    queue: str = field(default_factory=lambda: f"q{uuid.uuid4().hex[:8]}")
    workers: list[BaseProcess] = field(default_factory=list)
    metrics: int = 0

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'results.db'}"

    def worker(self, *options: str, delay_s: float = 0.0) -> BaseProcess:
        """Start a worker process and return it once it is ready."""
        from serving_worker import serve

        prepare_workers()
        arguments = ["--model", "fake", "--database", self.url, "--address", self.server]
        arguments += ["--queue", self.queue, "--silent-s", "1", "--log", "json", *options]
        log = self.folder / f"worker-{len(self.workers)}.log"
        process = WORKERS.Process(target=serve, args=(arguments, str(log), delay_s), daemon=True)
        process.start()
        self.workers.append(process)
        end = time.monotonic() + 60
        while "worker ready" not in (told := log.read_text() if log.exists() else ""):
            assert process.is_alive(), told
            assert time.monotonic() < end, told
            time.sleep(0.02)
        return process

    def stop(self) -> None:
        for process in self.workers:
            process.kill()
            process.join()
            process.close()
        self.workers.clear()

    def rows(self, table: Any, stream_id: str) -> list[dict[str, Any]]:
        store = Store(self.url)
        try:
            return store.rows(table, stream_id)
        finally:
            store.close()

    def keys(self, stream_id: str) -> list[int]:
        return [row["window"] for row in self.rows(tables.windows, stream_id)]


def expected(seconds: float, window_s: float, hop_s: float | None = None) -> list[int]:
    """Return the numbers of the windows of a stream without gaps, counted one by one."""
    start, heard, numbers = 0.0, 0.0, []
    while heard < seconds - 1e-9:
        numbers.append(len(numbers))
        heard = min(start + window_s, seconds)
        start += hop_s or window_s
    return numbers


async def until(true: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> Any:
    """Return the first true answer."""
    end = time.monotonic() + seconds
    while not (answer := await true()):
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.05)
    return answer


async def ended(handle: Any, seconds: float = 60.0) -> Totals:
    return await asyncio.wait_for(handle.result(), seconds)


def unavailable() -> str | None:
    """Return why no server can be had here."""
    if dev_server() is None and not os.environ.get("TEMPORAL_ADDRESS"):
        return (
            "no Temporal server: put the command temporal on the PATH, or name a server in "
            "TEMPORAL_ADDRESS"
        )
    return None


def need_server() -> None:
    if why := unavailable():
        if os.environ.get("BODYSOUNDS_REQUIRE_TEMPORAL") == "1":
            pytest.fail(why)
        pytest.skip(why)


@contextmanager
def own_server(database: Path | None = None) -> Iterator[DevServer]:
    """A dev server that a test may kill."""
    need_server()
    server = dev_server(database)
    if server is None:
        pytest.skip("a server that may be killed needs the command temporal on the PATH")
    server.start()
    try:
        yield server
    finally:
        server.stop(kill=True)


@pytest.fixture(scope="session", name="temporal_address")
def address_fixture() -> Iterator[str]:
    """HOST:PORT of a real server: the command's dev server, else the one in TEMPORAL_ADDRESS."""
    need_server()
    with local_server() as address:
        yield address


@pytest.fixture(name="live")
def live_fixture(temporal_address: str, tmp_path: Path) -> Iterator[Live]:
    made = Live(temporal_address, tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module", name="shared")
def shared_fixture(
    temporal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """One worker, with metrics, for the tests of a file that do it no harm."""
    made = Live(temporal_address, tmp_path_factory.mktemp("live"))
    made.metrics = free_port()
    made.worker("--metrics", f"127.0.0.1:{made.metrics}", "--wait-ms", "20", delay_s=0.0005)
    try:
        yield made
    finally:
        made.stop()
