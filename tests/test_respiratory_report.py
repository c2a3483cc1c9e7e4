"""The report of breath cycles: the ICBHI Score, groups, methods, runs, tasks, leak and protocol."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from made_breath import CLASSES, Breath, made_breath, made_folds, made_runs, made_tasks
from matplotlib.figure import Figure
from sklearn.metrics import balanced_accuracy_score

from bodysounds.corpora.base import Corpus
from bodysounds.corpora.icbhi import INVARIANTS
from bodysounds.metrics.groups import draw_groups
from bodysounds.metrics.respiratory import SCORE_RATES, icbhi_score
from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.params import ReportClassesParams
from bodysounds.pipelines.report_classes import create_details
from bodysounds.pipelines.report_classes.detail_nodes import (
    draw,
    draw_runs,
    measure,
    write_page,
)
from bodysounds.pipelines.report_classes.detail_nodes import (
    draw_groups as draw_groups_figure,
)
from bodysounds.pipelines.report_classes.pipeline import DETAIL_FIGURES
from bodysounds.reporting.class_audit import verdict
from bodysounds.reporting.class_cards import split_told
from bodysounds.reporting.class_details import headline_rows
from bodysounds.reporting.class_details_page import _images as class_page_images
from bodysounds.reporting.headline import headline
from bodysounds.reporting.respiratory_groups import COLUMNS
from bodysounds.reporting.respiratory_metrics import protocol_of
from bodysounds.reporting.respiratory_page import breath_facts, corpus_told, dealt
from bodysounds.reporting.respiratory_runs import runs_of
from bodysounds.reporting.words import percent

DRAWS = 40
PARAMS = ReportClassesParams(
    n_bootstrap=DRAWS, headline="score", negative="normal", condition="unseen_patient"
)
RAW = Corpus(Path("."), "icbhi", "made breath", synthetic=True)
FACTS = {
    "by": "patient", "protocol": "published", "strict": False, "seed": 0, "folds": 5,
    "chosen_on": "test", "heard_patients": ["101", "102"], "left_out": {"strict": ["x9"]},
    "domains": {"Litt3200": {"train": 7, "dev": 1, "unseen_patient": 611, "heard_patient": 0}},
    "warning": "The test half chose the epoch. 2 patients are in train and in test (101, 102).",
}  # fmt: skip


def measured(breath: Breath, model: Any = None, params: Any = PARAMS, **more: Any) -> Any:
    return measure(
        breath.predictions, breath.examples, breath.manifest, model or lone(), RAW, params,
        classes_are="kinds of breath sound", groups_are="patients", **more,
    )[0]  # fmt: skip


def lone() -> Classifier:
    return Classifier(Encoder({"w": torch.ones(2)}, {"name": "cnn6"}, {"name": "log_mel"}), {},
                      CLASSES)  # fmt: skip


def page(breath: Breath, metrics: dict[str, Any], model: Any = None, **figures: Any) -> str:
    confusions = pd.DataFrame(columns=["label", "predicted", "n", "of", "share", "condition"])
    return write_page(
        metrics, confusions, breath.manifest,
        pd.DataFrame({"path": ["bad.wav"], "reason": ["cycles overlap"]}), breath.examples, FACTS,
        model or lone(), RAW, PARAMS, {}, task="respiratory_scl", **figures,
    )  # fmt: skip


def own(breath: Breath, system: str, condition: str = "unseen_patient") -> pd.DataFrame:
    table = breath.predictions
    chosen = (table["subset"] == "test") & (table["condition"] == condition)
    return table[chosen & (table["system"] == system)].sort_values("segment_id")


@pytest.fixture(scope="module")
def breath() -> Breath:
    return made_breath()


@pytest.fixture(scope="module")
def metrics(breath: Breath) -> dict[str, Any]:
    found: dict[str, Any] = measured(
        breath, split_facts=FACTS, task_predictions=made_tasks(breath.examples),
        task_facts={"binary": {"skipped": None}, "diagnosis": {"left_out": {"Asthma": 1}}},
    )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def folds() -> tuple[Breath, dict[str, Any]]:
    return made_folds()


@pytest.fixture(scope="module")
def pooled(folds: tuple[Breath, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = measured(*folds, split_facts=FACTS, runs=made_runs())
    return found


def test_the_headline_is_the_score_of_unseen_patients(
    breath: Breath, metrics: dict[str, Any]
) -> None:
    head, rows = metrics["headline"], own(breath, "ours")
    exact = icbhi_score(rows["label"], rows["predicted"])
    some = icbhi_score(rows["label"], rows["predicted"], "any")
    assert (head["score"], head["se"], head["sp"]) == pytest.approx(tuple(exact))
    assert (head["score_any"], head["se_any"]) == pytest.approx((some.score, some.se))
    assert head["resampled"] == "patients"
    assert head["n_groups"] == rows["segment_id"].str[:3].nunique()
    assert (head["chance"], head["unit"]) == (0.5, "cycle")
    assert metrics["test"]["most_frequent"]["score"] == 0.5
    line = headline(metrics)
    assert line.startswith(f"ICBHI Score {100 * exact.score:.1f}% (95% interval ")
    assert f"({100 * some.score:.1f}% were any abnormal class right)" in line
    assert f"heard patients {100 * head['heard_score']:.1f}%" in line
    json.dumps(metrics, allow_nan=False)


def test_every_system_has_both_definitions_with_intervals_by_patient(
    breath: Breath, metrics: dict[str, Any]
) -> None:
    rows = own(breath, "log_mel")
    draws = draw_groups(rows["segment_id"].str[:3].to_numpy(object), n=DRAWS, seed=0)
    scores = [
        icbhi_score(rows["label"], rows["predicted"], weights=counts[draws.codes]).score
        for counts in draws.counts
    ]
    entry = metrics["test"]["log_mel"]
    reach = 1.959964 * np.std(scores)
    ends = [entry["score"] - reach, entry["score"] + reach]
    assert entry["score_ci95"] == pytest.approx(ends, abs=1e-6)
    for system in metrics["test"].values():
        for rate in SCORE_RATES:
            low, high = system[f"{rate}_ci95"]
            assert 0 <= low <= system[rate] <= high <= 1
    # never an abnormal cycle named: others may meet one, as far as so many patients tell
    abnormal = rows[rows["label"] != "normal"]["segment_id"].str[:3].nunique()
    silent = metrics["test"]["most_frequent"]
    assert silent["se_ci95"] == pytest.approx([0, 1 - 0.025 ** (1 / abnormal)])
    assert silent["score_ci95"] == [0.5, 0.5]


def test_differences_are_paired_and_of_the_score(metrics: dict[str, Any]) -> None:
    for name, entry in metrics["comparisons"].items():
        apart = metrics["headline"]["score"] - metrics["test"][name]["score"]
        assert entry["difference"] == pytest.approx(apart)
        assert entry["ci95"][0] < entry["difference"] < entry["ci95"][1]


def test_all_test_cycles_stand_beside_unseen_patients(
    breath: Breath, metrics: dict[str, Any]
) -> None:
    parts = metrics["subgroups"]
    assert list(parts) == ["unseen_patient", "heard_patient", "all"]
    rows = breath.predictions[
        (breath.predictions["subset"] == "test") & (breath.predictions["system"] == "ours")
    ]
    assert parts["all"]["ours"]["n"] == len(rows)
    assert parts["all"]["ours"]["score"] == pytest.approx(
        icbhi_score(rows["label"], rows["predicted"]).score
    )
    assert metrics["test"] == parts["unseen_patient"]
    leak = metrics["leak"]["ours"]["difference"]
    assert leak == pytest.approx(
        parts["heard_patient"]["ours"]["score"] - metrics["test"]["ours"]["score"]
    )
    assert measured(alone(breath))["subgroups"].keys() == {"unseen_patient"}


def alone(breath: Breath) -> Breath:
    """The same without heard patients."""
    table = breath.predictions
    return dataclasses.replace(breath, predictions=table[table["condition"] != "heard_patient"])


def test_heard_patients_of_one_kind_have_no_score(breath: Breath) -> None:
    table = breath.predictions
    few = dataclasses.replace(
        breath,
        predictions=table[(table["condition"] != "heard_patient") | (table["label"] != "normal")],
    )
    found = measured(few)
    entry = found["subgroups"]["heard_patient"]["ours"]
    assert (entry["score"], entry["sp"], entry["score_ci95"]) == (None, None, None)
    assert entry["se"] is not None
    assert found["leak"] == {}
    json.dumps(found, allow_nan=False)
    assert "too few cycles are for a Score of them" in page(few, found)
    for figure in draw(few.predictions, found, PARAMS):
        assert figure.axes


def test_groups_are_slow_selections(breath: Breath, metrics: dict[str, Any]) -> None:
    rows = own(breath, "ours")
    told = breath.examples.set_index("segment_id").loc[rows["segment_id"]]
    assert set(metrics["groups"]) == set(COLUMNS)
    for column, values in metrics["groups"].items():
        known = told[column].astype(object).fillna("unknown").to_numpy()
        assert set(values) == set(known)
        for value, entry in values.items():
            part = rows[known == value]
            normal = part["label"] == "normal"
            assert (entry["n"], entry["n_negative"]) == (len(part), normal.sum())
            assert entry["n_groups"] == part["segment_id"].str[:3].nunique()
            if normal.any() and not normal.all():
                score = icbhi_score(part["label"], part["predicted"])
                assert entry["ours"]["score"] == pytest.approx(score.score)
                assert entry["most_frequent"]["score"] == 0.5
    chest = metrics["groups"]["location"]["Tc"]
    assert (chest["n_negative"], chest["ours"]["score"], chest["ours"]["sp"]) == (0, None, None)
    assert chest["ours"]["se"] is not None


def test_what_one_patient_has_gets_no_interval(breath: Breath) -> None:
    """Nobody else's normal cycles were drawn, so nothing says how far the rate would move."""
    table = breath.predictions
    first = own(breath, "ours")["segment_id"].str[:3].iloc[0]
    keep = (table["label"] != "normal") | (table["segment_id"].str[:3] == first)
    few = dataclasses.replace(alone(breath), predictions=table[keep])
    entry = measured(few)["test"]["ours"]
    assert entry["sp"] is not None
    assert entry["sp_ci95"] is None
    assert entry["score_ci95"] is None
    assert entry["se_ci95"] is not None


