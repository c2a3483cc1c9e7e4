"""speaker_verification from end to end: the stages of cries, other parameters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import FinishedRun, kedro

from bodysounds.models.encoder import load_encoder


def test_the_headline_is_across_the_speakers_videos(finished_speakers: FinishedRun) -> None:
    metrics = json.loads(finished_speakers.latest("08_reporting", "metrics.json").read_text())
    assert metrics["headline"]["condition"] == "across_sessions"
    assert metrics["headline"]["synthetic"]
    assert set(metrics["comparisons"]) >= {"untrained", "mfcc", "random"}
    eer = metrics["headline"]["eer"]
    assert f"EER {100 * eer:.1f}%" in re.sub(r"\s+", " ", finished_speakers.output)
    assert metrics["subgroups"]["same_session"]["ours"]["n_target"] > 0
    assert finished_speakers.latest("08_reporting", "report.html").is_file()


def test_the_pairs_are_the_challenges_and_their_targets_known(
    finished_speakers: FinishedRun,
) -> None:
    raw = finished_speakers.results("01_raw")
    pairs = pd.read_csv(raw / "public-test.csv", dtype=str)
    known = pd.read_csv(raw / "public-test-speakers.csv", dtype=str).set_index("audio")
    trials = pd.read_parquet(finished_speakers.results("03_primary") / "trials.parquet")
    test = trials[trials["subset"] == "test"]
    assert len(test) == len(pairs)
    first, second = (known.loc[pairs[side]].reset_index() for side in ("audio_1", "audio_2"))
    same = first["speaker"] == second["speaker"]
    assert test["target"].tolist() == same.astype(int).tolist()
    one_video = same & (first["session"] == second["session"])
    assert ((test["condition"] == "same_session").to_numpy() == one_video.to_numpy()).all()
    # dev is dealt from the speakers in folders, and shares nobody with train
    manifest = pd.read_parquet(finished_speakers.results("02_intermediate") / "manifest.parquet")
    subsets = pd.read_parquet(finished_speakers.results("03_primary") / "subsets.parquet")
    of = manifest.merge(subsets, on="recording_id").groupby("subject_id")["subset"]
    assert (of.nunique() == 1).all()
    assert set(of.first()) == {"train", "dev", "test"}
    assert of.first().value_counts()["test"] == known["speaker"].nunique()


def test_planted_duplicates_are_dropped_and_listed(finished_speakers: FinishedRun) -> None:
    folder = finished_speakers.results("02_intermediate")
    rejected = pd.read_csv(folder / "rejected.csv")
    manifest = pd.read_parquet(folder / "manifest.parquet")
    assert len(rejected) == 2
    assert manifest["sha256"].is_unique
    kept = set(manifest["path"])
    for reason in rejected["reason"]:
        assert any(path in reason for path in kept), reason


def test_the_submission_has_the_samples_pairs_in_their_order(
    finished_speakers: FinishedRun,
) -> None:
    raw = finished_speakers.results("01_raw")
    sample = pd.read_csv(raw / "Sample_submission.csv", dtype=str)
    made = pd.read_csv(finished_speakers.results("07_model_output") / "submission.csv", dtype=str)
    assert made[["audio_1", "audio_2"]].equals(sample[["audio_1", "audio_2"]])


def test_evaluation_scores_an_encoder_by_path_without_training(
    finished_speakers: FinishedRun,
) -> None:
    encoder = finished_speakers.latest("06_models", "encoder.safetensors")
    assert load_encoder(encoder).training["parameters"]["train_session"] is None
    before = finished_speakers.latest("08_reporting", "metrics.json")
    kedro(
        finished_speakers.project,
        "run",
        "--env=test",
        "--pipelines=speaker_verification_evaluate",
        f"--params=encoder={encoder}",
    )
    after = finished_speakers.latest("08_reporting", "metrics.json")
    assert after != before
    assert json.loads(after.read_text()) == json.loads(before.read_text())


def run_elsewhere(
    run: FinishedRun, pipeline: str, data: Path, params: str
) -> tuple[FinishedRun, dict]:
    """Run a pipeline on the same speakers with its results below `data`; return its metrics."""
    kedro(
        run.project, "run", "--env=test", f"--pipelines={pipeline}",
        f"--params=data={data / 'data'},{params}",
    )  # fmt: skip
    elsewhere = FinishedRun(data, "", run.task)
    metrics = json.loads(elsewhere.latest("08_reporting", "metrics.json").read_text())
    return elsewhere, metrics


def test_five_folds_test_every_speaker_once(finished_speakers: FinishedRun, tmp_path: Path) -> None:
    run, metrics = run_elsewhere(
        finished_speakers, "speaker_verification_folds", tmp_path,
        "speaker_verification.train_embedding.epochs=1",
    )  # fmt: skip
    manifest = pd.read_parquet(run.results("02_intermediate") / "manifest.parquet")
    subsets = pd.read_parquet(run.results("03_primary") / "subsets.parquet")
    of = manifest.merge(subsets, on="recording_id")
    assert (of.groupby("subject_id")["fold"].nunique() == 1).all()
    assert of["fold"].nunique() == 5
    # the speakers of the pairs too, and every pair within a fold, across videos
    assert metrics["headline"]["condition"] == "across_sessions"
    assert metrics["test"]["ours"]["n_subjects"] == manifest["subject_id"].nunique()
    videos = manifest.groupby("subject_id")["session_id"].nunique()
    assert metrics["test"]["ours"]["n_target_subjects"] == (videos >= 2).sum()
    counts = of.groupby(["fold", "subject_id"]).size()
    pairs = counts.groupby("fold").agg(lambda n: (n.sum() ** 2 - (n**2).sum()) // 2)
    assert metrics["test"]["ours"]["n_nontarget"] == pairs.sum()


def test_the_recipes_of_speakers_stand_side_by_side(
    finished_speakers: FinishedRun, tmp_path: Path
) -> None:
    run, metrics = run_elsewhere(
        finished_speakers, "speaker_verification_recipes", tmp_path, "audio_budget_s=15"
    )
    assert list(metrics["test"]) == [
        "ours", "untrained", "mfcc", "random", "aam_baseline", "triplet_2023",
    ]  # fmt: skip
    assert len({entry["n_target"] for entry in metrics["test"].values()}) == 1
    for recipe in ("aam_baseline", "triplet_2023"):
        paired = metrics["comparisons"][recipe]["trial"]
        difference = metrics["test"]["ours"]["eer"] - metrics["test"][recipe]["eer"]
        assert paired["difference"] == pytest.approx(difference)
    folder = run.results("06_models").parent
    for recipe in ("ours", "aam_baseline", "triplet_2023"):
        named = folder / f"{run.task}.recipe_{recipe}" / "encoder.safetensors"
        assert load_encoder(named).training["parameters"]["audio_budget_s"] == 15
