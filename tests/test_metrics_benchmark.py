"""The benchmarks run, and all implementations rate the same scores alike."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from bodysounds.metrics.verification import eer_and_min_dcf, equal_error_rate


def rows(project_dir, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(project_dir / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project_dir / "benchmarks", env=environment,
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="the benchmark reads peak memory from /proc, which only Linux has; the metrics that it "
    "times are tested everywhere",
)
def test_quick_benchmark_prints_figures_on_which_all_agree(project_dir):
    table = rows(project_dir, "metrics.py", "--quick")
    for trials in ("1,600", "25,600"):
        found = {row[1]: row for row in table if row[0] == trials}
        assert len(found) == 4
        eer, cost = zip(*(row[4:6] for name, row in found.items() if "argsort" not in name),
                        strict=True)  # fmt: skip
        assert np.ptp(np.array(eer, dtype=float)) < 0.5
        assert len(set(cost)) == 1
        assert all(float(row[2]) > 0 for row in found.values())
    assert {"eer", "auc", "min_dcf", "act_dcf", "cllr", "min_cllr"} < {row[0] for row in table}


def test_page_on_definitions_shows_what_its_command_prints(project_dir):
    page = (project_dir / "docs" / "verification.md").read_text()
    printed = rows(project_dir, "definitions.py")
    assert len(printed) == 2 * (2 + 8)
    missing = [row for row in printed if f"| {' | '.join(row)} |" not in page and row[0] != "---"]
    assert not missing


def test_time_grows_no_faster_than_the_sort():
    """A quadratic loop over thresholds would take hours at this size; the sort takes seconds."""
    rng = np.random.default_rng(0)
    labels = np.arange(2_000_000) % 100 == 0
    scores = rng.normal(size=len(labels)) + 2 * labels
    eer, _, cost, _ = eer_and_min_dcf(labels, scores, 0.01)
    assert eer == pytest.approx(0.1587, abs=0.005)  # two normal distributions 2 apart
    assert equal_error_rate(~labels, -scores)[0] == pytest.approx(eer)
    assert 0.5 < cost < 1