def test_the_leak_of_random_cycles_is_paired_and_never_in_the_headline(
    folds: tuple[Breath, dict[str, Any]], pooled: dict[str, Any]
) -> None:
    breath, rule = folds
    head = pooled["headline"]
    assert head["n"] == len(breath.examples)
    assert set(pooled["subgroups"]) == {"unseen_patient", "random_cycle"}
    rates = {}
    for condition in ("unseen_patient", "random_cycle"):
        rows = own(breath, "ours", condition)
        rates[condition] = icbhi_score(rows["label"], rows["predicted"]).score
    assert head["score"] == pytest.approx(rates["unseen_patient"])
    assert head["heard_score"] == pytest.approx(rates["random_cycle"])
    leak = pooled["leak"]
    assert set(leak) == {"ours"}
    assert leak["ours"]["difference"] == pytest.approx(rates["random_cycle"] - head["score"])
    # the same patients in both: a draw of them moves both
    draws = draw_groups(own(breath, "ours")["segment_id"].str[:3].to_numpy(object), n=DRAWS, seed=0)
    apart = []
    for counts in draws.counts:
        two = [
            icbhi_score(rows["label"], rows["predicted"], weights=counts[draws.codes]).score
            for rows in (own(breath, "ours", "random_cycle"), own(breath, "ours"))
        ]
        apart.append(two[0] - two[1])
    width = leak["ours"]["ci95"][1] - leak["ours"]["ci95"][0]
    assert width == pytest.approx(2 * 1.959964 * np.std(apart), rel=1e-5)
    assert set(headline_rows(breath.predictions, pooled)["condition"]) == {"unseen_patient"}
    everything = dataclasses.replace(PARAMS, condition="all")
    assert measured(breath, rule, everything)["headline"]["score"] == head["score"]
    assert "cycles dealt at random 9" in headline(pooled)


