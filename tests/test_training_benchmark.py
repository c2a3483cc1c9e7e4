"""The benchmark of training runs, and both sides of it train the same network."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_metrics_benchmark import rows

QUICK = ("training.py", "--quick", "--device", "cpu")


def test_a_row_for_each_loss_precision_and_rival(project_dir: Path) -> None:
    """The run itself stops where both sides do not find the same loss for the same crops."""
    head, _, *table = rows(project_dir, *QUICK)
    named = [dict(zip(head, row, strict=True)) for row in table]
    assert {(row["loss"], row["rival"]) for row in named} == {
        (loss, rival) for loss in ("aam", "triplet") for rival in ("plain", "Brain")
    }
    assert "float32" in {row["ours"] for row in named}
    for row in named:
        assert row["network"] == "ECAPA-16"
        ours, rival = float(row["ours steps/s"]), float(row["rival steps/s"])
        assert min(ours, rival) > 0
        assert float(row["rival / ours"]) == pytest.approx(ours / rival, rel=0.02, abs=0.01)
        assert float(row["ours crops/s"]) == pytest.approx(4 * ours, rel=0.02)
        assert 0 <= float(row["idle"].rstrip("%")) < 100
        assert float(row["bare products ms"]) > 0
        assert 0 < float(row["share"].rstrip("%")) < 100


def test_the_estimate_is_of_all_crops(project_dir: Path) -> None:
    head, _, *table = rows(project_dir, *QUICK, "--estimate")
    (row,) = (dict(zip(head, cells, strict=True)) for cells in table)
    seconds = 60 * float(row["minutes"])
    assert seconds * float(row["crops/s"]) == pytest.approx(300 * 586, rel=0.02)
    assert float(row["PFLOP"]) > 0
