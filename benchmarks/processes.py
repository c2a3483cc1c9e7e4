"""Steps a second of a training shared by several processes, beside one process on one machine.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/processes.py [--channels 256 1024] [--processes 2]
        [--batch 16] [--crop-s 3] [--precision auto float32] [--rounds 3] [--quick]

A step of AAM and triplet together, with tilt, noise and spectral masks, is taken by one process of
one thread, by one process of as many threads as there are processes, and by that many processes of
one thread each. All work on the same batch and weights, in the same processes and by turns, each
round the other way about; the least of the rounds is printed. Before anything is timed, one process
and several must have the same loss. What is compared with the limit is the speed-up: it cannot be
more than the number of processes.

`talking` is the share of a shared step that the first process spends in calls to the others,
waiting for them included: statistics of batch norms, embeddings and gradients.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from respiratory import machine
from training import gather

from bodysounds.devices import choose_device, use_bf16
from bodysounds.training.launch import run_together
from bodysounds.training.ranks import Ranks
from bodysounds.training.run import Training
from bodysounds.training.setup import Given, set_up
from bodysounds.training.state import State
from bodysounds.training.step import Loaded, crop_draws, load, train_mode, train_step
from bodysounds.training.synced_norm import sync_norms

RECIPE: dict[str, Any] = {
    "losses": [
        {"name": "aam", "weight": 1.0, "margin": 0.2, "scale": 30.0},
        {"name": "triplet", "weight": 0.5, "margin": 0.3},
    ],
    "augment": [
        {"name": "tilt", "p": 0.8},
        {"name": "noise", "p": 1.0},
        {"name": "spec_augment", "p": 0.5},
    ],
}
EQUAL = 2e-3
"""Share by which the losses of one process and of several may differ, in float32."""
ROUNDING = 2e-2
"""The same, in bfloat16."""


class Clock:
    """Time spent in the calls of `torch.distributed` that a step makes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for name in ("all_gather", "all_reduce"):
            setattr(torch.distributed, name, self.timed(getattr(torch.distributed, name)))

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            found = call(*arguments, **options)
            self.seconds += time.perf_counter() - began
            return Waited(self, found) if options.get("async_op") else found

        return wrapped


class Waited:
    """A call that goes on by itself until it is waited for."""

    def __init__(self, clock: Clock, under_way: Any) -> None:
        self.clock, self.under_way = clock, under_way

    def wait(self) -> None:
        began = time.perf_counter()
        self.under_way.wait()
        self.clock.seconds += time.perf_counter() - began


def prepared(given: Given, ranks: Ranks) -> tuple[Training, Loaded]:
    """Return a training that some processes share, and the own part of its first batch."""
    run = replace(set_up(given)[0], ranks=ranks)
    sync_norms(run.module, ranks)
    train_mode(run)
    batch = run.plan(0)[0]
    return run, load(run, batch, crop_draws(run, 0, 0), ranks.part(len(batch.rows)))


def work(ranks: Ranks, given: Given, rounds: int, to: Path) -> None:
    """Time the three by turns, and write the seconds of each round and those spent talking."""
    clock = Clock()
    shared, alone = prepared(given, ranks), prepared(given, Ranks())
    works = {"one": (alone, 1), "threads": (alone, ranks.size), "processes": (shared, 1)}
    spent: dict[str, list[float]] = {name: [] for name in [*works, "talking"]}
    losses = {}
    for number in range(rounds + 1):
        for name in list(works)[:: -1 if number % 2 else 1]:
            (run, loaded), n_threads = works[name]
            torch.distributed.barrier()
            if not ranks.first and name != "processes":
                continue  # and wait, asleep
            torch.set_num_threads(n_threads)
            clock.seconds, began = 0.0, time.perf_counter()
            loss = float(train_step(run, loaded, State())["loss"])
            seconds = time.perf_counter() - began
            torch.set_num_threads(1)
            if number == 0:  # warms up, and is compared
                losses[name] = loss
                continue
            spent[name].append(seconds)
            if name == "processes":
                spent["talking"].append(clock.seconds / seconds)
    if ranks.first:
        to.write_text(json.dumps({"losses": losses, "spent": spent}))


def measure(given: Given, n_processes: int, rounds: int, folder: Path) -> list[str]:
    """Return the cells of a row; SystemExit where several processes have another loss than one."""
    to = folder / "found.json"
    run_together(work, n_processes, given, rounds, to)
    found = json.loads(to.read_text())
    # the first two share their weights, so that the second's first loss is that of a later step
    one, shared = found["losses"]["one"], found["losses"]["processes"]
    bf16 = use_bf16(given.params.precision, choose_device(given.params.device))
    if abs(shared - one) > (ROUNDING if bf16 else EQUAL) * abs(one):
        raise SystemExit(f"{n_processes} processes have the loss {shared}, and one has {one}")
    spent = found["spent"]
    least = {name: min(seconds) for name, seconds in spent.items()}
    place = spent["processes"].index(least["processes"])
    gain = least["one"] / least["processes"]
    return [
        str(given.params.channels),
        "bf16" if bf16 else "float32",
        *(f"{1e3 * least[name]:,.1f}" for name in ("one", "threads", "processes")),
        *(f"{1.0 / least[name]:.3f}" for name in ("one", "threads", "processes")),
        f"{gain:.2f}",
        f"{least['threads'] / least['processes']:.2f}",
        f"{100 * spent['talking'][place]:.1f}%",
        f"{100 * gain / n_processes:.0f}%",
    ]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--channels", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--processes", type=int, default=2, help="%(default)s")
    parser.add_argument("--batch", type=int, default=16, help="crops of a step (%(default)s)")
    parser.add_argument("--crop-s", type=float, default=3.0, help="of a crop (%(default)s)")
    parser.add_argument("--precision", nargs="+", default=["auto"], help="auto, bf16, float32")
    parser.add_argument("--rounds", type=int, default=3, help="%(default)s")
    parser.add_argument("--quick", action="store_true", help="a small network and a round, to test")
    given = parser.parse_args(arguments)
    if given.quick:
        given.channels, given.batch, given.crop_s, given.rounds = [64], 6, 1.0, 1
    # what `gather` asks for besides
    given.steps, given.raw, given.estimate, given.device = 2, None, False, "cpu"
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    n = given.processes
    torch.set_num_threads(n)
    print(machine(torch.device("cpu")).split(";")[0] + "\n")
    print(f"a step of {given.batch} crops of {given.crop_s:g} s, {n} processes, synthetic sounds\n")
    titles = ["channels", "precision"]
    kinds = ["1 x 1", f"1 x {n}", f"{n} x 1"]
    titles += [f"ms, {kind}" for kind in kinds] + [f"steps/s, {kind}" for kind in kinds]
    titles += ["speed-up", f"against {n} threads", "talking", f"of the limit {n}"]
    print("| " + " | ".join(titles) + " |")
    print("|" + "---|" * len(titles))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sounds = gather(given, folder).given
        for channels in given.channels:
            for precision in given.precision:
                params = replace(sounds.params, channels=channels, precision=precision, **RECIPE)
                cells = measure(replace(sounds, params=params), n, given.rounds, folder)
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
