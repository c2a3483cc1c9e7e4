"""The report of few classes: members, ensembles, confidence, corpora, files and false alarms."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from made_sounds import CLASSES, Sounds, made_sounds
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from bodysounds.corpora.base import Corpus
from bodysounds.metrics.groups import draw_groups
from bodysounds.metrics.reliability import expected_calibration_error
from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.params import ReportClassesParams
from bodysounds.pipelines.report_classes import create_details
from bodysounds.pipelines.report_classes.detail_nodes import draw, measure, write_page
from bodysounds.pipelines.report_classes.pipeline import DETAIL_FIGURES
from bodysounds.reporting.class_details import headline_rows, system_kinds
from bodysounds.reporting.headline import headline
from bodysounds.scoring.events import EventRules
from bodysounds.scoring.false_alarms import false_alarms

PARAMS = ReportClassesParams(
    n_bootstrap=100, headline="balanced_accuracy", condition="unseen_source"
)
RAW = Corpus(Path("."), "manifest", "made sounds", synthetic=True)


class Model:
    """What the report asks of an ensemble."""

    def __init__(self, rule: dict[str, Any]) -> None:
        encoder = Encoder({"w": torch.ones(2)}, {"name": "yamnet"}, {"name": "yamnet_log_mel"})
        self.members = {name: Classifier(encoder, {}, CLASSES) for name in rule["members"]}
        self.rule = rule
        self.labels = rule["labels"]


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    return made_sounds(0.35)


def measured(sounds: Sounds, model: Any = None, params: Any = PARAMS) -> dict[str, Any]:
    return measure(
        sounds.predictions, sounds.examples, sounds.manifest, model or Model(sounds.rule), RAW,
        params, classes_are="kinds of sound", groups_are="sources",
    )[0]  # fmt: skip


@pytest.fixture(scope="module")
def metrics(sounds: Sounds) -> dict[str, Any]:
    return measured(sounds)


def own(sounds: Sounds, system: str, condition: str = "unseen_source") -> pd.DataFrame:
    table = sounds.predictions
    chosen = (table["subset"] == "test") & (table["condition"] == condition)
    return table[chosen & (table["system"] == system)].sort_values("segment_id")


def test_the_headline_is_the_balanced_accuracy_of_what_dev_chose(
    sounds: Sounds, metrics: dict[str, Any]
) -> None:
    head = metrics["headline"]
    rows = own(sounds, "ours")
    told = balanced_accuracy_score(rows["label"].tolist(), rows["predicted"].tolist())
    assert head["balanced_accuracy"] == pytest.approx(told)
    assert head["chosen"] == sounds.rule["chosen"]
    chosen = metrics["test"][head["chosen"]]
    assert chosen["balanced_accuracy"] == metrics["test"]["ours"]["balanced_accuracy"]
    assert head["members"] == ["yamnet", "wav2vec2"]
    assert set(head["ensembles"]) == {"average", "weighted", "vote", "meta"}
    assert head["baselines"] == ["mfcc", "recording", "most_frequent"]
    assert head["chance"] == pytest.approx(1 / 3)
    line = headline(metrics)
    assert line.startswith(f"balanced accuracy {100 * told:.1f}% (95% interval ")
    assert f"by {head['chosen']}, which dev chose, on test, sources not heard" in line
    assert f"members: yamnet {100 * metrics['test']['yamnet']['balanced_accuracy']:.1f}%" in line
    json.dumps(metrics, allow_nan=False)


def test_a_source_of_two_classes_is_drawn_once(sounds: Sounds, metrics: dict[str, Any]) -> None:
    tested = sounds.examples[sounds.examples["condition"] == "unseen_source"]
    tested = tested[tested["subset"] == "test"]
    assert metrics["headline"]["resampled"] == "sources"
    assert metrics["headline"]["n_groups"] == tested["session_id"].nunique()
    assert tested.groupby("session_id")["label"].nunique().max() == 2


def test_rates_of_a_class_have_intervals_by_source(sounds: Sounds, metrics: dict[str, Any]) -> None:
    rows = own(sounds, "yamnet")
    source = rows["segment_id"].map(sounds.examples.set_index("segment_id")["session_id"])
    draws = draw_groups(source.to_numpy(object), n=100, seed=0)
    target = (rows["label"] == "normal").to_numpy()
    areas, recalls = [], []
    for counts in draws.counts:
        weights = counts[draws.codes]
        areas.append(roc_auc_score(target, rows["p_normal"], sample_weight=weights))
        hit = (rows["predicted"] == "normal").to_numpy()[target]
        recalls.append(np.average(hit, weights=weights[target]))
    entry = metrics["test"]["yamnet"]["per_class"]["normal"]
    assert entry["auc_ci95"] == pytest.approx(np.quantile(areas, [0.025, 0.975]).tolist())
    assert entry["recall_ci95"] == pytest.approx(np.quantile(recalls, [0.025, 0.975]).tolist())
    for system in metrics["test"].values():
        for part in system["per_class"].values():
            for rate in ("precision", "recall", "f1", "auc", "average_precision"):
                if part[rate] is not None:
                    low, high = part[f"{rate}_ci95"]
                    assert 0 <= low <= part[rate] <= high <= 1


def test_the_leak_is_what_heard_sources_add(sounds: Sounds, metrics: dict[str, Any]) -> None:
    rates = {}
    for condition in ("unseen_source", "heard_source"):
        rows = own(sounds, "ours", condition)
        told = rows["label"].tolist(), rows["predicted"].tolist()
        rates[condition] = balanced_accuracy_score(*told)
    leak = metrics["leak"]["ours"]
    assert leak["difference"] == pytest.approx(rates["heard_source"] - rates["unseen_source"])
    assert leak["ci95"][0] < leak["difference"] < leak["ci95"][1]
    assert metrics["headline"]["heard_balanced_accuracy"] == pytest.approx(rates["heard_source"])


def test_differences_are_of_the_headlined_rate(metrics: dict[str, Any]) -> None:
    test = metrics["test"]
    for name, entry in metrics["comparisons"].items():
        apart = test["ours"]["balanced_accuracy"] - test[name]["balanced_accuracy"]
        assert entry["difference"] == pytest.approx(apart)
    assert metrics["comparisons"][metrics["headline"]["chosen"]]["ci95"] == [0.0, 0.0]
    assert metrics["comparisons"]["most_frequent"]["excludes_zero"]


def test_calibration_stands_before_and_after_the_temperature(
    sounds: Sounds, metrics: dict[str, Any]
) -> None:
    for member in ("yamnet", "wav2vec2"):
        entry = metrics["calibration"][member]
        table = own(sounds, member)[[f"p_{name}" for name in CLASSES]].to_numpy(float)
        right = (own(sounds, member)["rank"] == 1).to_numpy()
        assert entry["ece"] == pytest.approx(
            expected_calibration_error(right, table.max(axis=1), 10)
        )
        temperature = sounds.rule["temperatures"][member]
        assert entry["temperature"] == temperature
        raw = table**temperature
        raw /= raw.sum(axis=1, keepdims=True)
        assert entry["before"]["ece"] == pytest.approx(
            expected_calibration_error(right, raw.max(axis=1), 10), abs=1e-6
        )
    assert metrics["calibration"]["average"]["before"] is None
    assert "mfcc" not in metrics["calibration"]
    wrong = [entry["ece_if_calibrated"] for entry in metrics["calibration"].values()]
    assert 0 < min(wrong) < max(wrong) < 0.1


def test_abstaining_is_told_of_ours(sounds: Sounds, metrics: dict[str, Any]) -> None:
    rows = own(sounds, "ours")
    silent = rows["abstained"].to_numpy(bool)
    assert 0 < silent.sum() < len(rows)
    point = metrics["abstention"]
    assert point["n_abstained"] == silent.sum()
    assert point["coverage"] == pytest.approx(1 - silent.mean())
    kept = rows[~silent]
    assert point["kept"]["accuracy"] == pytest.approx((kept["rank"] == 1).mean())
    assert point["error_abstained"] == pytest.approx((rows[silent]["rank"] > 1).mean())
    source = sounds.examples.set_index("segment_id")["session_id"]
    assert point["kept"]["n_groups"] == kept["segment_id"].map(source).nunique()


def test_a_corpus_is_what_stands_before_the_colon(sounds: Sounds, metrics: dict[str, Any]) -> None:
    domains = metrics["domains"]
    assert set(domains) == {"donateacry", "esc10", "emogator", "libri"}
    assert set(domains["emogator"]["classes"]) == {"normal", "screaming"}
    rows = own(sounds, "ours")
    rows = rows[rows["segment_id"].str.startswith("emogator")]
    right = rows["label"] == rows["predicted"]
    told = right.groupby(rows["label"]).mean().mean()
    entry = domains["emogator"]["systems"]["ours"]
    assert entry["balanced_accuracy"] == pytest.approx(told)
    assert entry["balanced_accuracy_ci95"] is not None
    assert domains["donateacry"]["shortcuts"] is None
    # bandwidth follows the sample rate, which tells the corpora apart, and the classes in none
    assert metrics["shortcuts"]["bandwidth_hz"]["flagged"]
    assert (
        "the sound" in metrics["shortcuts"]["verdict"]
        or "what is" in (metrics["shortcuts"]["verdict"])
    )
    bare = dataclasses.replace(sounds, examples=sounds.examples.drop(columns="domain"))
    assert measured(bare)["domains"] == {}


def test_the_original_files_are_audited_apart(sounds: Sounds, metrics: dict[str, Any]) -> None:
    audit = metrics["file_shortcuts"]
    assert set(audit) == {"duration_s", "sample_rate", "format", "together"}
    # a rate of 48 kHz is that of screams alone, and 8 kHz that of cries
    assert audit["sample_rate"]["balanced_accuracy"] > 0.8
    assert audit["duration_s"]["balanced_accuracy"] > 0.6
    assert "duration_s" not in metrics["shortcuts"]
    alike = sounds.manifest.assign(sample_rate=16_000, path="a.wav")
    found = measured(dataclasses.replace(sounds, manifest=alike))["file_shortcuts"]
    assert set(found) == {"duration_s"}


def test_false_alarms_are_those_of_the_rules(sounds: Sounds, metrics: dict[str, Any]) -> None:
    rules = EventRules(**sounds.rule["events"])
    rows = own(sounds, "wav2vec2").drop(columns="abstained")
    expected = false_alarms(rows, sounds.examples, rules)
    found = metrics["false_alarms"]["wav2vec2"]
    assert found["n_events"] == expected["n_events"] > 0
    assert found["per_hour_ci95"] == expected["per_hour_ci95"]
    quiet = sounds.examples[sounds.examples["label"] == "normal"]
    quiet = quiet[(quiet["condition"] == "unseen_source") & (quiet["subset"] == "test")]
    spans = quiet.groupby("recording_id").agg({"start_s": "min", "end_s": "max"})
    assert found["hours"] == pytest.approx((spans["end_s"] - spans["start_s"]).sum() / 3600)
    assert metrics["false_alarms"]["ours"]["n_events"] <= found["n_events"]


def test_the_order_of_the_rows_changes_nothing(sounds: Sounds, metrics: dict[str, Any]) -> None:
    mixed = sounds.predictions.sample(frac=1, random_state=1)
    order = list(dict.fromkeys(sounds.predictions["system"]))
    other = dataclasses.replace(
        sounds,
        predictions=pd.concat([mixed[mixed["system"] == name] for name in order]),
        examples=sounds.examples.sample(frac=1, random_state=2),
        manifest=sounds.manifest.sample(frac=1, random_state=3),
    )
    found = measured(other)
    assert json.dumps(found, sort_keys=True) == json.dumps(metrics, sort_keys=True)


def test_one_classifier_without_a_rule_is_reported_too(sounds: Sounds) -> None:
    """As a task of other groups, such as patients, has it."""
    encoder = Encoder({"w": torch.ones(2)}, {"name": "cnn6"}, {"name": "log_mel"})
    keep = sounds.predictions["system"].isin(["ours", "mfcc", "most_frequent"])
    alone = dataclasses.replace(
        sounds, predictions=sounds.predictions[keep].drop(columns="abstained")
    )
    model = Classifier(encoder, {}, CLASSES)
    metrics = measured(alone, model)
    head = metrics["headline"]
    assert (head["chosen"], head["members"], head["ensembles"]) == (None, [], [])
    assert metrics["abstention"] is None
    assert metrics["false_alarms"] == {}
    assert metrics["shortcuts"] == {"verdict": "No property of the recordings was audited."}
    text = page(alone, metrics, model)
    assert "Which of 3 kinds of sound is heard?" in text
    assert "which dev chose" not in headline(metrics)
    for figure in draw(alone.predictions, metrics, PARAMS):
        assert figure.axes


def test_a_corpus_that_trained_nothing_is_reported(sounds: Sounds) -> None:
    """As an evaluation has it: all is test, and no baseline could be fitted."""
    told = sounds.predictions
    keep = (told["subset"] == "test") & (told["condition"] == "unseen_source")
    keep &= told["system"].isin(["ours", "average", *sounds.rule["temperatures"]])
    tested = sounds.examples["condition"] == "unseen_source"
    tested &= sounds.examples["subset"] == "test"
    alone = dataclasses.replace(sounds, predictions=told[keep], examples=sounds.examples[tested])
    metrics = measured(alone)
    assert metrics["leak"] == {}
    assert metrics["file_shortcuts"] == {}
    assert metrics["headline"]["train_accuracy"] is None
    text = page(alone, metrics, Model(sounds.rule))
    assert "No clip of a heard source was kept for comparison" in text
    assert len(draw(alone.predictions, metrics, PARAMS)) == len(DETAIL_FIGURES)


def test_systems_are_sorted_by_kind() -> None:
    systems = ["ours", "a", "b", "average", "mfcc"]
    kinds = system_kinds(systems, ["b", "a"])
    assert kinds == {"members": ["b", "a"], "ensembles": ["average"], "baselines": ["mfcc"]}


def test_an_unknown_headline_or_condition_is_refused() -> None:
    with pytest.raises(ValueError, match=r"report_classes\.headline must be one of accuracy"):
        ReportClassesParams(headline="f1")
    with pytest.raises(ValueError, match=r"report_classes\.condition must be one of across"):
        ReportClassesParams(condition="heard_source")


def page(sounds: Sounds, metrics: dict[str, Any], model: Any, **facts: Any) -> str:
    return write_page(
        metrics, pd.DataFrame(columns=["label", "predicted", "n", "of", "share", "condition"]),
        sounds.manifest, pd.DataFrame({"path": ["bad.wav"], "reason": ["no sound"]}),
        sounds.examples, {"by": "source", "window_s": 1.0, **facts}, model, RAW, PARAMS, {},
        task="cry_scream_ensemble",
    )  # fmt: skip


def test_the_page_holds_the_numbers_and_needs_nothing_else(
    sounds: Sounds, metrics: dict[str, Any]
) -> None:
    text = page(sounds, metrics, Model(sounds.rule), left_out={"too short": ["x1"]})
    head = metrics["headline"]
    shares = [
        head["balanced_accuracy"], head["macro_f1"], head["heard_balanced_accuracy"],
        metrics["calibration"]["wav2vec2"]["before"]["ece"],
        1 - metrics["abstention"]["coverage"],
    ]  # fmt: skip
    for share in shares:
        assert f"{100 * share:.1f}%" in text
    for told in (
        "Dev chose <strong>", "what a split by clip would have claimed", "The test clips of normal",
        "too short: x1", "bad.wav", "emogator: normal", "The original files", "Synthetic sound.",
        f"{sounds.rule['temperatures']['yamnet']:.2f}",
    ):  # fmt: skip
        assert told in text, told
    for outside in ("http://", "https://", "<script", ">None<", "None%", ">nan", "sessions"):
        assert outside not in text, outside


def test_a_parameter_that_chose_is_not_called_dev(sounds: Sounds) -> None:
    rule = {**sounds.rule, "chosen_by": "parameter"}
    metrics = measured(sounds, Model(rule))
    assert "which dev chose" not in headline(metrics)
    assert "as the parameters say" in page(sounds, metrics, Model(rule))


def test_what_a_member_has_heard_is_warned_of(sounds: Sounds, metrics: dict[str, Any]) -> None:
    model = Model(sounds.rule)
    tested = own(sounds, "ours")["segment_id"].str.split("#").str[0]
    sha = sounds.manifest.set_index("recording_id")["sha256"].str[:16]
    encoder = model.members["yamnet"].encoder
    heard = dataclasses.replace(encoder, training={"heard": sorted(sha[tested.unique()])})
    model.members["yamnet"] = Classifier(heard, {}, CLASSES)
    text = page(sounds, metrics, model)
    assert "YAMNet: This encoder has heard" in text
    assert "Not unseen." not in page(sounds, metrics, Model(sounds.rule))


@pytest.mark.filterwarnings("ignore:One or more dataset names")
def test_the_stage_draws_what_the_page_shows() -> None:
    stage = create_details(
        "cry_scream_ensemble", "figure.training_yamnet", model="bundle",
        classes_are="kinds of sound",
    )  # fmt: skip
    assert set(DETAIL_FIGURES) <= stage.all_outputs()
    assert stage.inputs() >= {"bundle", "predictions", "manifest", "figure.training_yamnet"}
    (last,) = [node for node in stage.nodes if node.short_name == "write_page"]
    assert {*DETAIL_FIGURES, "figure.training_yamnet"} <= set(last.inputs)


def test_headline_rows_are_those_of_its_condition(sounds: Sounds, metrics: dict[str, Any]) -> None:
    rows = headline_rows(sounds.predictions, metrics)
    assert set(rows["condition"]) == {"unseen_source"}
    assert set(rows["subset"]) == {"test"}
