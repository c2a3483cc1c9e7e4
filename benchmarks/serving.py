"""Streams on a Temporal server beside the bare model on the same machine.

    python benchmarks/serving.py [--quick] [--model BUNDLE] [--cores 1]

It starts a Temporal server for development (the command `temporal` must be on the PATH), a worker
as a user starts it, and a process that only asks the model. All share the cores; model and worker
have the same threads and batches. Throughput, by turns: "model" asks for clips that are in memory,
"reading and model" is the shortest loop over the files, "live" hands the files to streams that wait
for them, from the first chunk to the last row. Where others use the machine, only the CPU time can
be compared. Latency: from a chunk's signal to its row, while chunks come at a share of the
throughput that was measured. Without --model the weights are random, of the size of the published
YAMNet and of the Wav2Vec2 of the pipeline's demo.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bodysounds.audio.read import read_audio
from bodysounds.scoring.frames import frames
from bodysounds.serving import tables
from bodysounds.serving.client import send, start
from bodysounds.serving.messages import NewChunk, StreamSpec
from bodysounds.serving.server import dev_server
from bodysounds.serving.settings import WorkerSettings
from bodysounds.serving.store import Store
from bodysounds.serving.worker import connect
from bodysounds.serving.workflow import StreamWorkflow

RATE = 44_100  # of the files: what recorders write, so that all must be resampled
N_FILES = 32
WORKER = "from bodysounds.serving.worker import main; main()"
BATCH = WorkerSettings(model=None).batch


def make_bundle(path: Path) -> None:
    """Write an ensemble with random weights: YAMNet as published, Wav2Vec2 as in the demo."""
    import torch

    from bodysounds.models.classifier import Classifier
    from bodysounds.models.encoder import Encoder
    from bodysounds.models.ensemble import Ensemble, save_ensemble
    from bodysounds.models.network import build_body, detached, embedding_dim
    from bodysounds.models.wav2vec2 import complete_config

    labels, rate, clip_s = ["crying", "normal", "screaming"], 16_000, 1.9
    small = {
        "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 96, "conv_dim": [16, 32, 48, 48], "conv_kernel": [20, 8, 8, 4],
        "conv_stride": [10, 4, 4, 2], "feat_extract_norm": "layer", "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4, "classifier_proj_size": 48,
        "apply_spec_augment": False, "layerdrop": 0.0,
    }  # fmt: skip
    hears = {"sample_rate": rate, "clip_s": clip_s, "fill": "repeat"}
    made = {
        "yamnet": (
            {"name": "yamnet", "width": 1.0, "batch_norm": True},
            {"name": "yamnet_log_mel", "patch_hop_s": 0.48, **hears},
        ),
        "wav2vec2": (
            {"name": "wav2vec2", "config": complete_config(small)},
            {"name": "waveform", "normalise": True, **hears},
        ),
    }
    members = {}
    for name, (architecture, front_end) in made.items():
        size = len(labels), embedding_dim(architecture)
        drawn = torch.randn(size, generator=torch.Generator().manual_seed(0))
        head = {"weight": drawn, "bias": torch.zeros(len(labels))}
        encoder = Encoder(detached(build_body(architecture, 0)), architecture, front_end)
        members[name] = Classifier(encoder, head, labels)
    even = dict.fromkeys(labels, 1.0)
    rule = {
        "labels": labels, "members": list(made), "temperatures": dict.fromkeys(made, 1.0),
        "weights": dict.fromkeys(made, 0.5), "chosen": "average",
        "meta": {label: {"intercept": 0.0} | dict.fromkeys(made, even) for label in labels},
        "abstain": {"aim": "fixed", "value": 0.0, "threshold": 0.0},
        "clip_s": clip_s, "hop_s": clip_s / 2, "sample_rate": rate, "short": "repeat",
        "usable": {"min_s": 0.1, "silence_dbfs": -80.0, "clipped_share": 0.5},
        "events": {"onset": 0.6, "offset": 0.4, "min_s": 0.0, "merge_s": 0.0, "quiet": "normal"},
    }  # fmt: skip
    save_ensemble(path, Ensemble(members, rule, "cpu"))


def make_sounds(folder: Path, seconds: float) -> list[str]:
    """Write chunks of noise with a wandering tone, each as long as a window."""
    rng = np.random.default_rng(0)
    at = np.arange(round(seconds * RATE)) / RATE
    paths = []
    for number in range(N_FILES):
        tone = np.sin(2 * np.pi * rng.uniform(200, 2000) * at + 20 * np.sin(rng.uniform(1, 9) * at))
        wave = 0.2 * tone + 0.05 * rng.standard_normal(len(at))
        path = folder / f"{number:03d}.wav"
        soundfile.write(path, wave.astype(np.float32), RATE)
        paths.append(str(path))
    return paths


# The bare model


def clips_in(path: str, model: Any) -> np.ndarray:
    wave = read_audio(path, model.sample_rate)
    return frames(wave, model.sample_rate, model.clip_s, model.hop_s, model.short)[1]


def heard(model: Any, clips: np.ndarray) -> None:
    """Ask the model in batches as large as the worker's."""
    for first in range(0, len(clips), BATCH):
        model.predict(clips[first : first + BATCH])


