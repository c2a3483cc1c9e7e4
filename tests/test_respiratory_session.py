"""respiratory_scl from end to end, as a user runs it: one method, folds, seeds, evaluation."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import FinishedRun, kedro

from bodysounds.datasets.figure import FigureDataset
from bodysounds.metrics.respiratory import icbhi_score
from bodysounds.models.classifier import load_classifier

TASK = "respiratory_scl"
CLASSES = ["both", "crackle", "normal", "wheeze"]
METHODS = ("sl", "scl", "hybrid", "mscl")
FIGURES = (
    "systems", "confusion", "classes", "reliability", "shortcuts", "groups", "training",
    "embedding_map", "breath_right_wrong",
)  # fmt: skip
BASELINES = ("log_mel", "mfcc", "recording", "most_frequent")


@pytest.fixture(scope="module")
def run(finished_respiratory: FinishedRun) -> FinishedRun:
    return finished_respiratory


@pytest.fixture(scope="module")
def folds(finished_folds: FinishedRun) -> FinishedRun:
    return finished_folds


@pytest.fixture(scope="module")
def seeds(finished_seeds: FinishedRun) -> FinishedRun:
    return finished_seeds


def elsewhere(run: FinishedRun, kind: str, folder: Path, *arguments: str) -> FinishedRun:
    """The run of another pipeline on the same recordings, in a folder of its own."""
    other = FinishedRun(folder, "", TASK)
    shutil.copytree(run.results("01_raw"), other.results("01_raw"))
    done = kedro(
        run.project, "run", "--env=test", f"--pipelines={TASK}_{kind}",
        f"--params=data={folder / 'data'}", *arguments,
    )  # fmt: skip
    assert not list((folder / "data" / ".work").glob("*"))
    return replace(other, output=done.stdout)


def metrics_of(run: FinishedRun) -> dict[str, Any]:
    return json.loads(run.latest("08_reporting", "metrics.json").read_text())


def predictions_of(run: FinishedRun) -> pd.DataFrame:
    return pd.read_parquet(run.latest("07_model_output", "predictions.parquet"))


def examples_of(run: FinishedRun) -> pd.DataFrame:
    return pd.read_parquet(run.results("03_primary") / "examples.parquet")


def branch(run: FinishedRun, name: str, table: str) -> pd.DataFrame:
    folder = replace(run, task=f"{TASK}.{name}").results("07_model_output") / "run"
    return pd.read_parquet(folder / f"{table}.parquet")


def flat(output: str) -> str:
    return re.sub(r"\s+", " ", output)


def test_the_run_ends_with_its_headline_and_the_report(run: FinishedRun) -> None:
    head = metrics_of(run)["headline"]
    assert f"{TASK}: ICBHI Score {100 * head['score']:.1f}%" in flat(run.output)
    assert "SYNTHETIC sound" in flat(run.output)
    assert (head["condition"], head["groups_are"]) == ("unseen_patient", "patients")
    page = run.latest("08_reporting", "report.html").read_text()
    assert f"{100 * head['score']:.1f}%" in page
    assert "https://" not in page
    assert set(metrics_of(run)["test"]) == {"ours", *BASELINES}


def test_every_result_is_there(run: FinishedRun) -> None:
    for name in FIGURES:
        png = run.latest("08_reporting", f"figure/{name}.png")
        assert png.read_bytes().startswith(b"\x89PNG")
        assert png.with_suffix(".pdf").is_file()
    again = FigureDataset(filepath=str(run.latest("08_reporting", "figure/groups.png"))).load()
    assert again.png.startswith(b"\x89PNG")
    history = pd.read_csv(run.latest("06_models", "history.csv"))
    assert history["chosen"].sum() == 1
    assert set(history["stage"]) == {"contrastive", "linear"}  # mscl has two
    record = json.loads(run.latest("08_reporting", "record.json").read_text())
    assert f"{TASK}.classifier" in record["dataset_versions"]
    asked = pd.read_parquet(run.latest("07_model_output", "task_predictions.parquet"))
    assert set(asked["task"]) <= {"binary", "diagnosis"}
    assert "binary" in metrics_of(run)["tasks"]


def test_the_score_is_that_of_the_predictions_on_unheard_patients(run: FinishedRun) -> None:
    table, examples = predictions_of(run), examples_of(run)
    own = table[(table["system"] == "ours") & (table["condition"] == "unseen_patient")]
    own = own[own["subset"] == "test"]
    score = icbhi_score(own["label"], own["predicted"])
    head = metrics_of(run)["headline"]
    assert (head["score"], head["se"], head["sp"]) == pytest.approx(tuple(score))
    patient = examples.set_index("segment_id")["session_id"]
    taught = set(examples.loc[examples["subset"] != "test", "session_id"])
    assert not set(own["segment_id"].map(patient)) & taught
    classifier = load_classifier(run.latest("06_models", "classifier.safetensors"))
    assert classifier.labels == CLASSES
    facts = json.loads((run.results("03_primary") / "split_facts.json").read_text())
    assert (facts["by"], facts["protocol"], facts["chosen_on"]) == ("patient", "official", "dev")


def test_evaluation_takes_a_classifier_by_path_and_trains_nothing(
    run: FinishedRun, tmp_path: Path
) -> None:
    classifier = run.latest("06_models", "classifier.safetensors")
    after = elsewhere(
        run, "evaluate", tmp_path, f"--params=classifier={classifier},data={tmp_path}/data"
    )
    assert not list(after.project.rglob("*.safetensors/*/classifier.safetensors"))
    pd.testing.assert_frame_equal(predictions_of(after), predictions_of(run))
    assert metrics_of(after)["test"] == metrics_of(run)["test"]


def test_the_folds_test_every_patient_once(folds: FinishedRun) -> None:
    assert not list((folds.project / folds.data / ".work").glob("*"))
    table, examples = predictions_of(folds), examples_of(folds)
    systems = {"ours", *METHODS, *BASELINES}
    unseen = table[table["condition"] == "unseen_patient"]
    assert set(unseen["system"]) >= systems
    for system in systems:
        own = unseen.loc[unseen["system"] == system, "segment_id"]
        assert sorted(own) == sorted(examples["segment_id"])
    rule = json.loads(folds.latest("07_model_output", "rule.json").read_text())
    ours = unseen[unseen["system"] == "ours"]
    for choice in rule["choices"]:
        assert choice["chosen"] == max(choice["dev_score"], key=choice["dev_score"].get)
        assert set(ours.loc[ours["fold"] == choice["fold"], "method"]) == {choice["chosen"]}
    found = metrics_of(folds)
    assert set(found["test"]) == systems
    assert found["protocol"]["folds"] == 5
    pairs = {frozenset((one, other)) for one, own in found["methods"].items() for other in own}
    assert len(pairs) == 6
    assert set().union(*pairs) == set(METHODS)


def test_what_a_split_by_cycle_would_claim_is_told_apart(folds: FinishedRun) -> None:
    table = predictions_of(folds)
    mixed = table[table["condition"] == "random_cycle"]
    assert set(mixed["system"]) == {"ours", "log_mel"}
    assert metrics_of(folds)["headline"]["condition"] == "unseen_patient"
    assert set(metrics_of(folds)["subgroups"]["random_cycle"]) == {"ours", "log_mel"}
    heard = branch(folds, "fold_0", "by_cycle")
    assert set(heard["condition"]) == {"random_cycle"}
    page = folds.latest("08_reporting", "report.html").read_text()
    assert "https://" not in page


def test_the_seeds_have_a_row_a_run_and_answer_by_their_mean(seeds: FinishedRun) -> None:
    runs = pd.read_csv(seeds.latest("07_model_output", "runs.csv"))
    # two of the ten branches train in this environment, and so it says
    assert len(runs) == 2 * len(METHODS)
    assert branch(seeds, "seed_2", "sl").empty
    assert "runs lists no sl of seed 9: it is not trained" in flat(seeds.output)
    table = predictions_of(seeds)
    assert set(table["system"]) >= {"ours", *METHODS, *BASELINES}
    told = [branch(seeds, f"seed_{k}", "hybrid").set_index("segment_id") for k in range(2)]
    columns = [f"p_{name}" for name in CLASSES]
    assert not np.allclose(told[0][columns], told[1][columns])
    own = table[table["system"] == "hybrid"].set_index("segment_id")
    mean = (told[0][columns] + told[1][columns]) / 2
    np.testing.assert_allclose(own[columns], mean.loc[own.index], rtol=1e-4)
    found = metrics_of(seeds)
    scl = runs.loc[runs["method"] == "scl", "score"]
    assert found["runs"]["methods"]["scl"]["score"]["mean"] == pytest.approx(scl.mean())
    assert found["runs"]["methods"]["scl"]["score"]["std"] == pytest.approx(scl.std())


def test_the_branches_at_once_give_the_same(
    run: FinishedRun, folds: FinishedRun, tmp_path: Path
) -> None:
    # two branches are enough to run at once
    wanted = [f"{TASK}.fold_{k}.run.{name}" for k in range(2) for name in (*METHODS, "by_cycle")]
    other = elsewhere(
        run, "folds", tmp_path, "--runner=ParallelRunner", f"--to-outputs={','.join(wanted)}"
    )
    assert "made from a 'partial'" not in flat(other.output)
    for fold in range(2):
        for name in (*METHODS, "by_cycle"):
            tables = [
                branch(one, f"fold_{fold}", name).set_index("segment_id") for one in (folds, other)
            ]
            # threads add up in another order, and the epochs of training carry it on
            pd.testing.assert_frame_equal(*tables, atol=0.05)


def test_a_run_that_would_fail_stops_at_its_start(run: FinishedRun) -> None:
    for given, told in (
        ("respiratory_recipe=icbhi", "the recipes are ours, published"),
        ("classifier=/nowhere/at/all", "classifier: /nowhere/at/all"),
        ("protocoll=patients", "did you mean protocol"),
    ):
        done = kedro(
            run.project, "run", "--env=test", f"--pipelines={TASK}_evaluate", f"--params={given}",
            check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert told in flat(done.stdout), done.stdout[-2000:]
