"""How time and memory grow with the data: each stage at x1, x10 and x100, a figure each.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/growth.py [--out FOLDER] [--only NAME ...] [--quick]
    python benchmarks/growth.py --draw --out FOLDER

Each thing and size has a process of its own, in which the thing was done once to next to nothing
(modules are loaded then, and what that takes again is its overhead). Seconds are the least of some
rounds; CPU seconds are those of all threads. Memory is what the anonymous resident memory (RssAnon)
of the process and of those it starts grows by at most, looked at from outside every few
milliseconds: mapped files, which the system takes back when it likes, don't count.

An exponent is the growth between one size and the size before it, that of time by CPU seconds
(work is what grows, and other programs hardly change it) beyond the overhead: 1 is proportional, 2
the square. The step to the largest size is judged, since the others may still lie in a core's
cache: at most n log n is what n log n has there, and MARGIN for noise and what is left of caches.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import os
import platform
import resource
import select
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from growth_things import THINGS, Thing

FACTORS, QUICK = (1, 10, 100), (1, 3)
MARGIN = 0.15
PERIOD_S = 0.004
ROUND_S = 1.0
"""Up to so many seconds in all, a thing is done again, at most five times."""
TRUST = 0.5
"""Less of the CPU seconds beyond its overhead than this share of them has no exponent."""
LEAST_S = 0.001
"""Nor have times as short as this."""
FEW_MB = 10.0
"""Memory below that is the allocator's business and has no exponent."""


def measure(name: str, n: int) -> None:
    """Do a thing when told to, in this process; print what it took, as JSON."""
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the thing prints is not for the reader of the report
    thing = THINGS[name]
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        work = thing.prepare(thing.least, Path(few))
        work()
        overhead = min(timed(work)[1] for _ in range(3))
        work = thing.prepare(n, Path(many))
        gc.collect()
        give_back()
        print("ready", file=report, flush=True)
        sys.stdin.readline()
        rounds = [timed(work)]
        while len(rounds) < 5 and sum(seconds for seconds, _ in rounds) < ROUND_S:
            rounds.append(timed(work))
        seconds, cpu = (min(column) for column in zip(*rounds, strict=True))
        told = {"n": n, "seconds": seconds, "cpu_s": cpu, "overhead_s": overhead}
        print(json.dumps(told), file=report, flush=True)


def timed(work: Any) -> tuple[float, float]:
    """Return the seconds and the CPU seconds that a call takes, its threads and processes too."""
    cpu, began = cpu_seconds(), time.perf_counter()
    work()
    return time.perf_counter() - began, cpu_seconds() - cpu


def cpu_seconds() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(one)[:2]) for one in whose)


def give_back() -> None:
    """Hand freed memory to the system, where its library can: what is used then grows anew."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def anonymous_mb(process: int) -> float:
    """Return RssAnon of a process and of all that it started, in MB; Linux."""
    total = 0.0
    try:
        status = Path(f"/proc/{process}/status").read_text()
        total = next(int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line)
        total *= 1024 / 1e6
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text().split():
                total += anonymous_mb(int(child))
    except (OSError, StopIteration):  # it has just ended
        pass
    return total


def apart(name: str, n: int) -> dict[str, Any]:
    """Run `measure` in a process of its own, and watch its memory meanwhile."""
    command = [sys.executable, __file__, "--measure", name, str(n)]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        if child.stdout.readline() == "ready\n":
            before = most = anonymous_mb(child.pid)
            child.stdin.write("\n")
            child.stdin.flush()
            while not select.select([child.stdout], [], [], PERIOD_S)[0]:
                most = max(most, anonymous_mb(child.pid))
            line = child.stdout.readline()
            if line:
                return json.loads(line) | {"mb": max(most - before, 0.0)}
        child.wait()
        errors.seek(0)
        raise RuntimeError(f"{name} of {n:,} failed:\n{errors.read()}")


def exponents(sizes: list[dict[str, Any]]) -> None:
    """Add to each size the exponents of its growth over the size before it; None where unsure."""
    sizes[0] |= {"exponent": None, "exponent_mb": None, "n_log_n": None}
    for before, after in pairwise(sizes):
        step = math.log(after["n"] / before["n"])
        pair = before, after
        beyond = [one["cpu_s"] - one["overhead_s"] for one in pair]
        sure = all(
            b > max(LEAST_S, TRUST * one["cpu_s"]) for b, one in zip(beyond, pair, strict=True)
        )
        after["exponent"] = math.log(beyond[1] / beyond[0]) / step if sure else None
        heavy = all(one["mb"] >= FEW_MB for one in pair)
        after["exponent_mb"] = math.log(after["mb"] / before["mb"]) / step if heavy else None
        after["n_log_n"] = 1 + math.log(math.log(after["n"]) / math.log(before["n"])) / step


def verdict(thing: Thing, size: dict[str, Any]) -> str:
    """Return how a thing grows up to this size, its largest."""
    limit = (2.0 if thing.quadratic else size["n_log_n"]) + MARGIN
    found = [size[name] for name in ("exponent", "exponent_mb") if size[name] is not None]
    if not found:
        return "too short to say"
    if max(found) > limit:
        return f"**more than {'the square' if thing.quadratic else 'n log n'}**"
    return "the square, by nature" if thing.quadratic else "at most n log n"


def row(thing: Thing, size: dict[str, Any], last: bool) -> str:
    """Return a line of the table."""
    exponent, of_memory = (
        "" if size[name] is None else f"{size[name]:.2f}" for name in ("exponent", "exponent_mb")
    )
    cells = [
        thing.told, f"{size['n']:,} {thing.of}", f"{size['seconds']:.3f}", f"{size['cpu_s']:.3f}",
        f"{1e3 * size['overhead_s']:.1f}", f"{size['mb']:.0f}", exponent, of_memory,
        verdict(thing, size) if last else "",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| what | n | seconds | CPU seconds | overhead, ms | MB | exponent of time | of memory | "
    "grows |\n" + "|---" * 9 + "|"
)


def machine() -> str:
    """Return a line that says what measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    threads = os.environ.get("OMP_NUM_THREADS", "as many as cores")
    return (
        f"{len(os.sched_getaffinity(0))} cores of {name}; OMP_NUM_THREADS {threads}; Python "
        f"{platform.python_version()}; sounds, tables and scores are SYNTHETIC"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, help="folder for growth.json and the figures")
    parser.add_argument("--only", nargs="+", choices=list(THINGS), metavar="NAME",
                        help=f"some of {', '.join(THINGS)}")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="x1 and x3 alone")
    parser.add_argument("--draw", action="store_true", help="the figures of --out again")
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "N"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure[0], int(given.measure[1]))
        return
    if given.draw:
        if given.out is None:
            parser.error("--draw needs --out, the folder of growth.json")
        draw(given.out)
        return
    found: dict[str, Any] = {"machine": machine(), "things": {}}
    print(f"{found['machine']}\n\n{HEAD}", flush=True)
    factors = QUICK if given.quick else FACTORS
    for name in given.only or THINGS:
        sizes = []
        for factor in factors:
            sizes.append(apart(name, factor * THINGS[name].base))
            exponents(sizes)
            print(row(THINGS[name], sizes[-1], factor == factors[-1]), flush=True)
        found["things"][name] = sizes
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            (given.out / "growth.json").write_text(json.dumps(found, indent=1) + "\n")
    if given.out is not None:
        draw(given.out)


def draw(folder: Path) -> None:
    """Draw the figures of the numbers in a folder."""
    from growth_figures import draw_all

    draw_all(json.loads((folder / "growth.json").read_text()), folder)


if __name__ == "__main__":
    main()
