"""EER and minDCF together against SpeechBrain, WeSpeaker's algorithm and scikit-learn.

Scores are synthetic: two normal distributions, as many targets as the trial lists that the sizes
come from (CryCeleb's dev and test, VoxCeleb1-H, CN-Celeb). What runs in this process is timed in
turns, and medians are printed; memory, and SpeechBrain, are measured in a process of their own.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from metric_rivals import IN_PROCESS, SPEECHBRAIN

P_TARGET = 0.05
SIZES = {1_600: 40, 25_600: 160, 550_894: 275_000, 3_480_000: 17_500}
"""Trials, and how many of them are targets."""


def trials(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of n trials, in random order."""
    rng = np.random.default_rng(n)
    labels = np.zeros(n, dtype=np.int64)
    labels[rng.choice(n, SIZES[n], replace=False)] = 1
    scores = rng.normal(size=n)
    scores += 2 * labels
    return labels, scores


def timed(function, *arguments) -> tuple[float, object]:
    """Return the seconds that a call took, and its result."""
    began = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - began, result


def in_turns(n: int, repeats: int) -> dict[str, tuple[float, object]]:
    """Return the median seconds and the figures of everything that runs in this process."""
    labels, scores = trials(n)
    seconds: dict[str, list[float]] = {name: [] for name in IN_PROCESS}
    found = {}
    for _ in range(repeats + 1):
        for name, function in IN_PROCESS.items():
            second, found[name] = timed(function, labels, scores, P_TARGET)
            seconds[name].append(second)
    # the first round loads modules and warms the caches
    return {name: (float(np.median(seconds[name][1:])), found[name]) for name in IN_PROCESS}


def memory_mib(field: str) -> float:
    """Return this process's memory (VmRSS) or its highest so far (VmHWM), in MiB; Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**10


def measure(name: str, n: int, memory_gib: float) -> None:
    """Print what one function needs, in this process, which was started for it alone."""
    function = (IN_PROCESS | SPEECHBRAIN)[name]
    function(*trials(1_600), P_TARGET)  # imports
    labels, scores = trials(n)
    limit = int(memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far starts anew
    before = memory_mib("VmRSS")
    seconds, figures = timed(function, labels, scores, P_TARGET)
    whole = memory_mib("VmHWM")
    told = {"seconds": seconds, "figures": figures, "added": whole - before, "whole": whole}
    print(json.dumps(told))


def apart(name: str, n: int, memory_gib: float, seconds: float) -> dict | str:
    """Run `measure` in a process of its own; return its findings, or why there are none."""
    command = [sys.executable, __file__, "--measure", name, str(n), "--memory", str(memory_gib)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=max(seconds, 60), check=False
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} s"
    if done.returncode:
        if "memory" in done.stderr.lower():
            return f"stopped: over {memory_gib:g} GiB"
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def row(n, name, seconds, base, figures, memory) -> None:
    eer, cost = figures or (None, None)
    cells = [f"{1000 * seconds:,.2f}", f"{seconds / base:,.2f}",
             "" if eer is None else f"{100 * eer:.3f}", "" if cost is None else f"{cost:.4f}",
             memory]  # fmt: skip
    print(f"| {n:,} | {name} | {' | '.join(cells)} |", flush=True)


def table(sizes: list[int], repeats: int | None, memory_gib: float, stop: float) -> None:
    print("| trials | | ms | / argsort + gather | EER % | minDCF | added / whole memory, MiB |")
    print("|---|---|---|---|---|---|---|")
    slow: dict[str, tuple[int, float]] = {}  # SpeechBrain's last measured size and seconds
    for n in sizes:
        timings = in_turns(n, repeats or int(np.clip(4e6 / n, 9, 301)))
        base = timings["argsort + gather"][0]
        for name, (seconds, figures) in timings.items():
            peak = apart(name, n, memory_gib, stop)
            memory = (
                f"{peak['added']:,.0f} / {peak['whole']:,.0f}" if isinstance(peak, dict) else peak
            )
            row(n, name, seconds, base, figures, memory)
        for name in SPEECHBRAIN if stop else ():
            smaller, spent = slow.get(name, (n, 0.0))
            expected = spent * (n / smaller) ** 2
            if expected > stop:
                print(f"| {n:,} | {name} | not run: quadratic, from {spent:.2f} s at {smaller:,} "
                      f"trials about {expected:,.0f} s | {expected / base:,.0f} | | | |",
                      flush=True)  # fmt: skip
                continue
            found = apart(name, n, memory_gib, stop)
            if isinstance(found, str):
                print(f"| {n:,} | {name} | {found} | | | | |", flush=True)
                continue
            slow[name] = n, found["seconds"]
            memory = f"{found['added']:,.0f} / {found['whole']:,.0f}"
            row(n, name, found["seconds"], base, found["figures"], memory)


def resamples(n: int) -> None:
    """Time the resampling of 160 subjects' 25,600 trials."""
    from bodysounds.metrics.resampling import resampler

    who = np.arange(160)
    enrol, test = (side.ravel() for side in np.meshgrid(who, who, indexing="ij"))
    labels = (enrol == test).astype(np.int64)
    scores = np.random.default_rng(0).normal(size=len(labels)) + 2 * labels
    print(f"\n| {n:,} resamples of {len(labels):,} trials | s |\n|---|---|")
    spent, sample = timed(lambda: resampler(labels, enrol, test, n=n))
    print(f"| drawing the subjects | {spent:.2f} |")
    for name in ("eer", "auc", "min_dcf", "act_dcf", "cllr", "min_cllr"):
        spent, _ = timed(lambda name=name: sample.draws(scores, name, p_target=P_TARGET))
        print(f"| {name} | {spent:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--quick", action="store_true", help="two sizes, few repeats, no SpeechBrain"
    )
    parser.add_argument("--stop", type=float, default=60, help="seconds after which a rival stops")
    parser.add_argument("--memory", type=float, default=8, help="GiB that a rival may address")
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "TRIALS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], int(options.measure[1]), options.memory)
        return
    print(
        f"Synthetic scores. p_target {P_TARGET}; numpy {np.__version__}, one process at a time.\n"
    )
    sizes = list(SIZES)[:2] if options.quick else list(SIZES)
    stop = 0.0 if options.quick else options.stop
    table(sizes, 5 if options.quick else None, options.memory, stop)
    resamples(50 if options.quick else 1000)


if __name__ == "__main__":
    main()
