"""The benchmark of exported encoders runs, and its columns belong together."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_metrics_benchmark import rows


def test_a_row_for_each_batch(project_dir: Path) -> None:
    head, _, *found = rows(project_dir, "export.py", "--quick", "--threads", "1")
    assert [row[:1] + row[2:4] for row in found] == [
        ["ECAPA-16", "1", "1"], ["ECAPA-16", "1", "2"],
    ]  # fmt: skip
    for row in found:
        values = dict(
            zip(head[1:], [float(cell.replace(",", "")) for cell in row[1:]], strict=True)
        )
        assert values["ratio"] == pytest.approx(
            values["ours ms"] / values["onnxruntime ms"], rel=0.05, abs=0.05
        )
        assert values["times real time"] == pytest.approx(
            1000 * values["s"] * values["batch"] / values["onnxruntime ms"], rel=0.05
        )
        assert values["CPU ratio"] > 0
        assert 0 <= values["difference"] < 1e-4
        assert values["MB"] > 0.5
