"""The benchmark of shared training runs, and its row adds up."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_metrics_benchmark import rows


def test_a_row_compares_processes_with_threads(project_dir: Path) -> None:
    titles, _, row = rows(project_dir, "processes.py", "--quick")
    assert titles[-4:] == ["speed-up", "against 2 threads", "talking", "of the limit 2"]
    assert row[0] == "64"
    one, threads, shared, *rates = (float(cell.replace(",", "")) for cell in row[2:8])
    for ms, rate in zip((one, threads, shared), rates, strict=True):
        assert rate == pytest.approx(1e3 / ms, rel=0.02)
    assert float(row[8]) == pytest.approx(one / shared, abs=0.02)
    assert float(row[9]) == pytest.approx(threads / shared, abs=0.02)
    assert 0 < float(row[10].rstrip("%")) < 100
    assert float(row[11].rstrip("%")) == pytest.approx(50 * one / shared, abs=2)