def test_methods_are_compared_pair_by_pair(pooled: dict[str, Any]) -> None:
    assert pooled["headline"]["members"] == ["sl", "scl", "hybrid", "mscl"]
    assert pooled["headline"]["baselines"] == ["most_frequent"]
    pairs = pooled["methods"]
    assert {k: list(v) for k, v in pairs.items()} == {
        "scl": ["sl"], "hybrid": ["sl", "scl"], "mscl": ["sl", "scl", "hybrid"],
    }  # fmt: skip
    gain = pairs["mscl"]["scl"]
    scores = {name: pooled["test"][name]["score"] for name in ("mscl", "scl")}
    assert gain["difference"] == pytest.approx(scores["mscl"] - scores["scl"])
    assert gain["excludes_zero"]
    assert pooled["protocol"] == {"name": "folds", "folds": 5, "warnings": []}


def test_runs_have_mean_std_and_paired_differences(pooled: dict[str, Any]) -> None:
    table, found = made_runs(), pooled["runs"]
    for method, part in table.groupby("method"):
        entry = found["methods"][method]
        assert (entry["n"], entry["seeds"]) == (4, [0, 1, 2, 3])
        for rate in SCORE_RATES:
            assert entry[rate]["mean"] == pytest.approx(part[rate].mean())
            assert entry[rate]["std"] == pytest.approx(np.std(part[rate], ddof=1))
            assert entry[rate]["each"] == part[rate].tolist()
    wide = table.pivot(index="seed", columns="method", values="score")
    apart = wide["mscl"] - wide["sl"]
    gain = found["differences"]["mscl"]["sl"]
    assert (gain["n"], gain["mean"]) == (4, pytest.approx(apart.mean()))
    reach = 3.182446 * apart.std() / 2  # Student's quantile of three degrees of freedom
    assert gain["ci95"] == pytest.approx([apart.mean() - reach, apart.mean() + reach])
    # luck that moves both alike is not in the difference
    assert gain["std"] < found["methods"]["sl"]["score"]["std"] / 3


