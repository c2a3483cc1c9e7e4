"""Featurize and embedding in shards, on 1 and 2 workers of Dask, beside one process.

    python benchmarks/shards.py [--recordings 240] [--seconds 20] [--channels 256] [--quick]

Synthetic sound: flac of 44.1 kHz, decoded to 16 kHz and packed, then heard by an ECAPA-TDNN of
random weights in float32. Alone is what featurize and score_pairs do with `shards: 1`, in this
process by one thread. The workers are processes of one thread, each held to a core of its own,
under a scheduler that is a process too; the node runs in a task of one of them. All by turns, the
least of the rounds. The limit of a speed-up is the number of workers; CPU is of this process, or of
all workers without the scheduler. Results are compared: equal bytes, and embeddings within 1e-6.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rich
import soundfile
import torch

from bodysounds.audio.pack import DecodedSegments, decode_segments
from bodysounds.audio.packed import SAMPLES, open_packed, write_packed
from bodysounds.audio.shards import shard_segments
from bodysounds.corpora.base import Corpus
from bodysounds.models.encoder import Encoder, untrained
from bodysounds.params import FeaturizeParams
from bodysounds.scoring.embed import embed_means
from bodysounds.scoring.shards import ShardedMeans

RATE, RAW_RATE = 16_000, 44_100
LONGEST_S = 60.0
BOUND = 1e-6
WORKERS = (1, 2)


@dataclass(frozen=True)
class Told:
    """What a node is told: plain values, so that it can be sent to a worker."""

    folder: Path
    manifest: pd.DataFrame
    shards: int
    channels: int


def recordings(folder: Path, n: int, seconds: float) -> pd.DataFrame:
    """Write recordings of half to one and a half times as many seconds; return their manifest."""
    rng = np.random.default_rng(0)
    (folder / "raw").mkdir()
    rows = []
    for number, length in enumerate(rng.uniform(0.5 * seconds, 1.5 * seconds, n)):
        path = folder / "raw" / f"r{number:05d}.flac"
        wave = np.cumsum(rng.standard_normal(round(length * RAW_RATE)))
        soundfile.write(path, 0.5 * wave / np.abs(wave).max(), RAW_RATE)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append((path.stem, path.name, length, sha256))
    return pd.DataFrame(rows, columns=["recording_id", "path", "duration_s", "sha256"])


def pieces(told: Told) -> DecodedSegments:
    ids = told.manifest["recording_id"]
    table = {"segment_id": ids, "recording_id": ids, "start_s": 0.0, "end_s": np.nan}
    # 1: one thread in this process; in a worker as many as its cores, which is one
    params = FeaturizeParams(
        sample_rate=RATE, workers=1, shards=told.shards, work_dir=str(told.folder / "work")
    )
    corpus = Corpus(told.folder / "raw", "table", "made")
    return decode_segments(corpus, told.manifest, pd.DataFrame(table), params)


def featurize(told: Told, sharded: bool) -> str:
    """Pack all recordings; return the sha256 of what was packed."""
    decoded = pieces(told)
    dealt = shard_segments(decoded, told.manifest) if sharded else None
    target = told.folder / "packed"
    shutil.rmtree(target, ignore_errors=True)
    write_packed(target, dealt or decoded, RATE)
    if dealt:
        dealt.clear()
    with open(target / SAMPLES, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def embed(told: Told, sharded: bool) -> np.ndarray:
    """Return the embedding of each recording."""
    packed = open_packed(told.folder / "packed")
    architecture = {
        "name": "ecapa", "n_mels": 80, "channels": told.channels, "depth": 3, "dim": 192,
    }  # fmt: skip
    front = {"name": "speechbrain", "sample_rate": RATE, "n_mels": 80, "mean_over": "band"}
    encoder = untrained(Encoder({}, architecture, front), seed=0)
    heard = [[span] for span in packed.index.iloc[:, 1:].to_numpy(np.int64)[:, None]]
    means: Any = ShardedMeans(told.shards, told.folder / "work") if sharded else embed_means
    found = means(encoder, packed, heard, LONGEST_S, "cpu", precision="float32")
    if sharded:
        means.clear()
    return np.asarray(found)


def bare(_: Told, __: bool) -> None:
    """Do nothing: what is left is the way to a worker and back."""


@contextmanager
def process(*arguments: str, core: int | None = None) -> Iterator[None]:
    """Run a command of Dask, on a core of its own where there are several."""

    started = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if core is not None and hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(started.pid, {own[core % len(own)]})
    try:
        yield
    finally:
        started.terminate()
        started.wait()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[Any, float, float]]:
    """Give a client, the seconds until all workers answer, and those until they can begin."""
    from distributed import Client

    told = f"--scheduler-file={folder / f'scheduler-{workers}.json'}", "--no-dashboard"
    own = "--nthreads=1", "--no-nanny", "--memory-limit=0"
    with ExitStack() as stack:
        began = time.perf_counter()
        stack.enter_context(process("scheduler", *told, "--host=127.0.0.1", "--port=0"))
        for core in range(workers):
            stack.enter_context(process("worker", *told, *own, core=core))
        path = told[0].split("=", 1)[1]
        client = stack.enter_context(Client(scheduler_file=path, set_as_default=False))
        client.wait_for_workers(workers, timeout=120)
        ready = time.perf_counter()
        client.run(warm)
        yield client, ready - began, time.perf_counter() - ready


def warm() -> None:
    """Import what a worker needs."""
    import bodysounds.audio.shards
    import bodysounds.scoring.shards  # noqa: F401


def alone(node: Callable[[Told, bool], Any], told: Told) -> tuple[Any, float, float]:
    """Return what a node finds in this process by one thread, its seconds and CPU seconds."""
    cpu, began = time.process_time(), time.perf_counter()
    found = node(told, False)
    return found, time.perf_counter() - began, time.process_time() - cpu


def on_dask(client: Any, node: Callable[[Told, bool], Any], told: Told) -> tuple[Any, float, float]:
    """Return what a node finds in a task of a cluster, its seconds and the workers' CPU seconds."""
    cpu, began = sum(client.run(time.process_time).values()), time.perf_counter()
    found = client.submit(node, told, True, pure=False).result()
    spent = time.perf_counter() - began
    return found, spent, sum(client.run(time.process_time).values()) - cpu


