"""What may lie between two runs: lists as long as a benchmark's, and runs that left little."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_compare import PARAMETERS, pairs, rate_of, verification

from bodysounds.commands import run_command
from bodysounds.reporting import compare_pairs
from bodysounds.reporting.compare import compare
from bodysounds.reporting.compare_words import told
from bodysounds.reporting.rated import PAIR, what_was_rated
from bodysounds.reporting.runs_on_disk import Run

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-02-01T00.00.00.000Z"
COSTS = PARAMETERS["threshold"]


def saved(data: Path, version: str, run: Run, finished: bool = True) -> None:
    """Lay a run down as the catalog does."""
    folder = data / "08_reporting" / "demo" / run.task
    for name, content in (("metrics.json", run.metrics), ("record.json", run.record)):
        if name == "metrics.json" or finished:
            path = folder / name / version / name
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(content))
    assert run.rated is not None
    path = folder / "rated.parquet" / version / "rated.parquet"
    path.parent.mkdir(parents=True)
    run.rated.to_parquet(path)


def test_every_rate_and_its_interval_are_those_of_a_plain_loop() -> None:
    """Costs, Cllr and rates at two thresholds, each draw of the subjects weighed by hand."""
    first, second = pairs(0, 1.0), pairs(1, 2.5).sort_values("trial_id")
    found = compare(verification(first, 0.3), verification(second, 1.1))
    first = first.set_index("trial_id").loc[second["trial_id"]].reset_index()
    same = second["target"].to_numpy() == 1
    sides = list(zip(second["enrol_subject"], second["test_subject"], strict=True))
    names = sorted({name for side in sides for name in side})
    rng = np.random.default_rng(PARAMETERS["report"]["seed"])
    draws: list[np.ndarray] = []
    while len(draws) < PARAMETERS["report"]["n_bootstrap"]:
        drawn = rng.integers(len(names), size=len(names)).tolist()
        times = {name: drawn.count(k) for k, name in enumerate(names)}
        weight = [times[a] * (1 if a == b else times[b]) for a, b in sides]
        draws.append(np.array(weight, float))
        if not draws[-1][same].any() or not draws[-1][~same].any():
            draws.pop()

    def share(hit: Any, of: Any, weight: Any) -> float:
        return float(weight[hit & of].sum() / weight[of].sum())

    def costs(run: pd.DataFrame, weight: Any) -> dict[str, float]:
        score, llr = run["score"].to_numpy(), run["llr"].to_numpy()
        p, miss, alarm = COSTS["p_target"], COSTS["c_miss"], COSTS["c_fa"]
        least = min(
            p * miss * share(score < at, same, weight)
            + (1 - p) * alarm * share(score >= at, ~same, weight)
            for at in [*score, np.inf]
        )
        threshold = 0.3 if run is first else 1.1
        frr = share(score < threshold, same, weight)
        far = share(score >= threshold, ~same, weight)
        bits = np.log2(1 + np.exp(np.where(same, -llr, llr)))
        return {
            "min_dcf": least / min(p * miss, (1 - p) * alarm),
            "cllr": sum(np.average(bits[k], weights=weight[k]) for k in (same, ~same)) / 2,
            "frr": frr,
            "far": far,
            "accuracy": share((score >= threshold) == same, np.ones(len(same), bool), weight),
            "balanced_accuracy": 1 - (far + frr) / 2,
        }

    def differences(weight: Any) -> dict[str, float]:
        one, two = costs(first, weight), costs(second, weight)
        return {name: two[name] - one[name] for name in one}

    whole, spread = differences(np.ones(len(same))), [differences(weight) for weight in draws[:200]]
    for name, difference in whole.items():
        rate = rate_of(found, name)
        assert rate["difference"] == pytest.approx(difference, abs=1e-12)
        reach = 1.6448536 * np.std([one[name] for one in spread])
        assert rate["ci95"] == pytest.approx([difference - reach, difference + reach], abs=1e-6)


def test_a_long_list_is_drawn_less_often_and_not_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = {**PARAMETERS["report"], "n_bootstrap": 400}
    run = verification(pairs(1, 2.5))
    record = {**run.record, "parameters": {**PARAMETERS, "report": report}}
    runs = verification(pairs(0, 1.0)), dataclasses.replace(run, record=record)
    many = compare(*runs)
    assert many["common"]["n_draws"] == 400
    monkeypatch.setattr(compare_pairs, "MOST_WORK", 300 * 144)
    fewer = compare(*runs)
    assert fewer["common"]["n_draws"] == 300
    monkeypatch.setattr(compare_pairs, "MOST_WORK", 1)
    fewest = compare(*runs)
    assert fewest["common"]["n_draws"] == 250
    widths = [np.ptp(rate_of(one, "eer")["ci95"]) for one in (many, fewer, fewest)]
    assert widths == pytest.approx([widths[0]] * 3, rel=0.1)
    assert len(set(widths)) == 3
    values = [[rate["difference"] for rate in one["rates"]] for one in (many, fewer, fewest)]
    assert values[0] == values[1] == values[2]


def test_what_was_rated_is_one_sum_over_sorted_lines() -> None:
    import hashlib

    table = pairs(0, 1.0)
    lines = sorted(" ".join(str(row[name]) for name in PAIR) for _, row in table.iterrows())
    told_so = {"sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(), "n": 144}
    assert what_was_rated(table) == told_so


def test_a_run_that_did_not_finish_is_told_in_the_list_and_in_the_comparison(
    tmp_path: Path, capsys: Any
) -> None:
    saved(tmp_path, OLD, verification(pairs(0, 1.0)))
    saved(tmp_path, NEW, verification(pairs(1, 2.5)), finished=False)
    assert run_command("compare", ["--data", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("kedro run")
    assert lines[2].endswith("no record.json: it did not finish, or still runs")
    assert run_command("compare", ["previous", "latest", "--data", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"run {NEW} has no record.json" in printed
    # nothing is known of it, which is not that nothing was changed
    assert "What was changed is not known." in printed
    assert "Nothing was changed" not in printed
    shutil.rmtree(tmp_path / "08_reporting" / "demo" / "cry_verification" / "record.json")
    run = dataclasses.replace(verification(pairs(0, 1.0)), record={})
    assert "What was changed is not known." in told(compare(run, verification(pairs(0, 1.0))))
