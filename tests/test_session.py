"""The pipelines from end to end, as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import FinishedRun, kedro

from bodysounds.models.encoder import load_encoder


def test_the_run_ends_with_the_headline_and_the_report(finished_run: FinishedRun) -> None:
    output = re.sub(r"\s+", " ", finished_run.output)
    metrics = json.loads(finished_run.latest("08_reporting", "metrics.json").read_text())
    eer = metrics["headline"]["eer"]
    assert f"EER {100 * eer:.1f}% (95% interval" in output
    assert "SYNTHETIC sound" in output
    assert all(name in output for name in ("untrained", "mfcc", "random"))
    assert "report.html" in output
    assert "the data inspection is " in output


def test_every_result_is_there(finished_run: FinishedRun) -> None:
    for layer, names in {
        "02_intermediate": ["manifest.parquet", "rejected.csv", "segments.parquet"],
        "03_primary": ["subsets.parquet", "trials.parquet"],
        "04_feature": ["waveforms/samples.i16", "waveforms/index.parquet", "descriptors.parquet"],
        "07_model_output": ["embeddings.safetensors", "submission.csv"],
    }.items():
        for name in names:
            assert (finished_run.results(layer) / name).is_file(), name
    for name in (
        "det", "histogram", "eer", "shortcuts", "training", "breakdown", "durations", "gallery",
        "inspection_uses", "inspection_subjects", "inspection_durations", "inspection_levels",
        "inspection_channel",
    ):  # fmt: skip
        png = finished_run.latest("08_reporting", f"figure/{name}.png")
        assert png.read_bytes().startswith(b"\x89PNG")
        assert png.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    inspected = finished_run.latest("08_reporting", "inspection.html").read_text()
    assert inspected.count("data:image/png;base64,") >= 5
    for name in ("failures.csv", "gallery_curve.csv"):
        assert not pd.read_csv(finished_run.latest("08_reporting", name)).empty, name


def test_the_embeddings_are_unit_vectors_whose_products_are_the_scores(
    finished_run: FinishedRun,
) -> None:
    from safetensors.numpy import load_file

    folder = finished_run.results("07_model_output")
    vectors = load_file(folder / "embeddings.safetensors")["ours"]
    index = pd.read_parquet(folder / "embeddings_index.parquet")
    scores = pd.read_parquet(finished_run.latest("07_model_output", "scores.parquet"))
    trials = pd.read_parquet(finished_run.results("03_primary") / "trials.parquet")
    assert (vectors**2).sum(1) == pytest.approx(1, abs=1e-5)
    rows = pd.Series(index.index, index["side_id"])
    ours = trials.merge(scores[scores["system"] == "ours"], on="trial_id")
    assert len(ours) == len(trials)
    products = (vectors[rows[ours["enrol_id"]]] * vectors[rows[ours["test_id"]]]).sum(1)
    assert products == pytest.approx(ours["cosine"].to_numpy(), abs=1e-5)


def test_the_threshold_comes_from_dev_and_decides_test(finished_run: FinishedRun) -> None:
    point = json.loads(finished_run.latest("07_model_output", "operating_point.json").read_text())
    decisions = pd.read_parquet(finished_run.latest("07_model_output", "decisions.parquet"))
    scores = pd.read_parquet(finished_run.latest("07_model_output", "scores.parquet"))
    trials = pd.read_parquet(finished_run.results("03_primary") / "trials.parquet")
    assert point["chosen_on"] == "dev"
    test = trials[trials["subset"] == "test"]
    assert set(decisions["trial_id"]) == set(test["trial_id"])
    ours = decisions.merge(scores[scores["system"] == "ours"], on="trial_id")
    assert (ours["decision"] == (ours["cosine"] >= point["threshold"])).all()


def test_the_submission_has_the_samples_ids_in_their_order(finished_run: FinishedRun) -> None:
    sample = pd.read_csv(finished_run.results("01_raw") / "sample_submission.csv", dtype=str)
    made = pd.read_csv(finished_run.results("07_model_output") / "submission.csv", dtype=str)
    assert list(made.columns) == list(sample.columns)
    assert made["id"].tolist() == sample["id"].tolist()
    assert made["score"].astype(float).nunique() > 1


def test_the_record_says_how_it_was_made(finished_run: FinishedRun) -> None:
    record = json.loads(finished_run.latest("08_reporting", "record.json").read_text())
    assert "--pipeline=cry_verification" in record["command"]
    assert record["run"]["env"] == "test"
    assert record["parameters"]["train_embedding"]["epochs"] == 2
    assert "cry_verification.encoder" in record["dataset_versions"]
    assert record["data"]


def test_a_second_run_gives_the_same_numbers(finished_run: FinishedRun) -> None:
    before = finished_run.latest("08_reporting", "metrics.json")
    # the other spelling of the command
    kedro(finished_run.project, "run", "--env=test", "--pipelines=cry_verification")
    after = finished_run.latest("08_reporting", "metrics.json")
    assert after != before
    assert after.read_bytes() == before.read_bytes()


def test_evaluation_scores_an_encoder_by_path_without_training(finished_run: FinishedRun) -> None:
    encoder = finished_run.latest("06_models", "encoder.safetensors")
    before = finished_run.latest("08_reporting", "metrics.json")
    versions = len(list(encoder.parents[1].iterdir()))
    kedro(
        finished_run.project,
        "run",
        "--env=test",
        "--pipelines=cry_verification_evaluate",
        f"--params=encoder={encoder}",
    )
    after = finished_run.latest("08_reporting", "metrics.json")
    assert after != before
    assert json.loads(after.read_text()) == json.loads(before.read_text())
    assert len(list(encoder.parents[1].iterdir())) == versions


def test_evaluation_scores_an_encoder_by_version(finished_run: FinishedRun) -> None:
    versions = finished_run.results("06_models") / "encoder.safetensors"
    version = min(path.name for path in versions.iterdir())
    done = kedro(
        finished_run.project,
        "run",
        "--env=test",
        "--pipelines=cry_verification_evaluate",
        f"--load-versions=cry_verification.encoder:{version}",
    )
    record = json.loads(finished_run.latest("08_reporting", "record.json").read_text())
    assert done.returncode == 0
    assert record["dataset_versions"]["cry_verification.encoder"] == version


def test_five_folds_test_every_baby_once(finished_run: FinishedRun) -> None:
    kedro(
        finished_run.project,
        "run",
        "--env=test",
        "--pipelines=cry_verification_folds",
        "--params=cry_verification.train_embedding.epochs=1",
    )
    metrics = json.loads(finished_run.latest("08_reporting", "metrics.json").read_text())
    manifest = pd.read_parquet(finished_run.results("02_intermediate") / "manifest.parquet")
    periods = manifest.groupby("subject_id")["session_id"].nunique()
    assert metrics["test"]["ours"]["n_target_subjects"] == (periods == 2).sum()


def test_training_starts_from_an_encoder(finished_run: FinishedRun) -> None:
    encoder = finished_run.latest("06_models", "encoder.safetensors")
    done = kedro(
        finished_run.project,
        "run",
        "--env=test",
        "--pipelines=cry_verification",
        "--to-nodes=cry_verification.train_embedding.train",
        f"--params=init_from={encoder},cry_verification.train_embedding.epochs=1",
    )
    assert done.returncode == 0
    trained = load_encoder(finished_run.latest("06_models", "encoder.safetensors"))
    assert trained.training["parameters"]["init_from"] == str(encoder)


def test_a_folder_with_a_table_from_raw_to_report(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    cries = finished_run.results("01_raw")
    listed = pd.read_csv(cries / "metadata.csv", dtype=str)
    table = listed[["file_name", "baby_id", "period", "split"]]
    folder = tmp_path / "mine"
    shutil.copytree(cries / "audio", folder / "audio")
    table.to_csv(folder / "metadata.csv", index=False)
    broken = folder / table["file_name"].iloc[0]
    assert broken.is_file()
    broken.write_bytes(b"RIFF")
    small = {"channels": 16, "depth": 1, "dim": 16, "epochs": 1}
    given = {"raw": folder, "data": tmp_path / "data", "subject": "baby_id", "session": "period"}
    given |= {f"cry_verification.train_embedding.{name}": value for name, value in small.items()}
    params = ",".join(f"{name}={value}" for name, value in given.items())
    kedro(finished_run.project, "run", "--env=folder", f"--params={params}")

    results = tmp_path / "data"
    rejected = pd.read_csv(
        results / "02_intermediate" / "folder" / "cry_verification" / "rejected.csv"
    )
    assert rejected["path"].tolist() == [table["file_name"].iloc[0]]
    folder_results = results / "08_reporting" / "folder" / "cry_verification" / "metrics.json"
    (path,) = folder_results.glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    assert not metrics["headline"]["synthetic"]
    assert metrics["subgroups"]["same_session"]["ours"]["n_target"] > 0
    assert metrics["headline"]["condition"] == "across_sessions"


def test_a_missing_raw_folder_is_named(finished_run: FinishedRun) -> None:
    done = kedro(
        finished_run.project,
        "run",
        "--env=donateacry",
        "--params=raw=/nowhere/at/all",
        check=False,
    )
    assert done.returncode != 0
    assert "/nowhere/at/all is no folder" in re.sub(r"\s+", " ", done.stdout)


@pytest.mark.data
def test_real_cries_from_raw_to_report(data_dir: Path, project_copy: Path, tmp_path: Path) -> None:
    small = {"channels": 16, "depth": 1, "dim": 16, "epochs": 1, "passes_per_epoch": 1}
    given = {"raw": data_dir / "infant_cries", "data": tmp_path}
    given |= {f"cry_verification.train_embedding.{name}": value for name, value in small.items()}
    params = ",".join(f"{name}={value}" for name, value in given.items())
    done = kedro(project_copy, "run", "--env=donateacry", f"--params={params}", check=False)
    assert done.returncode == 0, done.stdout
    assert "real recordings" in re.sub(r"\s+", " ", done.stdout)

    folder = tmp_path / "03_primary" / "donateacry" / "cry_verification"
    trials = pd.read_parquet(folder / "trials.parquet")
    manifest = pd.read_parquet(
        tmp_path / "02_intermediate" / "donateacry" / "cry_verification" / "manifest.parquet"
    ).set_index("recording_id")
    enrol, test = (manifest.loc[trials[side]].reset_index() for side in ("enrol_id", "test_id"))
    assert (enrol["domain"] == test["domain"]).all()
    within_group = (enrol["group_id"] == test["group_id"]).to_numpy()
    assert (trials["target"][within_group] == 1).all()
    apart = (enrol["recorded_at"] - test["recorded_at"]).abs() > 3600
    target = trials["target"] == 1
    condition = trials["condition"] == "across_sessions"
    assert (condition[target].to_numpy() == apart[target].to_numpy()).all()

    results = tmp_path / "08_reporting" / "donateacry" / "cry_verification" / "metrics.json"
    (path,) = results.glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    assert metrics["headline"]["condition"] == "across_sessions"
    assert metrics["headline"]["weighting"] == "subject"
    assert not metrics["headline"]["synthetic"]
