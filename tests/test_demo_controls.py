"""The demo is neither empty nor free: small versions of what its full run shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import kedro

TRAINING = "cry_verification.train_embedding"
TASKS = ("cry_verification", "speaker_verification")


def metrics_of(
    project: Path, data: Path, task: str = "cry_verification", **params: object
) -> dict[str, Any]:
    """Run the small demo of a task with these parameters and return its metrics."""
    given = ",".join(f"{name}={value}" for name, value in {"data": data, **params}.items())
    done = kedro(
        project, "run", "--env=test", f"--pipelines={task}", f"--params={given}", check=False
    )
    assert done.returncode == 0, done.stdout
    (path,) = (data / "08_reporting/test" / task / "metrics.json").glob("*/metrics.json")
    metrics: dict[str, Any] = json.loads(path.read_text())
    return metrics


def test_training_beats_the_untrained_network_and_mfcc(project_copy: Path, tmp_path: Path) -> None:
    learnt = {
        "n_train": 160,
        "n_dev": 20,
        "n_test": 40,
        f"{TRAINING}.channels": 32,
        f"{TRAINING}.dim": 64,
        f"{TRAINING}.depth": 2,
        f"{TRAINING}.subjects_per_batch": 32,
        f"{TRAINING}.epochs": 30,
        "cry_verification.report.n_bootstrap": 500,
    }
    metrics = metrics_of(project_copy, tmp_path, **learnt)
    for baseline in ("untrained", "mfcc"):
        compared = metrics["comparisons"][baseline]["trial"]
        assert compared["difference"] < 0
        assert compared["excludes_zero"], (baseline, compared)
    assert metrics["shortcuts"]["verdict"].startswith("None")


@pytest.mark.parametrize("task", TASKS)
def test_subjects_of_one_voice_cannot_be_told_apart(
    task: str, project_copy: Path, tmp_path: Path
) -> None:
    metrics = metrics_of(project_copy, tmp_path, task, shared_identity="true", n_test=24)
    low, high = metrics["headline"]["eer_ci95"]
    assert low <= 0.5 <= high
    assert metrics["headline"]["eer"] == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("task", TASKS)
def test_a_microphone_of_its_own_is_found_by_the_audit(
    task: str, project_copy: Path, tmp_path: Path
) -> None:
    metrics = metrics_of(project_copy, tmp_path, task, constant_channel="true", n_test=24)
    flagged = {
        n for n, row in metrics["shortcuts"].items() if isinstance(row, dict) and row["flagged"]
    }
    assert "channel" in flagged
    assert any(name in metrics["shortcuts"]["verdict"] for name in ("noise floor", "level"))
