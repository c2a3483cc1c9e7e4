"""The tables of a model card: every rate, group and count is that of the run."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from conftest import FinishedRun
from made_card import (
    CLASSES,
    RUNS,
    VERIFICATIONS,
    card_of,
    front,
    is_rate,
    json_of,
    made_again,
    metrics_of,
    section,
    table,
)

from bodysounds.models.encoder import load_encoder


@pytest.fixture(params=VERIFICATIONS)
def verification(request: pytest.FixtureRequest) -> FinishedRun:
    return request.getfixturevalue(RUNS[request.param])


@pytest.fixture(params=CLASSES)
def classification(request: pytest.FixtureRequest) -> FinishedRun:
    return request.getfixturevalue(RUNS[request.param])


# --- verification


def test_systems_threshold_conditions_and_calibration_are_those_of_the_run(verification):
    card, metrics = card_of(verification), metrics_of(verification)
    head = metrics["headline"]
    by_subject = head["weighting"] == "subject"
    systems = metrics[head["subset"]]
    rows = table(section(card, "Results"))
    labels = ("ours", "untrained network", "MFCC mean and deviation", "random")
    for row, (name, label) in zip(
        rows, zip(("ours", "untrained", "mfcc", "random"), labels, strict=True), strict=True
    ):
        assert row[0] == f"{label} (synthetic)"
        entry = systems[name]["by_subject"] if by_subject else systems[name]
        assert is_rate(row[1], entry, "eer")
        if name != "ours":
            paired = metrics["comparisons"][name][head["weighting"]]
            found = [float(x.replace("−", "-")) for x in re.findall(r"[+−]\d+\.\d", row[2])]  # noqa: RUF001
            wanted = [100 * paired["difference"], *(100 * edge for edge in paired["ci95"])]
            assert np.allclose(found, wanted, rtol=0, atol=0.0501)
    point = json_of(verification.latest("07_model_output", "operating_point.json"))
    told = section(card, "Threshold")
    assert f"**{point['threshold']:.4f}**" in told
    assert f"chose it on {point['chosen_on']}" in told
    rates = ("far", "frr", "accuracy", "balanced_accuracy")
    for row, name in zip(table(told), rates, strict=True):
        assert is_rate(row[1], point["dev"], name)
        assert is_rate(row[2], point["test"], name)
    assert f"If they rise by {point['drift']['scores']:.4f}" in told
    calibrated = section(card, "Calibration")
    for name in ("cllr", "min_cllr", "act_dcf", "min_dcf"):
        assert f"{systems['ours'][name]:.3f}" in calibrated
    for row, (name, rated) in zip(
        table(section(card, "Conditions")), metrics["subgroups"].items(), strict=True
    ):
        assert row[0] == f"{name.replace('_', ' ')} (synthetic)"
        assert row[1] == f"{rated['ours']['n_target']:,}"
        entry = rated["ours"]["by_subject"] if by_subject else rated["ours"]
        assert is_rate(row[3], entry, "eer") or "not rated" in row[3]


def test_rates_are_weighed_as_the_headline_is(finished_run):
    metrics = metrics_of(finished_run)
    metrics["headline"]["weighting"] = "subject"
    metrics["test"]["ours"]["by_subject"] |= {"eer": 0.123, "eer_ci95": [0.1, 0.2]}
    for rated in metrics["subgroups"].values():
        rated["ours"]["by_subject"] |= {"eer": 0.321, "eer_ci95": [0.3, 0.4]}
    card = made_again(finished_run, metrics=metrics)
    assert table(section(card, "Results"))[0][1] == "12.3% (10.0% to 20.0%)"
    rows = table(section(card, "Conditions"))
    assert [row[3] for row in rows] == ["32.1% (30.0% to 40.0%)"] * len(rows)
    assert "subjects weighed equally" in section(card, "Results")


def test_each_subgroup_is_rated_or_counted(verification):
    card, metrics = card_of(verification), metrics_of(verification)
    rows = [row for row in table(section(card, "Subgroups")) if not row[0].startswith("**")]
    entries = [
        (name, entry)
        for dimension, groups in metrics["breakdown"].items()
        if dimension != "skipped"
        for name, entry in groups.items()
    ]
    assert len(rows) == len(entries) > 0
    for row, (name, entry) in zip(rows, entries, strict=True):
        assert row[:2] == [f"{name} (synthetic)", f"{entry['n_target_subjects']:,}"]
        if entry["eer"] is None:
            assert f"not rated, {entry['why']}" in row[2]
            assert row[3] == f"{entry['n_false_accepts']:,} of {entry['n_nontarget']:,}"
            assert "%" not in "".join(row)
        else:
            for cell, key in zip(row[2:], ("eer", "far", "frr"), strict=True):
                assert is_rate(cell, entry, key)


def test_a_similarity_is_not_an_identity_and_errors_grow_with_the_gallery(verification):
    card = card_of(verification)
    point = json_of(verification.latest("07_model_output", "operating_point.json"))
    curve = pd.read_csv(verification.latest("08_reporting", "gallery_curve.csv"))
    limits = section(card, "Limits")
    assert "**A similarity is not an identity.**" in limits
    assert f"About {point['test']['far']:.1%} of the pairs of different individuals" in limits
    searched = section(card, "Searching a gallery")
    if curve.empty:
        assert "Not measured" in searched
        return
    for row, (_, wanted) in zip(table(searched), curve.iterrows(), strict=True):
        assert row[0] == f"{wanted['gallery_size']:,.0f} (synthetic)"
        for cell, key in zip(row[1:], ("fpir", "fnir", "rank1"), strict=True):
            entry = {"x": wanted[key], "x_ci95": [wanted[f"{key}_low"], wanted[f"{key}_high"]]}
            assert is_rate(cell, entry, "x")
    assert f"{curve['fpir'].iloc[-1]:.1%} of strangers find someone" in limits


def test_encoders_that_heard_other_recordings_or_those_of_test_say_so(finished_run):
    encoder = load_encoder(finished_run.results("06_models") / "encoder.safetensors")
    assert "was not trained on the train recordings" not in card_of(finished_run)
    encoder.training["heard"] = []
    told = made_again(finished_run, encoder=encoder)
    assert "was not trained on the train recordings" in told
    manifest = pd.read_parquet(finished_run.results("02_intermediate") / "manifest.parquet")
    encoder.training["heard"] = list(manifest["sha256"].str[:16])
    assert "> **Not unseen.** This encoder has heard" in made_again(finished_run, encoder=encoder)


def test_scores_without_calibration_and_rates_that_nobody_knows_are_told_in_words(finished_run):
    point = json_of(finished_run.latest("07_model_output", "operating_point.json"))
    point["calibration"] = {"ours": {"why_not": "too few subjects on dev"}}
    point["drift"] = None
    for name in ("far", "frr", "accuracy", "balanced_accuracy"):
        point["test"] |= {name: None, f"{name}_ci95": None}
    metrics = metrics_of(finished_run)
    metrics["test"]["ours"] |= {"cllr": None, "min_cllr": None, "act_dcf": None}
    card = made_again(finished_run, operating_point=point, metrics=metrics, gallery_curve=None)
    assert "not calibrated: too few subjects on dev" in section(card, "Calibration")
    assert "no probability" in section(card, "How to use it")
    assert [row[2] for row in table(section(card, "Threshold"))] == ["n/a"] * 4
    assert f"About {point['dev']['far']:.1%} of the pairs" in section(card, "Limits")
    assert "cllr" not in front(card)["metrics"]
    assert "could not be measured" in section(card, "Threshold")


# --- classification


def test_systems_classes_and_conditions_are_those_of_the_run(classification):
    card, metrics = card_of(classification), metrics_of(classification)
    head = metrics["headline"]
    key = head["rate"]
    rows = {row[0]: row for row in table(section(card, "Results"))}
    assert is_rate(next(iter(rows.values()))[1], metrics["test"]["ours"], key)
    assert is_rate(
        rows["most frequent class (synthetic)"][1], metrics["test"]["most_frequent"], key
    )
    assert is_rate(rows["MFCC + logistic regression (synthetic)"][1], metrics["test"]["mfcc"], key)
    found = metrics["test"]["ours"]["per_class"]
    rows = table(section(card, "By class"))
    assert [row[0].removesuffix(" (synthetic)") for row in rows] == list(found)
    for row, entry in zip(rows, found.values(), strict=True):
        assert row[1] == f"{entry['n']:,}"
        for cell, name in zip(row[2:], ("precision", "recall", "f1"), strict=True):
            assert is_rate(cell, entry, name) or (entry[name] is None and cell == "n/a")
    for row, rated in zip(
        table(section(card, "Conditions")), metrics["subgroups"].values(), strict=True
    ):
        assert is_rate(row[3], rated["ours"], key)
        assert row[1] == f"{rated['ours']['n']:,}"
    if metrics["leak"]:
        leak = 100 * metrics["leak"]["ours"]["difference"]
        assert f"{leak:+.1f}".replace("-", "−") in section(card, "Conditions")  # noqa: RUF001
    if "calibration" in metrics:
        ece = metrics["calibration"]["ours"]["ece"]
        assert f"(ECE) {ece:.1%}" in card
    else:
        assert "Not measured" in section(card, "Calibration")


def test_subsets_are_counted_with_their_minutes(classification):
    examples = pd.read_parquet(classification.results("03_primary") / "examples.parquet")
    train = examples[examples["subset"] == "train"]
    rows = table(section(card_of(classification), "Data"))
    whole = next(row for row in rows if row[:2] == ["train (synthetic)", "all"])
    minutes = (train["end_s"] - train["start_s"]).sum() / 60
    assert whole[2:] == [
        f"{train['session_id'].nunique():,}", f"{train['recording_id'].nunique():,}",
        f"{len(train):,}", f"{minutes:.1f}",
    ]  # fmt: skip


def test_breath_has_both_definitions_its_subgroups_and_is_no_medical_device(finished_respiratory):
    card, metrics = card_of(finished_respiratory), metrics_of(finished_respiratory)
    head = metrics["headline"]
    very, any_class = table(section(card, "Sensitivity and specificity"))
    for cell, name in zip(very[1:], ("se", "sp", "score"), strict=True):
        assert is_rate(cell, head, name)
    for cell, name in zip(any_class[1:], ("se_any", "sp", "score_any"), strict=True):
        assert is_rate(cell, head, name)
    rows = [row for row in table(section(card, "Subgroups")) if not row[0].startswith("**")]
    entries = [
        (value, entry) for part in metrics["groups"].values() for value, entry in part.items()
    ]
    for row, (value, entry) in zip(rows, entries, strict=True):
        assert row[:3] == [f"{value} (synthetic)", f"{entry['n_groups']:,}", f"{entry['n']:,}"]
        for cell, name in zip(row[3:], ("score", "se", "sp"), strict=True):
            assert is_rate(cell, entry["ours"], name) or cell == "not rated"
    assert "no medical device" in section(card, "Out of scope")
    assert "no medical device" in section(card, "Limits")


def test_cries_and_screams_have_their_false_alarms_an_hour(finished_screams):
    card, metrics = card_of(finished_screams), metrics_of(finished_screams)
    alarms = metrics["false_alarms"]["ours"]
    low, high = alarms["per_hour_ci95"]
    told = section(card, "False alarms")
    assert f"**{alarms['per_hour']:.1f} an hour**" in told
    assert f"{low:.1f} to {high:.1f}" in told
    assert f"About {alarms['per_hour']:.1f} false alarms an hour" in section(card, "Limits")
    silent = made_again(finished_screams, metrics={**metrics, "false_alarms": {}})
    assert "Not measured" in section(silent, "False alarms")
