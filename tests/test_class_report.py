"""Metrics, figures and page of a classification, against slow re-computations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.metrics import balanced_accuracy_score, f1_score

from bodysounds.corpora.base import Corpus
from bodysounds.figures.class_rates import audit_figure, classes_figure, systems_figure
from bodysounds.figures.class_training import class_training_figure
from bodysounds.figures.confusion import confusion_figure, most_confused, similar_order
from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.params import ReportClassesParams
from bodysounds.reporting.class_metrics import classification_metrics, confusions
from bodysounds.reporting.class_page import class_page
from bodysounds.reporting.headline import headline
from bodysounds.scoring.classes import prediction_table

PARAMS = ReportClassesParams(n_bootstrap=100)


def made(
    n_classes: int = 8, sessions: bool = True, heard: float = 0.9, unheard: float = 0.5
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and examples: five sessions a speaker, of which one is test, three clips each."""
    rng = np.random.default_rng(0)
    names = [f"k{k:02d}" for k in range(n_classes)]
    rows = []
    for name in names:
        for session in range(5):
            for take in range(3):
                if session == 0:
                    subset, condition = "test", "across_sessions"
                elif session == 1:
                    subset, condition = "dev", "across_sessions"
                elif take == 0:
                    subset, condition = "test", "same_session"
                else:
                    subset, condition = "train", "train"
                rows.append((f"{name}-{session}-{take}", name, f"v{session}", subset, condition))
    table = pd.DataFrame(rows, columns=["segment_id", "label", "session_id", "subset", "condition"])
    table["recording_id"] = table["segment_id"]
    if not sessions:
        table["session_id"] = pd.Series(np.nan, table.index, "str")
        table.loc[table["subset"] != "train", "condition"] = "unknown"
    share = table["condition"].map({"train": 1.0, "same_session": heard}).fillna(unheard)

    def system(name: str, share: Any) -> pd.DataFrame:
        logits = rng.standard_normal((len(table), n_classes))
        own = pd.Index(names).get_indexer(table["label"])
        logits[np.arange(len(table)), own] += 9 * (rng.random(len(table)) < share)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return prediction_table(name, table, logits, names, 50)

    systems = {"ours": share, "mfcc": 0.3, "recording": 0.05, "most_frequent": 0.0,
               "alone_level_dbfs": 0.0, "alone_bandwidth_hz": 0.0}  # fmt: skip
    return pd.concat([system(*item) for item in systems.items()], ignore_index=True), table


def measured(predictions: pd.DataFrame, examples: pd.DataFrame, **given: Any) -> dict[str, Any]:
    known = given.pop("classes", None)
    params = ReportClassesParams(**{"n_bootstrap": 100, **given})
    return classification_metrics(
        predictions, examples, params, synthetic=True, classes_are="speakers", classes=known
    )


