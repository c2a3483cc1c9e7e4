"""cry_scream_ensemble from end to end, as a user runs it, and its branches at once."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import FinishedRun, kedro

from bodysounds.models.ensemble import load_ensemble

TASK = "cry_scream_ensemble"
MEMBERS = ("yamnet", "wav2vec2")
CLASSES = ["crying", "normal", "screaming"]


@pytest.fixture(scope="module")
def run(finished_screams: FinishedRun) -> FinishedRun:
    return finished_screams


def metrics_of(run: FinishedRun) -> dict[str, Any]:
    return json.loads(run.latest("08_reporting", "metrics.json").read_text())


def of_member(run: FinishedRun, layer: str, member: str) -> Path:
    return run.project / "data" / layer / "test" / f"{TASK}.{member}"


def test_the_run_ends_with_its_headline_and_the_report(run: FinishedRun) -> None:
    output = re.sub(r"\s+", " ", run.output)
    assert f"{TASK}: balanced accuracy" in output
    assert "SYNTHETIC sound" in output
    page = run.latest("08_reporting", "report.html").read_text()
    assert "https://" not in page
    systems = set(metrics_of(run)["test"])
    assert systems >= {"ours", *MEMBERS, "average", "weighted", "vote", "meta", "mfcc"}


def test_every_result_is_there(run: FinishedRun) -> None:
    for name in (*(f"training_{member}" for member in MEMBERS), "systems", "confusion"):
        png = run.latest("08_reporting", f"figure/{name}.png")
        assert png.read_bytes().startswith(b"\x89PNG")
        assert png.with_suffix(".pdf").is_file()
    examples = pd.read_parquet(run.results("03_primary") / "examples.parquet")
    train = examples[examples["subset"] == "train"]
    for member in MEMBERS:
        (history,) = of_member(run, "06_models", member).glob("history.csv/*/history.csv")
        assert len(pd.read_csv(history)) == 2
        told = of_member(run, "07_model_output", member)
        folds = pd.concat(pd.read_parquet(told / f"fold_{k}.parquet") for k in range(3))
        own = folds.set_index("segment_id").loc[train["segment_id"]]
        assert (own["fold"].to_numpy() == train["fold"].to_numpy()).all()
        predicted = pd.read_parquet(told / "predicted.parquet")
        rest = examples.loc[examples["subset"] != "train", "segment_id"]
        assert set(predicted["segment_id"]) >= set(rest)
        np.testing.assert_allclose(predicted.filter(like="p_").sum(axis=1), 1.0, rtol=1e-5)
    record = json.loads(run.latest("08_reporting", "record.json").read_text())
    assert {f"{TASK}.{member}.classifier" for member in MEMBERS} <= set(record["dataset_versions"])


def test_the_bundle_says_what_the_members_said(run: FinishedRun) -> None:
    (folder,) = (run.results("06_models") / "bundle").glob("*/bundle")
    ensemble = load_ensemble(folder)
    assert sorted(ensemble.labels) == CLASSES
    from bodysounds.audio.packed import open_packed
    from bodysounds.models.ensemble import said_of

    packed = open_packed(run.results("04_feature") / "waveforms")
    names = list(packed.index["segment_id"][:6])
    said = said_of(ensemble, packed, names)
    for member in MEMBERS:
        table = pd.read_parquet(of_member(run, "07_model_output", member) / "predicted.parquet")
        told = table.set_index("segment_id").reindex(names).dropna(how="all")
        rows = [names.index(name) for name in told.index]
        expected = told[[f"p_{label}" for label in ensemble.labels]]
        np.testing.assert_allclose(np.exp(said[member])[rows], expected, atol=1e-4)


def test_the_branches_at_once_give_the_same(run: FinishedRun, tmp_path: Path) -> None:
    shutil.copytree(run.project / "data" / "01_raw", tmp_path / "01_raw")
    done = kedro(
        run.project, "run", "--env=test", f"--pipelines={TASK}", "--runner=ParallelRunner",
        f"--params=data={tmp_path}",
    )  # fmt: skip
    assert f"{TASK}: balanced accuracy" in re.sub(r"\s+", " ", done.stdout)
    assert "made from a 'partial'" not in re.sub(r"\s+", " ", done.stdout)
    assert not list((tmp_path / ".work").glob("*"))
    for member in MEMBERS:
        one = of_member(run, "07_model_output", member)
        other = tmp_path / "07_model_output" / "test" / f"{TASK}.{member}"
        for name in ("predicted", *(f"fold_{k}" for k in range(3))):
            tables = [
                pd.read_parquet(folder / f"{name}.parquet").set_index("segment_id").sort_index()
                for folder in (one, other)
            ]
            # threads add up in another order, and two epochs of training carry it on
            pd.testing.assert_frame_equal(*tables, atol=0.05)


def test_evaluation_takes_a_bundle_by_path_and_trains_nothing(run: FinishedRun) -> None:
    (bundle,) = (run.results("06_models") / "bundle").glob("*/bundle")
    before = metrics_of(run)
    kedro(
        run.project, "run", "--env=test", f"--pipelines={TASK}_evaluate",
        f"--params=bundle={bundle}",
    )  # fmt: skip
    assert len(list((run.results("06_models") / "bundle").iterdir())) == 1
    after = metrics_of(run)
    assert len(list(run.results("08_reporting").joinpath("metrics.json").iterdir())) == 2
    for system in ("ours", *MEMBERS, "average", "meta"):
        rates = [found["test"][system]["balanced_accuracy"] for found in (before, after)]
        assert rates[0] == pytest.approx(rates[1])


def test_a_run_that_would_fail_stops_at_its_start(run: FinishedRun) -> None:
    """As do weights that are not there: see `test_scream_house`."""
    done = kedro(
        run.project, "run", "--env=test", f"--pipelines={TASK}_evaluate",
        "--params=bundle=/nowhere/at/all", check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "bundle: /nowhere/at/all" in re.sub(r"\s+", " ", done.stdout), done.stdout[-2000:]