def bare(bundle: str, paths: Sequence[str], pipe: Connection) -> None:
    """Answer n with the seconds that n windows take: model alone, with reading, their CPU time.

    Runs in a process of its own. For n = 1 the windows are heard one by one.
    """
    from bodysounds.models.ensemble import load_ensemble

    model = load_ensemble(bundle)
    some = [clips_in(path, model) for path in paths]
    heard(model, np.concatenate(some[:8]))
    pipe.send({"clips": len(some[0]), "clip_s": model.clip_s})
    while n := pipe.recv():
        own = [place % len(paths) for place in range(n)]
        ready = np.concatenate([some[place] for place in own])
        alone = timed(lambda ready=ready: heard(model, ready))
        read = timed(lambda own=own: heard_while_read(model, [paths[place] for place in own]))
        pipe.send((*alone, *read))


def heard_while_read(model: Any, paths: Sequence[str]) -> None:
    """The shortest loop that hears files: read, resampled, cut, and asked in full batches."""
    waiting, size = [], 0
    for path in paths:
        waiting.append(clips_in(path, model))
        size += len(waiting[-1])
        if size >= BATCH:
            ready = np.concatenate(waiting)
            model.predict(ready[:BATCH])
            waiting, size = [ready[BATCH:]], len(ready) - BATCH
    if size:
        model.predict(np.concatenate(waiting))


def timed(work: Any) -> tuple[float, float]:
    """Return the seconds and the CPU seconds that `work` takes."""
    cpu, began = time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


# The streams


