"""Recipes side by side, a refit, and the ways of scoring, as a user runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import kedro

from bodysounds.models.encoder import load_encoder, state_sha256

TASK = "cry_verification"


def latest(data: Path, layer: str, name: str) -> Path:
    return max((data / layer / "test" / TASK / name).glob(f"*/{Path(name).name}"))


def run(project: Path, data: Path, *arguments: str, **params: object) -> str:
    given = ",".join(f"{name}={value}" for name, value in {"data": data, **params}.items())
    return kedro(project, "run", "--env=test", *arguments, f"--params={given}").stdout


def test_one_command_sets_the_recipes_side_by_side(project_copy: Path, tmp_path: Path) -> None:
    output = run(project_copy, tmp_path, "--pipelines=cry_verification_recipes", audio_budget_s=40)
    metrics = json.loads(latest(tmp_path, "08_reporting", "metrics.json").read_text())
    assert list(metrics["test"]) == [
        "ours", "untrained", "mfcc", "random", "aam_baseline", "triplet_2023",
    ]  # fmt: skip
    page = latest(tmp_path, "08_reporting", "report.html").read_text()
    for recipe in ("aam_baseline", "triplet_2023"):
        paired = metrics["comparisons"][recipe]["trial"]
        low, high = paired["ci95"]
        assert low <= paired["difference"] <= high
        difference = metrics["test"]["ours"]["eer"] - metrics["test"][recipe]["eer"]
        assert paired["difference"] == pytest.approx(difference)
        assert recipe.replace("_", " ") in page
        assert recipe in output
    heard = {}
    for recipe in ("ours", "aam_baseline", "triplet_2023"):
        folder = tmp_path / "06_models" / "test" / f"{TASK}.recipe_{recipe}"
        training = load_encoder(folder / "encoder.safetensors").training
        heard[recipe] = training["audio_s"]
        assert training["parameters"]["audio_budget_s"] == 40
    # each hears the budget, give or take a batch, within its own most epochs
    assert all(0 < seconds < 50 for seconds in heard.values())


def test_a_refit_carries_the_threshold_over_and_says_so(project_copy: Path, tmp_path: Path) -> None:
    run(project_copy, tmp_path / "plain")
    run(project_copy, tmp_path / "again", refit="train+dev")

    def of(case: str, layer: str, name: str) -> Path:
        return latest(tmp_path / case, layer, name)

    refit = load_encoder(of("again", "06_models", "encoder.safetensors"))
    before = load_encoder(of("again", "06_models", "dev_encoder.safetensors"))
    plain = load_encoder(of("plain", "06_models", "encoder.safetensors"))
    assert state_sha256(before.state) == state_sha256(plain.state)
    assert state_sha256(refit.state) != state_sha256(plain.state)
    assert refit.training["refit"]["epochs"] == plain.training["chosen_epoch"]

    points = [
        json.loads(of(case, "07_model_output", "operating_point.json").read_text())
        for case in ("plain", "again")
    ]
    # equal to rounding: the batches that dev's sides share differ
    assert points[0]["threshold"] == pytest.approx(points[1]["threshold"], abs=1e-5)
    learnt = [point["calibration"]["ours"]["coefficients"] for point in points]
    assert learnt[0] == pytest.approx(learnt[1], rel=1e-3)
    tables = [
        pd.read_parquet(of(case, "07_model_output", "scores.parquet")).query("system == 'ours'")
        for case in ("plain", "again")
    ]
    trials = pd.read_parquet(tmp_path / "plain" / "03_primary" / "test" / TASK / "trials.parquet")
    same = np.isclose(tables[0]["cosine"], tables[1]["cosine"], rtol=0, atol=1e-5)
    dev = set(trials.loc[trials["subset"] == "dev", "trial_id"])
    is_dev = tables[0]["trial_id"].isin(dev).to_numpy()
    assert same[is_dev].all()
    assert not same[~is_dev].all()
    page = re.sub(r"\s+", " ", of("again", "08_reporting", "report.html").read_text())
    assert "carried over" in page


def test_normalised_scores_decide_and_a_frozen_encoder_stands_beside(
    project_copy: Path, tmp_path: Path
) -> None:
    run(project_copy, tmp_path)
    encoder = latest(tmp_path, "06_models", "encoder.safetensors")
    run(
        project_copy,
        tmp_path,
        "--pipelines=cry_verification_evaluate",
        encoder=encoder,
        pretrained=encoder,
        shuffles=2,
        **{f"{TASK}.threshold.score": "normalised", f"{TASK}.threshold.policy": "prior"},
    )
    metrics = json.loads(latest(tmp_path, "08_reporting", "metrics.json").read_text())
    assert list(metrics["test"])[:3] == ["ours", "averaged", "pretrained"]
    point = json.loads(latest(tmp_path, "07_model_output", "operating_point.json").read_text())
    assert (point["score"], point["policy"]) == ("normalised", "prior")
    scores = pd.read_parquet(latest(tmp_path, "07_model_output", "scores.parquet"))
    ours = scores[scores["system"] == "ours"].set_index("trial_id")
    decided = pd.read_parquet(latest(tmp_path, "07_model_output", "decisions.parquet"))
    own = ours.loc[decided["trial_id"], "normalised"].to_numpy()
    accepted = own >= point["threshold"]
    assert decided["decision"].tolist() == accepted.astype(int).tolist()
    assert accepted.mean() == pytest.approx(0.5, abs=0.01)
    submission = tmp_path / "07_model_output" / "test" / TASK / "submission.csv"
    handed_in = pd.read_csv(submission).set_index("id")["score"]
    np.testing.assert_allclose(handed_in[decided["trial_id"]], own)
    # the row `pretrained` is the same encoder here, but centred on the cohort
    pretrained = scores[scores["system"] == "pretrained"].set_index("trial_id")
    assert not np.allclose(pretrained["cosine"], ours["cosine"])
