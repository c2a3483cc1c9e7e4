"""speaker_identification from end to end, as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import FinishedRun, kedro

from bodysounds.models.classifier import load_classifier
from bodysounds.models.encoder import load_encoder

TASK = "speaker_identification"


@pytest.fixture(scope="module")
def run(finished_identification: FinishedRun) -> FinishedRun:
    return finished_identification


def metrics_of(run: FinishedRun) -> dict:
    return json.loads(run.latest("08_reporting", "metrics.json").read_text())


def test_the_run_ends_with_top_1_and_the_report(run: FinishedRun) -> None:
    output = re.sub(r"\s+", " ", run.output)
    head = metrics_of(run)["headline"]
    assert f"{TASK}: top-1 {100 * head['accuracy']:.1f}% (95% interval" in output
    assert f"heard sessions {100 * head['heard_accuracy']:.1f}%" in output
    assert "SYNTHETIC sound" in output
    for name in ("mfcc", "recording", "most_frequent"):
        assert name in output
    page = run.latest("08_reporting", "report.html").read_text()
    assert f"{100 * head['accuracy']:.1f}%" in page
    assert "https://" not in page


def test_every_result_is_there(run: FinishedRun) -> None:
    for name in ("systems", "confusion", "classes", "shortcuts", "training"):
        png = run.latest("08_reporting", f"figure/{name}.png")
        assert png.read_bytes().startswith(b"\x89PNG")
        assert png.with_suffix(".pdf").is_file()
    facts = json.loads((run.results("03_primary") / "split_facts.json").read_text())
    assert facts["by"] == "session"
    assert len(pd.read_csv(run.latest("06_models", "history.csv"))) == 2
    record = json.loads(run.latest("08_reporting", "record.json").read_text())
    assert f"{TASK}.classifier" in record["dataset_versions"]
    assert not pd.read_csv(run.latest("08_reporting", "confusions.csv"), dtype=str).empty


def test_the_predictions_are_those_of_the_metrics(run: FinishedRun) -> None:
    table = pd.read_parquet(run.latest("07_model_output", "predictions.parquet"))
    metrics = metrics_of(run)
    condition = metrics["headline"]["condition"]
    assert condition == "across_sessions"
    for system, entry in metrics["test"].items():
        own = table[(table["system"] == system) & (table["subset"] == "test")]
        own = own[own["condition"] == condition]
        assert entry["accuracy"] == pytest.approx((own["label"] == own["predicted"]).mean())
    manifest = pd.read_parquet(run.results("02_intermediate") / "manifest.parquet")
    sessions = manifest.set_index("recording_id")["session_id"]
    examples = pd.read_parquet(run.results("03_primary") / "examples.parquet")
    heard = set(sessions[examples.loc[examples["subset"] == "train", "recording_id"]])
    apart = examples["condition"] == "across_sessions"
    assert not heard & set(sessions[examples.loc[apart, "recording_id"]])


def test_evaluation_classifies_by_path_without_training(run: FinishedRun) -> None:
    classifier = run.latest("06_models", "classifier.safetensors")
    before = metrics_of(run)
    kedro(
        run.project,
        "run",
        "--env=test",
        f"--pipelines={TASK}_evaluate",
        f"--params=classifier={classifier}",
    )
    assert run.latest("06_models", "classifier.safetensors") == classifier
    assert metrics_of(run) == before
    assert len(list(run.results("08_reporting").joinpath("metrics.json").iterdir())) == 2


def test_the_embeddings_serve_verification(run: FinishedRun, tmp_path: Path) -> None:
    path = run.latest("06_models", "encoder.safetensors")
    encoder = load_encoder(path)
    assert encoder.training["heard"]
    own = load_classifier(run.latest("06_models", "classifier.safetensors")).encoder
    assert all((own.state[name] == weight).all() for name, weight in encoder.state.items())
    done = kedro(
        run.project,
        "run",
        "--env=test",
        "--pipelines=speaker_verification_evaluate",
        # elsewhere: the run of speaker_verification itself is for other tests to read
        f"--params=encoder={path},data={tmp_path}",
    )
    assert "speaker_verification: EER" in re.sub(r"\s+", " ", done.stdout)


def test_a_run_that_would_fail_stops_at_its_start(run: FinishedRun) -> None:
    for given, told in (
        ("classifier_recipe=ccl", "the recipes are ours, resnet18_ce"),
        ("classifier=/nowhere/at/all", "classifier: /nowhere/at/all"),
        ("n_speaker=3", "did you mean n_speakers"),
    ):
        done = kedro(
            run.project, "run", "--env=test", f"--pipelines={TASK}_evaluate", f"--params={given}",
            check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert told in re.sub(r"\s+", " ", done.stdout), done.stdout[-2000:]
