"""The commands on the bundle of a finished run: they say what its report says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import FinishedRun
from made_calls import call


def test_pairs_score_as_the_run_scored_its_trials(
    finished_run: FinishedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = finished_run.results("01_raw")
    own = pd.read_csv(raw / "test_pairs.csv", dtype=str)
    pairs = pd.DataFrame(
        {
            "enrol": own["baby_id_B"] + "/B",
            "test": own["baby_id_D"] + "/D",
            "target": own["label"],
            "trial_id": own["id"],
        }
    )
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    asked = ["verify", "--pairs", tmp_path / "pairs.csv", "--root", raw / "audio" / "test"]
    model = finished_run.results("06_models")
    assert call(*asked, "--out", tmp_path / "s.csv", "--model", model, "--json") == 0
    rates = json.loads(capsys.readouterr().out)["rates"]

    point = json.loads(finished_run.latest("07_model_output", "operating_point.json").read_text())
    for name in ("far", "frr", "n_target", "n_nontarget"):
        assert rates[name] == pytest.approx(point["test"][name]), name
    scores = pd.read_parquet(finished_run.latest("07_model_output", "scores.parquet"))
    ours = scores[scores["system"] == "ours"].set_index("trial_id")[point["score"]]
    found = pd.read_csv(tmp_path / "s.csv", dtype={"trial_id": str}).set_index("trial_id")["score"]
    np.testing.assert_allclose(found, ours.loc[found.index], atol=1e-4)


def test_the_headline_rates_are_told_with_a_decision(
    finished_run: FinishedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    babies = sorted(finished_run.results("01_raw").joinpath("audio", "test").iterdir())
    sides = babies[0] / "B", babies[0] / "D"
    code = call("verify", *sides, "--model", finished_run.results("06_models"))
    said = capsys.readouterr().out
    point = json.loads(finished_run.latest("07_model_output", "operating_point.json").read_text())
    assert code in (0, 1)
    assert f"threshold of {point['threshold']:.3f}" in said
    assert f"took {100 * point['test']['far']:.1f}".removesuffix(".0") in said
    assert "synthetic" in said