@dataclass
class Live:
    """A server and a worker that run."""

    address: str
    database: str
    pids: dict[str, int]
    window_s: float
    paths: list[str]
    count: int = 0

    def spec(self) -> StreamSpec:
        self.count += 1
        return StreamSpec(stream_id=f"s{self.count}", window_s=self.window_s)

    def chunks(self, stream: int, n: int) -> list[str]:
        return [self.paths[(7 * stream + place) % len(self.paths)] for place in range(n)]

    def rows(self, handles: Sequence[Any]) -> list[dict[str, Any]]:
        names = [handle.id.removeprefix("stream-") for handle in handles]
        store = Store(self.database)
        try:
            return [row for name in names for row in store.rows(tables.windows, name)]
        finally:
            store.close()

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds so far of server, worker and this process, as client."""
        used = {name: cpu_of(pid) for name, pid in self.pids.items()}
        own = resource.getrusage(resource.RUSAGE_SELF)
        return used | {"client": own.ru_utime + own.ru_stime}


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process, NaN where the system has no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def opened(live: Live, client: Any, n: int) -> list[Any]:
    """Return handles of n streams that run and wait for chunks."""
    specs = [live.spec() for _ in range(n)]
    handles = await asyncio.gather(*(start(client, spec) for spec in specs))
    for handle in handles:
        while (await handle.query(StreamWorkflow.status)).state == "opening":
            await asyncio.sleep(0.05)
    return handles


async def fast(live: Live, client: Any, n_streams: int, n_windows: int) -> tuple[float, dict]:
    """Return the seconds from the first chunk to the last row, and the CPU seconds of each."""
    handles = await opened(live, client, n_streams)
    each = [n_windows // n_streams + (k < n_windows % n_streams) for k in range(n_streams)]
    before, began = live.cpu(), time.time()

    async def paths(stream: int) -> AsyncIterator[str]:
        for path in live.chunks(stream, each[stream]):
            yield path

    async def one(stream: int) -> None:
        await send(handles[stream], paths(stream))
        await handles[stream].result()

    await asyncio.gather(*(one(stream) for stream in range(n_streams)))
    used = {name: now - before[name] for name, now in live.cpu().items()}
    rows = checked(live.rows(handles), n_windows)
    return max(row["stored_at"] for row in rows) - began, used


async def paced(live: Live, client: Any, n_streams: int, rate: float, seconds: float) -> np.ndarray:
    """Return the latencies of windows, in seconds, while `rate` chunks come in a second.

    Each stream's chunks come at even intervals, and the streams take turns in random order.
    """
    period = n_streams / rate
    each = max(1, round(seconds / period))
    handles = await opened(live, client, n_streams)
    began = time.time()

    async def one(stream: int, phase: float) -> None:
        for number, path in enumerate(live.chunks(stream, each)):
            await asyncio.sleep(began + (phase + number) * period - time.time())
            chunk = NewChunk(number, path, time.time())
            await handles[stream].signal(StreamWorkflow.add_chunk, chunk)
        await handles[stream].signal(StreamWorkflow.finish)
        await handles[stream].result()

    phases = np.random.default_rng(n_streams).permutation(n_streams) / n_streams
    await asyncio.gather(*(one(stream, phase) for stream, phase in enumerate(phases)))
    rows = checked(live.rows(handles), n_streams * each)
    return np.array([row["stored_at"] - row["ready_at"] for row in rows])


def checked(rows: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """Raise SystemExit unless there are n windows, all heard."""
    unheard = [row["reason"] for row in rows if row["reason"] is not None]
    if len(rows) != n or unheard:
        raise SystemExit(f"{len(rows)} windows of {n} are stored, without answer: {unheard[:1]}")
    return rows


# Both


@contextmanager
def running(bundle: str, folder: Path, window_s: float, paths: list[str]) -> Iterator[Live]:
    """A server and a worker of this benchmark's own; both end with it."""
    server = dev_server()
    if server is None:
        raise SystemExit("put Temporal's command `temporal` on the PATH: it is the server")
    database = f"sqlite:///{folder / 'results.db'}"
    server.start()
    worker = None
    try:
        options = ["--model", bundle, "--database", database, "--address", server.address]
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, *options, "--level", "warning"],
            stdin=subprocess.DEVNULL,
        )
        assert server.process is not None
        pids = {"server": server.process.pid, "worker": worker.pid}
        yield Live(server.address, database, pids, window_s, paths)
    finally:
        if worker is not None:
            worker.terminate()
            worker.wait()
        server.stop()