def same(one: Any, other: Any) -> bool:
    """Whether results are equal, embeddings within the bound."""
    if isinstance(one, np.ndarray):
        return bool(np.abs(one - other).max() <= BOUND)
    return bool(one == other)


def ways_of(
    node: Callable[[Told, bool], Any], told: Told, clients: dict[int, Any]
) -> dict[int, Callable[[], tuple[Any, float, float]]]:
    """Return the ways to run a node, by the number of workers; 0 is alone."""
    ways: dict[int, Callable[[], tuple[Any, float, float]]] = {0: lambda: alone(node, told)}
    for n, client in clients.items():
        ways[n] = lambda client=client: on_dask(client, node, told)
    return ways


def compare(given: argparse.Namespace, told: Told, clients: dict[int, Any]) -> None:
    """Print a row for each thing and number of workers."""
    sound = told.manifest["duration_s"].sum()
    print("| what | workers | seconds | times real time | speed-up | of the limit | CPU s |")
    print("|" + "---|" * 7)
    for node in (featurize, embed):
        ways = ways_of(node, told, clients)
        spent: dict[int, list[tuple[float, float]]] = {n: [] for n in ways}
        truth = None
        for number in range(given.rounds):
            for n in list(ways)[:: -1 if number % 2 else 1]:
                found, wall, cpu = ways[n]()
                truth = found if truth is None else truth
                if not same(truth, found):
                    raise SystemExit(f"{node.__name__} on {n} workers finds something else")
                spent[n].append((wall, cpu))
        best = {n: tuple(map(min, zip(*both, strict=True))) for n, both in spent.items()}
        for n, (wall, cpu) in best.items():
            ratio = best[0][0] / wall
            cells = [f"{wall:.2f}", f"{sound / wall:,.0f}", f"{ratio:.2f}"]
            cells += [f"{ratio / n:.0%}" if n else "", f"{cpu:.2f}"]
            print(f"| {node.__name__} | {n or 'alone'} | {' | '.join(cells)} |", flush=True)


def machine() -> str:
    """Return what ran, in words."""
    from importlib.metadata import version

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"Python {platform.python_version()}, torch {torch.__version__}, distributed "
        f"{version('distributed')}, {platform.machine()}, {cores} cores, "
        f"{torch.backends.cpu.get_cpu_capability()}, float32"
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--recordings", type=int, default=240, help="%(default)s")
    parser.add_argument("--seconds", type=float, default=20.0, help="of one, on average")
    parser.add_argument("--channels", type=int, default=256, help="of the network (%(default)s)")
    parser.add_argument("--shards", type=int, default=8, help="%(default)s")
    parser.add_argument("--rounds", type=int, default=2, help="%(default)s")
    parser.add_argument("--quick", action="store_true", help="a few seconds of sound")
    return parser.parse_args(arguments)


def main() -> None:
    """Print a table as Markdown."""
    given = parse()
    rich.reconfigure(quiet=True)  # no bars among the rows
    if given.quick:
        given.recordings, given.seconds, given.channels, given.rounds = 8, 1.0, 16, 1
    torch.set_num_threads(1)
    print(machine())
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        manifest = recordings(folder, given.recordings, given.seconds)
        hours = manifest["duration_s"].sum() / 3600
        print(f"{len(manifest)} synthetic recordings, {hours:.2f} hours; {given.shards} shards; "
              f"ECAPA-TDNN of {given.channels} channels")  # fmt: skip
        told = Told(folder, manifest, given.shards, given.channels)
        clients = {}
        for n in WORKERS:
            client, start, imports = stack.enter_context(cluster(folder, n))
            clients[n] = client
            _, empty, _ = min((on_dask(client, bare, told) for _ in range(3)), key=lambda t: t[1])
            print(f"{n} workers: {start:.1f} s until they answer, {imports:.1f} s to import, "
                  f"{1e3 * empty:.0f} ms for an empty node")  # fmt: skip
        print()
        compare(given, told, clients)


if __name__ == "__main__":
    main()
