"""Two runs beside each other: paired differences, what was changed, and where runs cannot meet."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, recall_score

from bodysounds.metrics.bootstrap import paired_interval
from bodysounds.reporting.compare import compare, compare_with_earlier
from bodysounds.reporting.compare_changes import changes, flat
from bodysounds.reporting.compare_words import rate_rows, shown, times_told, told
from bodysounds.reporting.html import render
from bodysounds.reporting.rated import what_was_rated
from bodysounds.reporting.runs_on_disk import Earlier, Run

LEVEL = 0.9
PARAMETERS = {
    "threshold": {"p_target": 0.1, "c_miss": 1.0, "c_fa": 2.0},
    "report": {"n_bootstrap": 200, "seed": 4, "level": LEVEL},
    "report_classes": {"n_bootstrap": 200, "seed": 4, "level": LEVEL, "headline": "accuracy"},
}


def pairs(seed: int, skill: float, n: int = 12) -> pd.DataFrame:
    """Every pair of one recording and another of n subjects."""
    rng = np.random.default_rng(seed)
    names = [f"s{k:02d}" for k in range(n)]
    rows = [(a, b) for a in names for b in names]
    target = np.array([a == b for a, b in rows], int)
    score = skill * target + rng.normal(size=len(rows))
    return pd.DataFrame(
        {
            "trial_id": [f"{a}_{b}" for a, b in rows],
            "condition": "across_sessions",
            "target": target.astype("int8"),
            "enrol_subject": [a for a, _ in rows],
            "test_subject": [b for _, b in rows],
            "enrol_sha256": [f"e{a}" for a, _ in rows],
            "test_sha256": [f"t{b}" for _, b in rows],
            "score": score,
            "llr": 2 * score - 1,
        }
    )


def verification(rated: pd.DataFrame | None, threshold: float = 0.5, **head: Any) -> Run:
    metrics = {
        "headline": {
            "subset": "test", "condition": "across_sessions", "weighting": "trial",
            "score": "cosine", "level": LEVEL, "synthetic": False, "eer": 0.2,
            "eer_ci95": [0.1, 0.3], **head,
        },
        "test": {"ours": {"at_own_threshold": {"threshold": threshold}}},
    }  # fmt: skip
    record = {"command": "kedro run", "parameters": PARAMETERS, "bodysounds": "0.1.0"}
    return Run("cry_verification", "demo", "v", metrics, record, rated)


def clips(seed: int, right: float, n: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = np.array(["cough", "cry", "scream"])[np.arange(n) % 3]
    said = np.where(rng.random(n) < right, label, "cry")
    return pd.DataFrame(
        {
            "segment_id": [f"c{k:03d}" for k in range(n)],
            "condition": np.where(np.arange(n) < 60, "unseen_source", "heard_source"),
            "label": label,
            "group": [f"g{k // 6}" for k in range(n)],
            "sha256": [f"x{k}" for k in range(n)],
            "predicted": said,
            "rank": np.where(said == label, 1, 2),
        }
    )


def classification(rated: pd.DataFrame | None, **head: Any) -> Run:
    metrics = {
        "headline": {
            "subset": "test", "condition": "unseen_source", "rate": "accuracy", "level": LEVEL,
            "synthetic": False, "n_classes": 3, "accuracy": 0.6, "accuracy_ci95": [0.5, 0.7],
            "resampled": "sources", **head,
        },
        "test": {"ours": {}},
    }  # fmt: skip
    record = {"command": "kedro run", "parameters": PARAMETERS}
    return Run("cry_scream_ensemble", "demo", "v", metrics, record, rated)


def rate_of(comparison: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [rate for rate in comparison["rates"] if rate["name"] == name]
    return found


@pytest.mark.parametrize("statistic", ["eer", "min_dcf", "cllr"])
def test_a_difference_is_that_of_the_paired_bootstrap(statistic: str) -> None:
    first, second = pairs(0, 1.0), pairs(1, 2.5)
    found = rate_of(compare(verification(first), verification(second)), statistic)
    column = "llr" if statistic == "cllr" else "score"
    costs = PARAMETERS["threshold"] if statistic == "min_dcf" else {}
    expected = paired_interval(
        second["target"], second[column], first[column], second["enrol_subject"],
        second["test_subject"], statistic, n=200, level=LEVEL, method="normal", seed=4, **costs,
    )  # fmt: skip
    assert found["second"] - found["first"] == found["difference"]
    assert [found["difference"], *found["ci95"]] == pytest.approx(list(expected))
    assert found["excludes_zero"] == (found["ci95"][1] < 0 or found["ci95"][0] > 0)


def test_rates_at_the_threshold_are_those_of_each_runs_own() -> None:
    first, second = pairs(0, 1.0), pairs(1, 2.5)
    found = compare(verification(first, 0.3), verification(second, 1.1))
    for rated, threshold, which in ((first, 0.3, "first"), (second, 1.1, "second")):
        said = (rated["score"] >= threshold).astype(int)
        right = balanced_accuracy_score(rated["target"], said)
        assert rate_of(found, "balanced_accuracy")[which] == pytest.approx(right)
        missed = 1 - recall_score(rated["target"], said)
        assert rate_of(found, "frr")[which] == pytest.approx(missed)


def test_the_order_of_rows_does_not_matter() -> None:
    first, second = pairs(0, 1.0), pairs(1, 2.5)
    mixed = second.sample(frac=1, random_state=0)
    one = compare(verification(first), verification(second))
    assert compare(verification(first), verification(mixed))["rates"] == one["rates"]
    assert what_was_rated(mixed) == what_was_rated(second)


def test_equal_runs_differ_by_nothing() -> None:
    for run in (verification(pairs(0, 1.0)), classification(clips(0, 0.6))):
        found = compare(run, run)
        assert {(rate["difference"], *rate["ci95"]) for rate in found["rates"]} == {(0, 0, 0)}
        assert found["changed"] == {}
        assert found["warnings"] == []
        assert {row["verdict"] for row in rate_rows(found)} == {"the same"}
        assert "Nothing was changed." in told(found)


def test_only_the_headlines_condition_counts() -> None:
    first, second = pairs(0, 1.0), pairs(1, 2.5)
    for rated in (first, second):
        rated.loc[rated["trial_id"] == "s03_s03", "condition"] = "same_session"
    found = compare(verification(first), verification(second))
    assert found["common"]["n_target"] == 11
    everything = compare(verification(first), verification(second, condition="all"))
    assert everything["common"]["n_target"] == 12
    assert "condition: across_sessions and all" in everything["warnings"][0]


def test_what_one_run_alone_rated_is_left_out_and_told() -> None:
    first, second = pairs(0, 1.0), pairs(1, 2.5)
    fewer = first[~first["enrol_subject"].isin(["s00", "s01"])]
    found = compare(verification(fewer), verification(second))
    assert (found["common"]["n_common"], found["common"]["n"]) == (120, 120)
    (warning,) = found["warnings"]
    assert "test sets differ. 120 pairs are common, of 120 and 144" in warning
    kept = second.merge(fewer[["trial_id"]])
    same = compare(verification(fewer), verification(kept))
    assert found["rates"] == same["rates"]


@pytest.mark.parametrize("column", ["enrol_sha256", "test_sha256", "trial_id"])
def test_pairs_of_other_recordings_are_not_compared(column: str) -> None:
    other = pairs(1, 2.5).assign(**{column: lambda table: "other " + table[column]})
    found = compare(verification(pairs(0, 1.0)), verification(other))
    assert found["rates"] == []
    assert found["warnings"][0].startswith("not comparable: the two runs rated no pair")
    assert "Nothing was rated" not in told(found)


def test_a_changed_label_is_another_pair() -> None:
    other = pairs(1, 2.5)
    other.loc[other["trial_id"] == "s00_s01", "target"] = 1
    found = compare(verification(pairs(0, 1.0)), verification(other))
    assert found["common"]["n_common"] == 143


def test_a_run_without_its_table_is_shown_by_its_headline() -> None:
    found = compare(verification(None), verification(pairs(1, 2.5)))
    assert found["rates"] == []
    assert "left no table of what it rated" in found["warnings"][0]
    assert "EER 20.0% (10.0% to 30.0%)" in told(found)


def test_too_few_subjects_have_no_interval() -> None:
    first, second = (pairs(seed, 1.0, n=3) for seed in (0, 1))
    found = rate_of(compare(verification(first), verification(second)), "eer")
    assert found["ci95"] is None
    assert found["difference"] is not None


def test_classes_are_compared_over_the_draws_of_their_groups() -> None:
    first, second = clips(0, 0.3), clips(1, 0.8)
    found = compare(classification(first), classification(second))
    assert next(rate["name"] for rate in found["rates"]) == "accuracy"
    kept = [table[table["condition"] == "unseen_source"] for table in (first, second)]
    right = [(table["predicted"] == table["label"]).to_numpy(float) for table in kept]
    accuracy = rate_of(found, "accuracy")
    assert accuracy["difference"] == pytest.approx(right[1].mean() - right[0].mean())
    # independent: each draw as a table of its own, by a loop over groups in alphabetical order
    groups = sorted(set(kept[0]["group"]))
    rng = np.random.default_rng(4)
    draws: dict[str, list[float]] = {"accuracy": [], "recall of scream": []}
    for counts in rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=200):
        rows = [
            row
            for name, times in zip(groups, counts, strict=True)
            for row in np.flatnonzero(kept[0]["group"] == name).tolist() * int(times)
        ]
        gain = (right[1] - right[0])[rows]
        draws["accuracy"].append(gain.mean())
        draws["recall of scream"].append(gain[kept[0]["label"].to_numpy()[rows] == "scream"].mean())
    for name, values in draws.items():
        rate = rate_of(found, name)
        reach = 1.6448536 * np.std(values)
        expected = [rate["difference"] - reach, rate["difference"] + reach]
        assert rate["ci95"] == pytest.approx(expected, abs=1e-6)


def test_clips_that_either_run_heard_in_training_do_not_count() -> None:
    first, second = clips(0, 0.3), clips(1, 0.8)
    first.loc[:11, "condition"] = "heard_source"
    found = compare(classification(first), classification(second))
    assert (found["common"]["n_common"], found["common"]["n"]) == (90, 48)
    right = [(t["predicted"] == t["label"])[12:60].mean() for t in (first, second)]
    accuracy = rate_of(found, "accuracy")
    assert [accuracy["first"], accuracy["second"]] == pytest.approx(right)


def test_two_tasks_have_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match=r"cry_verification and one of cry_scream_ensemble"):
        compare(verification(pairs(0, 1.0)), classification(clips(0, 0.6)))


def test_changes_name_what_differs_by_its_path() -> None:
    first = {
        "command": "kedro run", "bodysounds": "0.1.0", "python": "3.11", "git": None,
        "packages": {"numpy": "2.4", "torch": "2.11"},
        "run": {"env": "test", "runner": "ThreadRunner"},
        "parameters": {"train": {"losses": [{"name": "aam", "margin": 0.2}], "seed": 0,
                                 "work_dir": "data/.work", "crop_s": [1, 2]}},
        "data": {"recordings": 3, "recordings_sha256": "a", "samples_sha256": "b"},
    }  # fmt: skip
    second = {
        **first,
        "command": "kedro run --x",
        "git": {"commit": "c", "changed": False},
        "packages": {"numpy": "2.5"},
        "parameters": {"train": {"losses": [{"name": "aam", "margin": 0.3}], "seed": 1,
                                 "work_dir": "/elsewhere", "crop_s": [1, 3], "new": None}},
        "data": {"recordings": 4, "recordings_sha256": "z"},
    }  # fmt: skip
    assert changes(first, second) == {
        "command": {"command": ["kedro run", "kedro run --x"]},
        "parameters": {
            "train.losses[0].margin": [0.2, 0.3],
            "train.seed": [0, 1],
            "train.crop_s": [[1, 2], [1, 3]],
        },
        "software": {"numpy": ["2.4", "2.5"], "torch": ["2.11", None]},
        "data": {"recordings": [3, 4], "recordings_sha256": ["a", "z"]},
    }
    assert changes(first, first) == {}
    assert changes(first, {}) == {}


def test_nested_parameters_are_flattened() -> None:
    nested = {"a": {"b": [1, 2], "c": [{"d": 1}, {"d": 2}]}, "e": {}, "f": []}
    assert flat(nested) == {"a.b": [1, 2], "a.c[0].d": 1, "a.c[1].d": 2, "e": {}, "f": []}


def test_looks_at_a_test_set_are_counted() -> None:
    run = verification(pairs(1, 2.5))
    mine = what_was_rated(run.rated)["sha256"]
    first = compare_with_earlier(Earlier("demo", None, {}), run)
    assert first == {"first": None, "rated": {"sha256": mine, "n": 144}, "subset": "test",
                     "times": 1}  # fmt: skip
    assert shown(first) is None
    assert times_told(first) == ""
    earlier = Earlier("demo", verification(pairs(0, 1.0)), {"a": mine, "b": "other", "c": mine})
    found = compare_with_earlier(earlier, run)
    assert found["times"] == 3
    assert "scored 3 times in this folder" in times_told(found)
    assert times_told(found | {"subset": "dev"}) == ""
    # what a system says of the pairs is not what is counted
    assert what_was_rated(pairs(0, 1.0))["sha256"] == mine


def test_an_earlier_run_that_makes_no_sense_is_told_and_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = verification(pairs(1, 2.5))
    older = dataclasses.replace(run, version="old", metrics={"headline": {"eer": 0.2}})
    with caplog.at_level(logging.WARNING):
        found = compare_with_earlier(Earlier("demo", older, {}), run)
    assert found["first"] is None
    assert found["times"] == 1
    assert "the run old is not compared with: KeyError" in caplog.text


def test_the_page_holds_the_numbers_and_escapes_what_people_typed() -> None:
    first = verification(pairs(0, 1.0))
    second = dataclasses.replace(
        verification(pairs(1, 2.5)),
        record={"command": "kedro run --params 'x=<script>'", "parameters": PARAMETERS},
    )
    found = compare_with_earlier(Earlier("demo", first, {}), second)
    html = render("comparison.html.j2", comparison=shown(found), title="Two", version="0")
    assert "<script>" not in html
    assert "x=&lt;script&gt;" in html
    for row in rate_rows(found):
        assert row["interval"] in html
    assert "better" in {row["verdict"] for row in rate_rows(found)}


@pytest.mark.parametrize(("n", "few"), [(9, True), (10, False)])
def test_of_few_subjects_no_difference_is_called_better(n: int, few: bool) -> None:
    first, second = pairs(0, 0.2, n=14), pairs(1, 30.0, n=14)
    rated = [run[(run["target"] == 0) | (run["enrol_subject"] < f"s{n:02d}")]
             for run in (first, second)]  # fmt: skip
    found = compare(verification(rated[0]), verification(rated[1], 5.0))
    assert rate_of(found, "eer")["excludes_zero"]  # an interval alone looks trustworthy
    verdicts = {row["name"]: row["verdict"] for row in rate_rows(found)}
    assert verdicts["EER"] == ("too few subjects" if few else "better")
    # these are of pairs of two subjects, of which there are fourteen
    assert verdicts["False acceptances at own threshold"] == "better"
    line = f"from 14 resampled subjects, {n} with same-subject pairs (too few to rely on)."
    page = render("comparison.html.j2", comparison=shown(found), title="t", version="v")
    for text in (told(found), page):
        assert (line in text) == few
        assert ("too few subjects" in text) == few