@contextmanager
def asking(bundle: str, paths: list[str]) -> Iterator[Connection]:
    """The process of the bare model, which answers how long n windows take."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=bare, args=(bundle, paths, theirs), daemon=True)
    process.start()
    try:
        yield ours
        ours.send(0)
    finally:
        process.join(10)
        process.kill()


@dataclass
class Turn:
    """Windows a second, and CPU milliseconds a window, of one repeat."""

    bare: float
    read: float
    live: float
    cpu: dict[str, float]


async def turn(live: Live, client: Any, pipe: Connection, n_streams: int, n: int) -> Turn:
    """Time the bare model before and after n windows go through streams."""
    some = max(8, n // 5)
    pipe.send(some)
    before = pipe.recv()
    took, used = await fast(live, client, n_streams, n)
    pipe.send(some)
    alone, alone_cpu, read, read_cpu = np.add(before, pipe.recv())
    cpu = {"bare": 500 * alone_cpu / some, "read": 500 * read_cpu / some}
    cpu |= {name: 1000 * seconds / n for name, seconds in used.items()}
    return Turn(2 * some / alone, 2 * some / read, n / took, cpu)


async def measure(given: argparse.Namespace, live: Live, pipe: Connection) -> None:
    """Print throughput, then latency."""
    client = await connect(live.address, "default", 30)
    bundle = pipe.recv()
    await fast(live, client, 1, 8)  # the worker's first call of the model is slow
    pipe.send(8)
    alone, _, read, _ = pipe.recv()
    print(
        f"a window of {given.window:g} s: {bundle['clips']} clips of {bundle['clip_s']:g} s, "
        f"{1e3 * alone / 8:.0f} ms in the model and {1e3 * (read - alone) / 8:.0f} ms before it; "
        f"files of {given.window:g} s at {RATE} Hz"
    )
    print(f"\n{THROUGHPUT}")
    rates = []
    for n_streams in given.streams:
        n = max(round(8 / alone * given.turn_s), (1 if given.quick else 2) * n_streams)
        turns = [await turn(live, client, pipe, n_streams, n) for _ in range(given.repeats)]
        rates.append(told(n_streams, n, turns))
    rate = given.load * min(rates)
    seconds = 1.5 * given.turn_s if given.quick else 3 * given.turn_s
    print(f"\n{rate:.1f} chunks a second, {given.load:.0%} of the lowest of these\n\n{LATENCY}")
    for n_streams in given.streams:
        found = 1e3 * await paced(live, client, n_streams, rate, seconds)
        p50, p99 = np.percentile(found, [50, 99])
        told_of = f"{p50:.0f} | {p99:.0f} | {found.max():.0f}"
        print(f"| {n_streams} | {len(found)} | {told_of} |", flush=True)


THROUGHPUT = """| streams | windows | model, a second | reading and model | live | live / model \
| live / reading and model | CPU, ms a window: model | reading and model | live: worker + server \
+ client | model / live | reading and model / live |
|---|---|---|---|---|---|---|---|---|---|---|---|"""
LATENCY = """| streams | chunks | p50, ms | p99, ms | slowest, ms |
|---|---|---|---|---|"""


def told(n_streams: int, n: int, turns: Sequence[Turn]) -> float:
    """Print the medians of the turns, of ratios too, and return the windows a second live."""

    def middle(of: Any, form: str = ".1f") -> str:
        return format(statistics.median(map(of, turns)), form)

    def live(turn: Turn) -> float:
        return sum(turn.cpu[name] for name in ("worker", "server", "client"))

    each = " + ".join(
        middle(lambda t, name=name: t.cpu[name]) for name in ("worker", "server", "client")
    )
    columns = [
        str(n_streams),
        str(n),
        middle(lambda t: t.bare),
        middle(lambda t: t.read),
        middle(lambda t: t.live),
        middle(lambda t: t.live / t.bare, ".0%"),
        middle(lambda t: t.live / t.read, ".0%"),
        middle(lambda t: t.cpu["bare"]),
        middle(lambda t: t.cpu["read"]),
        each,
        middle(lambda t: t.cpu["bare"] / live(t), ".0%"),
        middle(lambda t: t.cpu["read"] / live(t), ".0%"),
    ]
    print("| " + " | ".join(columns) + " |", flush=True)
    return statistics.median(t.live for t in turns)


def main() -> None:
    """Print two tables as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--model", help="folder of a bundle (one with random weights)")
    parser.add_argument("--quick", action="store_true", help="fewer windows, no repeats")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--window", type=float, default=10.0, help="seconds (%(default)s)")
    parser.add_argument("--load", type=float, default=0.5, help="share of it, for latency")
    parser.add_argument("--cores", type=int, help="that all processes share (all)")
    given = parser.parse_args()
    given.turn_s = 2.0 if given.quick else 6.0
    if given.quick:
        given.repeats = 1
    if given.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.cores])
        os.environ["OMP_NUM_THREADS"] = str(given.cores)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = given.model
        if bundle is None:
            bundle = str(folder / "bundle")
            make_bundle(Path(bundle))
        paths = make_sounds(folder, given.window)
        print(f"model: {given.model or 'random weights of the size of the published ones'}")
        print(
            f"{machine()}, threads of the model: {os.environ.get('OMP_NUM_THREADS', 'all')}, "
            f"load average before: {os.getloadavg()[0]:.1f}"
        )
        with asking(bundle, paths) as pipe, running(bundle, folder, given.window, paths) as live:
            asyncio.run(measure(given, live, pipe))
        print(f"\nload average after: {os.getloadavg()[0]:.1f}")


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()}, {cores} core{'s' * (cores != 1)}"


if __name__ == "__main__":
    main()