def test_rates_are_those_of_each_subset_and_condition() -> None:
    predictions, examples = made()
    metrics = measured(predictions, examples)
    for subset, condition, entry in (
        ("train", "train", metrics["train"]["ours"]),
        ("dev", "across_sessions", metrics["dev"]["ours"]),
        ("test", "across_sessions", metrics["test"]["ours"]),
        ("test", "same_session", metrics["subgroups"]["same_session"]["ours"]),
    ):
        rows = predictions[
            (predictions["system"] == "ours")
            & (predictions["subset"] == subset)
            & (predictions["condition"] == condition)
        ]
        right = rows["label"] == rows["predicted"]
        assert entry["n"] == len(rows)
        assert entry["accuracy"] == pytest.approx(right.mean())
        assert entry["top5"] == pytest.approx((rows["rank"] <= 5).mean())
        told = rows["label"].tolist(), rows["predicted"].tolist()
        assert entry["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(*told))
        assert entry["macro_f1"] == pytest.approx(f1_score(*told, average="macro"))
        assert np.trace(entry["confusion"]) == right.sum()
        for rate in ("accuracy", "top5", "balanced_accuracy", "macro_f1"):
            low, high = entry[f"{rate}_ci95"]
            assert 0 <= low <= entry[rate] <= high <= 1
    json.dumps(metrics, allow_nan=False)


def test_the_headline_is_that_of_unheard_sessions_and_the_leak_stands_beside_it() -> None:
    metrics = measured(*made(n_classes=20))
    head = metrics["headline"]
    assert head["condition"] == "across_sessions"
    assert head["resampled"] == "sessions"
    assert (head["n"], head["n_groups"], head["n_classes"]) == (60, 20, 20)
    assert head["accuracy"] == metrics["test"]["ours"]["accuracy"]
    assert metrics["test"] == metrics["subgroups"]["across_sessions"]
    leak = metrics["leak"]["ours"]
    assert leak["difference"] == pytest.approx(head["heard_accuracy"] - head["accuracy"])
    assert 0 < leak["ci95"][0] < leak["difference"] < leak["ci95"][1]
    assert measured(*made(), condition="all")["headline"]["n"] == 8 * 3 + 8 * 3
    line = headline(metrics)
    assert line.startswith(f"top-1 {100 * head['accuracy']:.1f}% (95% interval ")
    assert f"heard sessions {100 * head['heard_accuracy']:.1f}%" in line
    assert "on test, sessions not heard, 20 speakers, SYNTHETIC sound" in line


def test_without_sessions_recordings_are_resampled_and_the_figure_says_what_it_is() -> None:
    metrics = measured(*made(sessions=False))
    head = metrics["headline"]
    assert head["condition"] == "unknown"
    assert head["resampled"] == "recordings"
    assert head["n_groups"] == head["n"]
    assert metrics["leak"] == {}
    assert head["heard_accuracy"] is None
    assert "on test, sessions unknown" in headline(metrics)


def test_metrics_do_not_depend_on_the_order_of_the_rows() -> None:
    predictions, examples = made()
    mixed = predictions.sample(frac=1, random_state=1)
    order = list(dict.fromkeys(predictions["system"]))
    mixed = pd.concat([mixed[mixed["system"] == name] for name in order])
    first = measured(predictions, examples)
    assert measured(mixed, examples.sample(frac=1, random_state=2)) == first


def test_a_recording_that_gives_a_speaker_away_is_flagged() -> None:
    predictions, examples = made(n_classes=20)
    clean = measured(predictions, examples)["shortcuts"]
    assert not any(entry["flagged"] for name, entry in clean.items() if name != "verdict")
    assert clean["verdict"].startswith("None of the 3 audited")
    alone = predictions["system"] == "alone_bandwidth_hz"
    predictions.loc[alone, "rank"] = np.where(np.arange(alone.sum()) % 3, 1, 7)
    flagged = measured(predictions, examples)["shortcuts"]
    assert flagged["bandwidth_hz"]["flagged"]
    assert not flagged["level_dbfs"]["flagged"]
    assert flagged["verdict"].startswith("Warning: bandwidth (6")


def test_paired_differences_are_of_the_same_clips() -> None:
    predictions, examples = made(n_classes=20)
    metrics = measured(predictions, examples)
    paired = metrics["comparisons"]["mfcc"]
    test = metrics["test"]
    difference = test["ours"]["accuracy"] - test["mfcc"]["accuracy"]
    assert paired["difference"] == pytest.approx(difference)
    copy = predictions[predictions["system"] == "ours"].assign(system="twin")
    twin = measured(pd.concat([predictions, copy]), examples)["comparisons"]["twin"]
    assert twin == {"difference": 0.0, "ci95": [0.0, 0.0], "excludes_zero": False}


def test_many_classes_list_less_and_few_have_no_top5() -> None:
    many = measured(*made(n_classes=51))
    assert many["test"]["ours"]["confusion"] is None
    assert len(many["test"]["ours"]["per_class"]) == 51
    assert many["test"]["mfcc"]["per_class"] is None
    few = measured(*made(n_classes=4))
    assert few["test"]["ours"]["top5"] is None
    assert few["test"]["ours"]["per_class"]["k00"]["auc"] is not None
    assert "top-5" not in headline(few)


def test_no_test_example_is_named() -> None:
    predictions, examples = made()
    with pytest.raises(ValueError, match="no test example to rate"):
        measured(predictions[predictions["subset"] != "test"], examples)


def test_confusions_are_counted_and_sorted() -> None:
    predictions, _ = made()
    table = confusions(predictions)
    rows = predictions[(predictions["system"] == "ours") & (predictions["subset"] == "test")]
    wrong = rows[rows["label"] != rows["predicted"]]
    assert table["n"].sum() == len(wrong)
    assert table["n"].is_monotonic_decreasing
    first = table.iloc[0]
    own = wrong[(wrong["label"] == first["label"]) & (wrong["condition"] == first["condition"])]
    assert first["n"] == (own["predicted"] == first["predicted"]).sum()
    assert first["share"] == first["n"] / first["of"]


def test_classes_taken_for_each_other_stand_side_by_side() -> None:
    matrix = np.diag(np.full(6, 5.0))
    matrix[0, 5] = matrix[5, 0] = 5
    matrix[2, 4] = 3
    order = similar_order(matrix)
    assert sorted(order) == list(range(6))
    assert abs(order.index(0) - order.index(5)) == 1
    assert abs(order.index(2) - order.index(4)) == 1
    assert most_confused(matrix, 2) == [0, 5]
    assert similar_order(np.eye(2)) == [0, 1]


@pytest.mark.parametrize("n_classes", [4, 70])
def test_figures_are_drawn(n_classes: int) -> None:
    predictions, examples = made(n_classes=n_classes)
    metrics = measured(predictions, examples)
    figures = [systems_figure(metrics), confusion_figure(predictions, metrics, 60),
               classes_figure(metrics), audit_figure(metrics)]  # fmt: skip
    for figure in figures:
        assert isinstance(figure, Figure)
        assert any("SYNTHETIC" in text.get_text() for text in figure.texts)
    image = figures[1].axes[0].images[0].get_array()
    assert image.shape == (min(n_classes, 60), min(n_classes, 60))
    dots = {x for line in figures[0].axes[0].lines if line.get_marker() == "o"
            for x in line.get_xdata()}  # fmt: skip
    for part in ("across_sessions", "same_session"):
        assert 100 * metrics["subgroups"][part]["ours"]["accuracy"] in dots


def test_shares_are_of_all_clips_of_a_class_however_few_are_drawn() -> None:
    predictions, examples = made()
    metrics = measured(predictions, examples)
    axes = confusion_figure(predictions, metrics, 3).axes[0]
    drawn = axes.images[0].get_array()
    for row, name in enumerate(label.get_text() for label in axes.get_yticklabels()):
        recall = metrics["test"]["ours"]["per_class"][name]["recall"]
        assert drawn[row, row] == pytest.approx(100 * recall)
    assert drawn.sum(axis=1).min() < 100


def test_a_classifier_may_know_more_than_are_tested() -> None:
    predictions, examples = made()
    few = examples[examples["label"] < "k03"]
    own = predictions[predictions["segment_id"].isin(few["segment_id"])]
    known = sorted(set(examples["label"]))
    metrics = measured(own, few, classes=known)
    head, entry = metrics["headline"], metrics["test"]["ours"]
    assert (head["n_classes"], head["n_classes_tested"]) == (8, 3)
    assert head["top5"] is not None
    assert np.shape(entry["confusion"]) == (8, 8)
    assert np.sum(entry["confusion"]) == entry["n"]
    most = metrics["test"]["most_frequent"]["accuracy"]
    assert head["chance"] == pytest.approx(max(1 / 8, most))
    assert any("clips of 3 speakers" in text.get_text() for text in systems_figure(metrics).texts)


def history(center: bool) -> pd.DataFrame:
    table = pd.DataFrame({"epoch": [1, 2, 3], "loss_cross_entropy": [4.0, 2.0, 1.0]})
    table["loss_contrastive_center"] = [2e-4, 1e-4, 1e-4] if center else np.nan
    table["train_accuracy"], table["dev_accuracy"] = [0.2, 0.6, 0.9], [0.1, 0.4, 0.3]
    table["dev_loss"], table["chosen"] = [4.1, 3.0, 3.2], [False, True, False]
    return table


def test_each_loss_has_its_own_axes() -> None:
    figure = class_training_figure(history(center=True), synthetic=True)
    assert len(figure.axes) == 3
    drawn = [line.get_ydata().max() for line in figure.axes[1].lines]
    assert drawn == [2e-4]
    (star,) = [line for line in figure.axes[2].lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (2, 40)
    assert len(class_training_figure(history(center=False)).axes) == 2
    with pytest.raises(ValueError, match="no epoch"):
        class_training_figure(history(center=True).iloc[:0])


def page(metrics: dict[str, Any], predictions: pd.DataFrame, examples: pd.DataFrame) -> str:
    encoder = Encoder({"w": torch.ones(2)}, {"name": "resnet18"}, {"name": "stft_image"})
    told = examples.drop(columns=["subset", "condition"])
    manifest = told.rename(columns={"label": "subject_id"}).assign(
        duration_s=2.0, sample_rate=16_000, codec="wav", domain=np.nan, sex="f", age=np.nan,
        label=np.nan, sha256=examples["recording_id"],
    )  # fmt: skip
    return class_page(
        metrics=metrics,
        confusions=confusions(predictions).head(5),
        figures={"systems": b"\x89PNG", "confusion": b"\x89PNG"},
        manifest=manifest,
        rejected=pd.DataFrame({"path": ["bad.wav"], "reason": ["no sound"]}),
        subsets=examples[["recording_id", "subset"]],
        split_facts={"by": "session", "seed": 7, "resplit": True, "n_speakers": 8,
                     "n_several_sessions": 8, "test_clips": {"across_sessions": 24},
                     "left_out": {"one clip only": ["x1"]}},
        classifier=Classifier(encoder, {}, metrics["classes"]),
        corpus=Corpus(Path("."), "voxceleb", "demo", synthetic=True),
        record={"command": "kedro run", "bodysounds": "0", "python": "3", "packages": {},
                "git": None, "platform": "p", "cpus": 1, "devices": [], "parameters": {"a": 1}},
        task="speaker_identification",
    )  # fmt: skip


def test_the_page_holds_the_numbers_and_needs_nothing_else() -> None:
    predictions, examples = made(n_classes=20)
    metrics = measured(predictions, examples)
    text = page(metrics, predictions, examples)
    head = metrics["headline"]
    for share in (head["accuracy"], head["top5"], head["heard_accuracy"], head["train_accuracy"]):
        assert f"{100 * share:.1f}%" in text
    first = confusions(predictions).iloc[0]
    assert f">{first['label']}</th><td>{first['predicted']}</td>" in text
    assert "seed 7, drawn for this run" in text
    assert "one clip only: x1" in text
    assert "Synthetic sound." in text
    assert "bad.wav" in text
    for outside in (
        "http://",
        "https://",
        "<script",
        ">None<",
        "None%",
        "nan",
        "No unheard sessions",
    ):
        assert outside not in text, outside


def test_the_page_warns_where_no_session_is_unheard() -> None:
    predictions, examples = made(sessions=False)
    text = page(measured(predictions, examples), predictions, examples)
    assert "No unheard sessions" in text
    assert "sessions unknown and flatters" in text
    assert "Heard sessions:" not in text