def test_runs_of_other_seeds_and_broken_ones() -> None:
    table = made_runs()
    other = table[(table["method"] == "sl") | (table["seed"] == 2)]
    found = runs_of(other.sample(frac=1, random_state=0))
    assert found["methods"]["sl"]["seeds"] == [0, 1, 2, 3]
    assert found["methods"]["mscl"]["score"]["std"] is None
    (gain,) = [entry for own in found["differences"].values() for entry in own.values()]
    assert (gain["n"], gain["std"], gain["ci95"]) == (1, None, None)
    apart = runs_of(table[(table["method"] == "sl") == (table["seed"] < 2)])
    assert apart["differences"] == {}
    with pytest.raises(ValueError, match="sl has two runs of seed 0"):
        runs_of(pd.concat([table, table.head(1)]))
    with pytest.raises(ValueError, match="se of a run is not finite"):
        runs_of(table.assign(se=np.nan))


def test_tasks_are_rated_by_patient(breath: Breath, metrics: dict[str, Any]) -> None:
    table = made_tasks(breath.examples)
    rows = table[(table["task"] == "diagnosis") & (table["system"] == "ours")]
    rows = rows[rows["condition"] == "unseen_patient"]
    entry = metrics["tasks"]["diagnosis"]
    assert entry["classes"] == ["acute", "chronic", "healthy"]
    assert entry["n"] == entry["n_groups"] == len(rows)
    told = rows["label"].tolist(), rows["predicted"].tolist()
    assert entry["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(*told))
    assert entry["score"] == pytest.approx(icbhi_score(*told, negative="healthy").score)
    assert np.trace(entry["confusion"]) == (rows["label"] == rows["predicted"]).sum()
    binary = metrics["tasks"]["binary"]
    assert binary["n_groups"] == metrics["headline"]["n_groups"] < binary["n"]
    assert binary["score"] == pytest.approx(binary["balanced_accuracy"])
    assert set(binary["beside"]) == {"log_mel"}
    empty = table[table["task"] == "binary"]
    why = {"diagnosis": {"skipped": "the corpus names no diagnosis of a patient"}}
    found = measured(breath, task_predictions=empty, task_facts=why)
    assert found["tasks"]["diagnosis"] == why["diagnosis"]
    assert "the corpus names no diagnosis" in page(breath, found)


def test_a_property_is_flagged_by_its_gain_over_naming_all_normal(breath: Breath) -> None:
    """Half of any Score is for nothing, so half of ours would flag what knows nothing."""
    audit = measured(breath)["shortcuts"]
    assert not audit["device"]["flagged"]
    assert "above naming every cycle normal (50.0%)" in audit["verdict"]
    table = breath.predictions
    little = table["system"] == "alone_device"
    # one abnormal cycle in twenty named, and no normal one missed: surely above 50%, by little
    hint = little & (table["segment_id"].str[-1] == "3") & (table["label"] == "wheeze")
    said = table["predicted"].where(~little, "normal").where(~hint, table["label"])
    audit = measured(dataclasses.replace(breath, predictions=table.assign(predicted=said)))
    device = audit["shortcuts"]["device"]
    assert 0.5 < device["score_ci95"][0] < device["score"] < 0.55
    assert not device["flagged"]
    knows = table[table["system"] == "ours"].assign(system="alone_device")
    rest = table[table["system"] != "alone_device"]
    found = measured(
        dataclasses.replace(breath, predictions=pd.concat([rest, knows], ignore_index=True))
    )
    assert found["shortcuts"]["device"]["flagged"]
    assert found["shortcuts"]["verdict"].startswith("Warning: device (")


def test_the_protocol_says_what_flatters(breath: Breath, metrics: dict[str, Any]) -> None:
    assert metrics["protocol"]["name"] == "published"
    assert metrics["protocol"]["warnings"] == [FACTS["warning"]]
    quiet = protocol_of({**FACTS, "protocol": "official", "warning": None}, breath.predictions)
    assert quiet == {"name": "official", "folds": None, "warnings": []}


def test_the_order_of_the_rows_changes_nothing(
    folds: tuple[Breath, dict[str, Any]], pooled: dict[str, Any]
) -> None:
    breath, rule = folds
    mixed = breath.predictions.sample(frac=1, random_state=1)
    order = list(dict.fromkeys(breath.predictions["system"]))
    other = dataclasses.replace(
        breath,
        predictions=pd.concat([mixed[mixed["system"] == name] for name in order]),
        examples=breath.examples.sample(frac=1, random_state=2),
    )
    runs = made_runs().sort_values(["method", "seed"], ascending=[False, False])
    found = measured(other, rule, split_facts=FACTS, runs=runs)
    assert json.dumps(found, sort_keys=True) == json.dumps(pooled, sort_keys=True)


def test_the_page_holds_the_numbers_and_needs_nothing_else(
    breath: Breath, metrics: dict[str, Any]
) -> None:
    text = page(breath, metrics)
    head = metrics["headline"]
    shares = [
        *(head[rate] for rate in SCORE_RATES), head["heard_score"],
        metrics["subgroups"]["all"]["ours"]["score"], metrics["test"]["log_mel"]["score"],
        metrics["groups"]["domain"]["Meditron"]["ours"]["score"],
        metrics["tasks"]["diagnosis"]["balanced_accuracy"],
    ]  # fmt: skip
    for share in shares:
        assert f"{100 * share:.1f}%" in text
    for told in (
        "ICBHI Score", "<strong>Protocol.</strong> The test half chose the epoch.", "Tc",
        "Naming every cycle normal gets 50.0%", "all test cycles", "4000 Hz (20)",
        "Devices (recordings)", "AKGC417L (20)", "Sexes (patients)", "F (20), M (19), unknown (1)",
        "Ages (patients)", "Left out: Asthma 1 patient.", "no medical device", "cycles overlap",
        "<td class=\"n\">611</td>", "from log-mel + logistic regression instead",
    ):  # fmt: skip
        assert told in text, told
    for outside in (
        "http://", "https://", "<script", ">None<", "None%", ">nan", "sessions", "clip ", "clips",
        "infant",
    ):  # fmt: skip
        assert outside not in text, outside


def test_the_page_of_folds_tells_of_methods_runs_and_the_leak(
    folds: tuple[Breath, dict[str, Any]], pooled: dict[str, Any]
) -> None:
    text = page(folds[0], pooled, folds[1])
    for told in (
        "Methods, one against another", "contrastive with metadata (mscl) minus cross-entropy (sl)",
        "what a split by cycle would have claimed", "fold 4 mscl", "std 1.", "paired by seed",
        "40 unheard patients", "points would have been claimed by the leak",
    ):  # fmt: skip
        assert told in text, told
    # what the one split of the task decided is not what these folds did
    for elsewhere in ("Protocol.", "Train, dev and test", ">train<", "Chosen on"):
        assert elsewhere not in text, elsewhere


@pytest.mark.parametrize(
    ("by", "told", "not_told"),
    [
        ("dev", "Dev chose <strong>contrastive with metadata (mscl)</strong>", "test half chose <"),
        (
            "test",
            "The test half chose <strong>contrastive with metadata (mscl)</strong>",
            "scored once",
        ),
    ],
)
def test_the_page_of_seeds_says_what_ours_is_and_who_chose_it(
    folds: tuple[Breath, dict[str, Any]], by: str, told: str, not_told: str
) -> None:
    breath, of_folds = folds
    rule = of_folds | {"chosen": "mscl", "chosen_by": by, "choices": []}
    found = measured(breath, rule, split_facts=FACTS, runs=made_runs())
    text = page(breath, found, rule)
    assert f"{told} as ours, by the mean probabilities of its 4 runs" in text
    assert not_told not in text
    assert f" by mscl, which {by} chose, on test" in headline(found)


def test_runs_that_start_from_weights_that_heard_test_say_so(
    folds: tuple[Breath, dict[str, Any]], pooled: dict[str, Any]
) -> None:
    breath, rule = folds
    known = breath.manifest["sha256"].str[:16].tolist()
    text = page(breath, pooled, rule | {"heard": [*known[:3], "another"]})
    assert "The weights to start from: This encoder has heard 3 of the 80 test recordings" in text
    for heard in ([], ["another"]):
        assert "Not unseen." not in page(breath, pooled, rule | {"heard": heard})


def test_tasks_without_a_negative_class_are_told_nothing_of_it(breath: Breath) -> None:
    plain = ReportClassesParams(n_bootstrap=DRAWS, headline="balanced_accuracy",
                                condition="unseen_patient")  # fmt: skip
    found = measured(breath, params=plain)
    assert not set(found) & {"groups", "methods", "runs", "tasks", "protocol"}
    assert not set(found["test"]["ours"]) & set(SCORE_RATES)
    assert set(found["subgroups"]) == {"unseen_patient", "heard_patient"}
    text = page(breath, found)
    assert "ICBHI" not in text
    assert "clips" in text


def test_a_score_that_cannot_be_is_refused(breath: Breath) -> None:
    with pytest.raises(ValueError, match=r"report_classes\.negative must name the class"):
        ReportClassesParams(headline="score")
    wrong = dataclasses.replace(PARAMS, negative="healthy")
    with pytest.raises(ValueError, match=r"negative is 'healthy', which is none of the classes"):
        measured(breath, params=wrong)
    table = breath.predictions
    ill = table[(table["subset"] != "test") | (table["label"] != "normal")]
    with pytest.raises(ValueError, match="the ICBHI Score needs test cycles that are 'normal'"):
        measured(dataclasses.replace(breath, predictions=ill))


def test_the_data_card_stands_what_the_corpus_does_not_say(breath: Breath) -> None:
    bare = breath.manifest.drop(columns=["location", "mode", "age_group"]).assign(
        sex=np.nan, age=np.nan, domain=np.nan
    )
    assert set(breath_facts(bare)) == {"Sample rates", "Files", "Diagnoses (patients)"}
    ages = breath_facts(breath.manifest)["Ages (patients)"]
    patients = breath.manifest.drop_duplicates("subject_id")
    adults = patients.loc[patients["age_group"] == "adult", "age"].astype(float)
    assert f"adult ({len(adults)}) {adults.min():g} to {adults.max():g}" in ages
    assert ages.endswith("; unknown (1)")


@pytest.mark.filterwarnings("ignore:One or more dataset names")
def test_the_stage_takes_more_tables_and_draws_more_figures(
    pooled: dict[str, Any], metrics: dict[str, Any]
) -> None:
    stage = create_details(
        "respiratory_scl", "figure.embedding_map", model="rule", groups_are="patients",
        tables=("split_facts", "runs"), drawn=("figure.groups", "figure.runs"),
    )  # fmt: skip
    assert {*DETAIL_FIGURES, "figure.groups", "figure.runs"} <= stage.all_outputs()
    assert stage.inputs() >= {"rule", "runs", "split_facts", "figure.embedding_map"}
    (last,) = [node for node in stage.nodes if node.short_name == "write_page"]
    assert {"figure.groups", "figure.runs", "figure.embedding_map"} <= set(last.inputs)
    for found, drawn in ((pooled, draw_runs), (metrics, draw_groups_figure)):
        assert isinstance(drawn(found), Figure)


def test_few_heard_patients_get_no_interval_of_the_leak(breath: Breath) -> None:
    """A side that cannot vary would make its difference look surer than it is."""
    table = breath.predictions
    heard = table["condition"] == "heard_patient"
    normal = table["label"] == "normal"
    first = table.loc[heard & normal, "segment_id"].str[:3].iloc[0]
    keep = ~heard | ~normal | (table["segment_id"].str[:3] == first)
    found = measured(dataclasses.replace(breath, predictions=table[keep]))
    assert found["subgroups"]["heard_patient"]["ours"]["score_ci95"] is None
    assert found["leak"]["ours"]["difference"] is not None
    assert found["leak"]["ours"]["ci95"] is None


def test_the_page_names_classes_that_no_test_cycle_is_of(breath: Breath) -> None:
    table = breath.predictions
    few = dataclasses.replace(breath, predictions=table[table["label"] != "wheeze"])
    found = measured(few)
    written = page(few, found)
    assert "3 kinds of breath sound (of 4 known): both, crackle, normal" in written
    assert "no test cycle is wheeze." in written
    assert "(of 4 known)" not in page(breath, measured(breath))


def test_the_page_counts_cycles_and_shows_no_empty_column(
    breath: Breath, metrics: dict[str, Any]
) -> None:
    figures = {"confusion": b"png", "reliability": b"png", "shortcuts": b"png"}
    for name, caption in class_page_images(figures, metrics).items():
        assert "clip" not in caption["caption"], name
        assert "original files" not in caption["caption"], name
    written = page(breath, metrics)
    assert '<th class="n">Temperature</th>' not in written
    assert '<th class="n">Log loss</th>' in written


def test_the_verdict_says_where_ours_gains_nothing() -> None:
    audit = {name: {"score": score, "flagged": False}
             for name, score in (("level_dbfs", 0.51), ("sex", 0.3))}  # fmt: skip
    assert verdict(audit, 0.5, 0.48, "score").startswith(
        "Ours (48.0%) gains nothing over naming every cycle normal (50.0%)"
    )
    assert "level gets furthest, to 51.0%" in verdict(audit, 0.5, 0.48, "score")
    assert "half of what ours (60.0%) gains" in verdict(audit, 0.5, 0.6, "score")


def test_the_page_says_how_the_corpus_compares_with_the_published_one(
    breath: Breath, metrics: dict[str, Any], folds: tuple[Breath, dict[str, Any]],
    pooled: dict[str, Any],
) -> None:  # fmt: skip
    whole = INVARIANTS | {"complete": True, "differences": []}
    as_published = (
        "920 recordings of 126 patients, 6,898 cycles: ICBHI 2017 as published; in both halves of "
        "the split: 156, 218"
    )
    assert corpus_told(whole) == as_published
    assert corpus_told(whole | {"differences": ["cycles: 6897 here, 6898 published"]}).endswith(
        "not ICBHI 2017 as published: cycles: 6897 here, 6898 published"
    )
    part = whole | {"recordings": 121, "complete": False, "patients_on_both_sides": []}
    assert corpus_told(part) == (
        "121 recordings of 126 patients, 6,898 cycles: not the 920 of ICBHI 2017"
    )
    for found, examples in ((metrics, breath.examples), (pooled, folds[0].examples)):
        _, told = dealt(found, examples, FACTS | {"corpus": whole})
        assert split_told(told)["The corpus"] == as_published


def test_groups_stand_under_both_definitions(breath: Breath, metrics: dict[str, Any]) -> None:
    text = page(breath, metrics)
    for values in metrics["groups"].values():
        for entry in values.values():
            assert percent(entry["ours"]["score_any"]) in text
    assert text.count('<th class="n">Score, any abnormality</th>') >= 1
