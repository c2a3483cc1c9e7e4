"""The benchmark of growth: what it measures, its exponents, and its figures."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def growth(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import growth

    return growth


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "growth.py"), *arguments],
        capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def sizes(growth, seconds, memory=(1.0, 1.0, 1.0), overhead=0.0):
    found = [
        {"n": 1000 * 10**k, "seconds": s, "cpu_s": s, "overhead_s": overhead, "mb": mb}
        for k, (s, mb) in enumerate(zip(seconds, memory, strict=True))
    ]
    growth.exponents(found)
    return found


def test_quick_prints_a_row_a_size_and_draws(tmp_path):
    names = ["ingest", "metrics"]
    printed = run("--quick", "--out", str(tmp_path), "--only", *names)
    rows = [line for line in printed.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 4
    assert "SYNTHETIC" in printed
    found = json.loads((tmp_path / "growth.json").read_text())["things"]
    assert list(found) == names
    for name in names:
        first, last = found[name]
        assert last["n"] == 3 * first["n"]
        assert last["seconds"] > 0
        assert last["cpu_s"] > 0
        assert last["mb"] >= 0
    pictures = [f"growth{part}" for part in ("", *(f"_{name}" for name in names))]
    for name in pictures:
        assert (tmp_path / f"{name}.png").read_bytes()[1:4] == b"PNG"
        assert "<svg" in (tmp_path / f"{name}.svg").read_text()
    before = {name: (tmp_path / f"{name}.png").read_bytes() for name in pictures}
    for name in pictures:
        (tmp_path / f"{name}.png").unlink()
    run("--draw", "--out", str(tmp_path))
    assert {name: (tmp_path / f"{name}.png").read_bytes() for name in pictures} == before


def test_exponents_and_verdicts(growth):
    thing = growth.THINGS["split"]
    for seconds, exponent, verdict in (
        ([1, 10, 100], 1.0, "at most n log n"),
        ([n * math.log(n) for n in (1e3, 1e4, 1e5)], 1.097, "at most n log n"),
        ([1, 100, 10_000], 2.0, "**more than n log n**"),
        ([1, 10, 10 ** (1 + 1.3)], 1.3, "**more than n log n**"),
    ):
        last = sizes(growth, seconds)[-1]
        assert last["exponent"] == pytest.approx(exponent, abs=0.001)
        assert growth.verdict(thing, last) == verdict


def test_overhead_hides_no_growth(growth):
    found = sizes(growth, [1.01, 3.0, 201.0], overhead=1.0)
    assert found[1]["exponent"] is None  # hardly anything is beyond the overhead
    assert found[2]["exponent"] == pytest.approx(2.0)


def test_memory_counts_and_the_square_is_natural_to_all_pairs_alone(growth):
    linear = [1, 10, 100]
    heavy = sizes(growth, linear, memory=(20.0, 200.0, 20_000.0))[-1]
    assert heavy["exponent_mb"] == pytest.approx(2.0)
    assert "more than" in growth.verdict(growth.THINGS["split"], heavy)
    square = sizes(growth, [1, 100, 10_000])[-1]
    assert growth.verdict(growth.THINGS["all_pairs"], square) == "the square, by nature"
    cube = sizes(growth, [1, 1000, 10**6])[-1]
    assert "more than the square" in growth.verdict(growth.THINGS["all_pairs"], cube)


def test_memory_of_a_process_is_seen_from_outside(growth):
    import numpy as np

    before = growth.anonymous_mb(os.getpid())
    held = np.ones(12_500_000)  # 100 MB
    after = growth.anonymous_mb(os.getpid())
    assert after - before == pytest.approx(100, abs=5)
    child = subprocess.Popen([sys.executable, "-c", "x = bytes(range(256)) * 200_000; input()"],
                             stdin=subprocess.PIPE)  # fmt: skip
    try:
        for _ in range(200):
            if growth.anonymous_mb(os.getpid()) > after + 51:
                break
            time.sleep(0.02)
        assert growth.anonymous_mb(os.getpid()) > after + 51  # what it starts counts too
    finally:
        child.communicate(b"\n")
    assert held.sum() > 0


def test_what_fails_says_so(growth):
    with pytest.raises(RuntimeError, match="train of 3 failed"):
        growth.apart("train", 3)
