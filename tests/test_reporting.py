"""Operating point, metrics, shortcut audit and page, on small made tables."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporting_tables import made_tables

from bodysounds.corpora.base import Corpus
from bodysounds.metrics.verification import equal_error_rate, rates_at
from bodysounds.params import ReportParams, ThresholdParams
from bodysounds.reporting.failures import worst_errors
from bodysounds.reporting.gallery import gallery_curve
from bodysounds.reporting.headline import headline
from bodysounds.reporting.metrics import verification_metrics
from bodysounds.reporting.operating_point import decisions, operating_point
from bodysounds.reporting.page import report_page
from bodysounds.reporting.record import data_hashes, git_state, run_record
from bodysounds.reporting.shortcuts import side_properties
from bodysounds.reporting.trial_table import trial_table

FEW = {"n_bootstrap": 60}


def point_of(tables, **params):
    names = ("scores", "trials", "sides", "manifest")
    return operating_point(*(tables[n] for n in names), ThresholdParams(**FEW, **params))


def metrics_of(tables, **params):
    names = ("scores", "trials", "sides", "manifest", "descriptors", "segments")
    return verification_metrics(
        *(tables[n] for n in names), point_of(tables), ReportParams(**FEW, **params), True,
        tables["subsets"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def tables():
    return made_tables()


@pytest.fixture(scope="module")
def metrics(tables):
    return metrics_of(tables)


def scores_of(tables, subset, system="ours"):
    trials = tables["trials"]
    chosen = trials[trials["subset"] == subset]
    scores = tables["scores"][tables["scores"]["system"] == system].set_index("trial_id")["cosine"]
    return chosen["target"].to_numpy(int), scores[chosen["trial_id"]].to_numpy()


# --- operating point


def test_operating_point_is_chosen_on_dev_and_applied_to_test(tables):
    point = point_of(tables)
    labels, scores = scores_of(tables, "dev")
    assert point["threshold"] == equal_error_rate(labels, scores)[1]
    assert point["prior"] == pytest.approx(0.1)
    for subset in ("dev", "test"):
        expected = rates_at(*scores_of(tables, subset), point["threshold"])
        assert {name: point[subset][name] for name in expected} == pytest.approx(expected)
        assert (point[subset]["n_target"], point[subset]["n_nontarget"]) == (10, 90)
        own = tables["trials"].query("subset == @subset and target == 1")
        subjects = own["enrol_id"].str.split("_").str[0].nunique()
        assert point[subset]["n_target_subjects"] == subjects > 2
        for name in expected:
            low, high = point[subset][f"{name}_ci95"]
            assert low <= point[subset][name] <= high
    assert (point["chosen_on"], point["system"], point["score"]) == ("dev", "ours", "cosine")
    json.dumps(point, allow_nan=False)


def test_test_labels_change_nothing_but_the_test_rates(tables):
    hidden = hide_test_labels(tables)
    known, unknown = point_of(tables), point_of(hidden)
    assert unknown["test"]["far"] is None
    assert unknown["test"]["far_ci95"] is None
    assert unknown["test"]["n_target"] == 0
    assert without_test_rates(known) == without_test_rates(unknown)


def without_test_rates(point):
    policies = {name: entry | {"test": None} for name, entry in point["policies"].items()}
    return point | {"test": None, "policies": policies}


def hide_test_labels(tables):
    trials = tables["trials"].copy()
    trials.loc[trials["subset"] == "test", "target"] = pd.NA
    return tables | {"trials": trials}


def test_policy_far_keeps_its_promise_on_dev(tables):
    point = point_of(tables, policy="far", far=0.05)
    assert 0 < point["dev"]["far"] <= 0.05
    assert point["options"] == {"far": 0.05}


def test_every_policy_is_rated_beside_the_chosen_one(tables):
    point = point_of(tables, policy="balanced", prior=0.2, p_target=0.3)
    assert list(point["policies"]) == ["eer", "max_accuracy", "min_dcf", "far", "balanced", "prior"]
    for name, entry in point["policies"].items():
        assert entry == {key: point_of(tables, policy=name, prior=0.2, p_target=0.3)[key]
                         for key in entry}  # fmt: skip
    assert point["threshold"] == point["policies"]["balanced"]["threshold"]
    assert point["policies"]["min_dcf"]["options"] == {"p_target": 0.3, "c_miss": 1, "c_fa": 1}
    prior = point["policies"]["prior"]
    assert prior["chosen_on"] == "test, without its labels"
    _, scores = scores_of(tables, "test")
    assert (scores >= prior["threshold"]).sum() == 20
    drift = point["drift"]
    labels, scores = scores_of(tables, "dev")
    assert drift["scores"] == pytest.approx(point["threshold"] - drift["far_doubles_at"])
    doubled = rates_at(labels, scores, drift["far_doubles_at"])["far"]
    assert doubled == pytest.approx(2 * point["dev"]["far"])


def test_what_pooled_folds_have_seen_is_said(tables):
    names = ("scores", "trials", "sides", "manifest")
    given = [tables[n] for n in names]
    learnt = {"fold_0": {"ours": {}}, "fold_1": {"ours": {}}}
    point = operating_point(*given, ThresholdParams(**FEW), learnt)
    assert point["chosen_on"] == "the pooled dev of all folds"
    more = [tables[n] for n in ("descriptors", "segments")]
    metrics = verification_metrics(*given, *more, point, ReportParams(**FEW), True)
    assert "slightly optimistic" in metrics["definitions"]["subset"]
    assert "pooled" in metrics["definitions"]["at_threshold"]
    assert "any choice has seen" in metrics_of(tables)["definitions"]["subset"]
    text = " ".join(Page(page_of(tables, metrics, operating_point=point)).text.split())
    for told in (
        "Cross-validation in 2 folds: each subject is tested once, by an encoder that never",
        "one threshold for all folds",
        "error rates on test are slightly optimistic",
        "subsets below are those of the split table",
        "This is the encoder of fold 0, one of 2",
    ):
        assert text.count(told) == 1
    text = Page(page_of(tables, metrics_of(tables))).text.split("Definitions")[0]
    assert "fold" not in text


def test_four_subjects_have_rates_and_no_interval():
    few = made_tables(n_subjects=12)
    entry = metrics_of(few)["test"]["ours"]
    assert entry["n_target_subjects"] == 4
    assert entry["eer"] is not None
    assert entry["eer_ci95"] is None
    assert metrics_of(few)["comparisons"]["mfcc"]["trial"]["ci95"] is None
    point = point_of(few)
    assert point["test"]["far"] is not None
    assert point["test"]["far_ci95"] is None


def test_scores_that_decide_must_be_there(tables):
    with pytest.raises(ValueError, match="ours has no normalised scores"):
        point_of(tables, score="normalised")


def test_normalised_scores_decide_where_asked(tables):
    scores = tables["scores"].copy()
    ours = (scores["system"] == "ours").to_numpy()
    scores.loc[ours, "normalised"] = 5 - 3 * scores.loc[ours, "cosine"].to_numpy()
    turned = tables | {"scores": scores}
    point = point_of(turned, score="normalised")
    assert point["score"] == "normalised"
    assert point["threshold"] > 1  # no cosine is
    names = ("scores", "trials", "sides", "manifest", "descriptors", "segments")
    metrics = verification_metrics(
        *(turned[n] for n in names), point, ReportParams(**FEW), True, turned["subsets"]
    )
    plain = metrics_of(tables)["test"]
    ours, mfcc = metrics["test"]["ours"], metrics["test"]["mfcc"]
    assert ours["eer"] == pytest.approx(1 - plain["ours"]["eer"])
    assert ours["normalised"]["eer"] == ours["eer"]
    assert mfcc["eer"] == plain["mfcc"]["eer"]  # it has cosines only
    assert mfcc["normalised"] is None
    assert metrics["headline"]["score"] == "normalised"
    text = " ".join(Page(page_of(turned, metrics, operating_point=point)).text.split())
    assert "equal error rate after AS-norm" in text
    assert "Scores after AS-norm decide." in text
    assert "EER after AS-normEER after AS-norm, subjects weighed equally" in text
    assert "minCllr, bits ours" in text  # the same numbers are not shown again
    assert "no scores after AS-norm: untrained network; MFCC mean and deviation; random." in text
    assert headline(metrics).startswith(f"EER after AS-norm {ours['eer']:.1%} (")
    text = " ".join(Page(page_of(tables, metrics_of(tables))).text.split())
    assert text.count("after AS-norm") == 1  # that column
    assert headline(metrics_of(tables)).startswith("EER ")


def test_decisions_are_those_of_ours_on_test(tables):
    point = point_of(tables)
    table = decisions(tables["scores"], tables["trials"], point)
    _, scores = scores_of(tables, "test")
    assert list(table.columns) == ["trial_id", "llr", "decision"]
    assert len(table) == 100
    assert table["decision"].tolist() == (scores >= point["threshold"]).astype(int).tolist()
    assert table["llr"].isna().all()
    with pytest.raises(ValueError, match=r"no cosine for 1 test trials, such as '0029_B~0029_D'"):
        decisions(tables["scores"][tables["scores"]["trial_id"] != "0029_B~0029_D"],
                  tables["trials"], point)  # fmt: skip


def test_no_target_pair_in_dev_is_named(tables):
    trials = tables["trials"]
    kept = trials[(trials["subset"] != "dev") | (trials["target"] == 0)]
    with pytest.raises(ValueError, match="no target pair among the 90 labelled dev trials"):
        point_of(tables | {"trials": kept})


def test_targets_across_sessions_choose_the_threshold(tables):
    trials = tables["trials"].copy()
    extra = trials[(trials["target"] == 1) & (trials["subset"] == "dev")].assign(
        trial_id=lambda t: "same:" + t["trial_id"], condition="same_session"
    )
    scores = pd.concat([tables["scores"]] + [
        pd.DataFrame({"system": s, "trial_id": extra["trial_id"], "cosine": 0.99})
        for s in ("ours", "untrained", "mfcc", "random")
    ])  # fmt: skip
    more = tables | {"trials": pd.concat([trials, extra], ignore_index=True), "scores": scores}
    assert point_of(more)["threshold"] == point_of(tables)["threshold"]
    subgroups = metrics_of(more)["subgroups"]
    assert subgroups["across_sessions"]["ours"]["n_target"] == 10


# --- the join


def test_trials_that_do_not_fit_are_named(tables):
    args = [tables[n] for n in ("scores", "trials", "sides", "manifest")]
    trials = tables["trials"].copy()
    trials.loc[3, "enrol_id"] = "x"
    with pytest.raises(ValueError, match=r"1 trial.* a side that the corpus has not, such as 'x'"):
        trial_table(args[0], trials, *args[2:])
    with pytest.raises(ValueError, match="mfcc has no finite cosine for 1 of 200 trials"):
        trial_table(args[0].drop(index=args[0].index[args[0]["system"] == "mfcc"][0]), *args[1:])
    with pytest.raises(ValueError, match="ours scores trial '0010_B~0010_D' more than once"):
        trial_table(pd.concat([args[0], args[0].head(1)]), *args[1:])


def test_order_of_scores_does_not_matter(tables):
    mixed = tables | {"scores": tables["scores"].sample(frac=1, random_state=0)}
    assert point_of(mixed) == point_of(tables)


# --- metrics


def test_metrics_contract(metrics, tables):
    parts = "dev test headline subgroups comparisons subgroup_comparisons shortcuts definitions"
    assert set(metrics) == {*parts.split(), "breakdown"}
    groups = {"duration", "duration_difference", "level"}
    assert set(metrics["breakdown"]) == {*groups, "skipped"}
    for subset in ("dev", "test"):
        for system in ("ours", "untrained", "mfcc", "random"):
            entry = metrics[subset][system]
            labels, scores = scores_of(tables, subset, system)
            assert entry["eer"] == pytest.approx(equal_error_rate(labels, scores)[0])
            low, high = entry["eer_ci95"]
            assert low <= entry["eer"] <= high
            assert (entry["n_target"], entry["n_nontarget"]) == (10, 90)
            assert entry["n_target_subjects"] == 10
            assert (entry["at_threshold"] is None) == (system != "ours")
    rates = rates_at(*scores_of(tables, "test"), point_of(tables)["threshold"])
    at_threshold = metrics["test"]["ours"]["at_threshold"]
    assert {name: at_threshold[name] for name in rates} == pytest.approx(rates)
    point = point_of(tables)["test"]
    assert {name: point[name] for name in at_threshold} == at_threshold
    for system in ("ours", "untrained", "mfcc", "random"):
        own = metrics["test"][system]["at_own_threshold"]
        threshold = equal_error_rate(*scores_of(tables, "dev", system))[1]
        assert own["threshold"] == threshold
        expected = rates_at(*scores_of(tables, "test", system), threshold)
        assert {name: own[name] for name in expected} == pytest.approx(expected)
    head = metrics["headline"]
    assert (head["subset"], head["system"], head["condition"]) == (
        "test",
        "ours",
        "across_sessions",
    )
    assert head["eer"] == metrics["test"]["ours"]["eer"]
    assert head["eer_ci95"] == metrics["test"]["ours"]["eer_ci95"]
    for name in ("accuracy", "balanced_accuracy"):
        low, high = head[f"{name}_ci95"]
        assert low <= head[name] == rates[name] <= high
    assert head["threshold_chosen_on"] == "dev"
    assert "refusing everything" in metrics["definitions"]["accuracy"]
    assert "here 10.0%" in metrics["definitions"]["accuracy"]
    assert head["synthetic"] is True
    assert head["optimistic"] is False
    assert metrics["subgroups"]["same_session"]["ours"]["eer"] is None
    assert metrics["subgroups"]["same_session"]["ours"]["n_nontarget"] == 90
    assert metrics["subgroups"]["all"]["mfcc"]["eer"] == metrics["test"]["mfcc"]["eer"]


def test_the_prior_chooses_every_systems_threshold_without_labels(tables):
    names = ("scores", "trials", "sides", "manifest", "descriptors", "segments")
    point = point_of(tables, policy="prior", prior=0.5)
    metrics = verification_metrics(*(tables[n] for n in names), point, ReportParams(**FEW), True)
    for system in ("ours", "mfcc"):
        rates = metrics["test"][system]["at_own_threshold"]
        _, scores = scores_of(tables, "test", system)
        assert (scores >= rates["threshold"]).sum() == 50
    said = headline(metrics)
    assert "at the threshold that the unlabelled test chose, on test, 10 subjects" in said


def test_two_runs_give_equal_bytes(metrics, tables):
    assert json.dumps(metrics_of(tables), allow_nan=False) == json.dumps(metrics, allow_nan=False)


def test_comparisons_are_paired_with_ours(metrics):
    assert metrics["subgroup_comparisons"]["across_sessions"] == metrics["comparisons"]
    assert metrics["subgroup_comparisons"]["same_session"]["mfcc"]["trial"] is None
    assert set(metrics["comparisons"]) == {"untrained", "mfcc", "random"}
    for system, both in metrics["comparisons"].items():
        entry = both["trial"]
        expected = metrics["test"]["ours"]["eer"] - metrics["test"][system]["eer"]
        assert entry["difference"] == pytest.approx(expected)
        low, high = entry["ci95"]
        assert entry["excludes_zero"] == (high < 0 or low > 0)
    assert metrics["comparisons"]["random"]["trial"]["excludes_zero"] is True


def test_subjects_weighed_equally_differ_where_one_gives_most_pairs(tables):
    trials = tables["trials"].copy()
    # subject 0020 gives ten copies of a target that ours gets wrong
    first = trials[(trials["enrol_id"] == "0020_B") & (trials["target"] == 1)]
    copies = pd.concat([first.assign(trial_id=f"copy {k}") for k in range(10)])
    bad = pd.concat([
        pd.DataFrame({"system": s, "trial_id": copies["trial_id"], "cosine": -0.9})
        for s in ("ours", "untrained", "mfcc", "random")
    ])  # fmt: skip
    many = tables | {
        "trials": pd.concat([trials, copies], ignore_index=True),
        "scores": pd.concat([tables["scores"], bad], ignore_index=True),
    }
    by_trial, by_subject = metrics_of(many), metrics_of(many, weighting="subject")
    entry = by_trial["test"]["ours"]
    assert entry["n_target_subjects"] == 10
    assert entry["by_subject"]["eer"] < entry["eer"] - 0.1
    assert by_subject["headline"]["eer"] == entry["by_subject"]["eer"]
    assert by_trial["headline"]["eer"] == entry["eer"]


def test_without_test_labels_the_headline_is_dev_and_says_so(tables):
    metrics = metrics_of(hide_test_labels(tables))
    head = metrics["headline"]
    assert (head["subset"], head["optimistic"]) == ("dev", True)
    assert head["eer"] == metrics["dev"]["ours"]["eer"]
    assert metrics["test"]["ours"]["eer"] is None
    assert metrics["test"]["ours"]["n_target"] == 0
    assert "optimistic" in metrics["definitions"]["subset"]
    json.dumps(metrics, allow_nan=False)


def test_some_test_labels_missing_leaves_those_trials_out(tables):
    trials = tables["trials"].copy()
    trials.loc[trials.index[-5:], "target"] = pd.NA
    metrics = metrics_of(tables | {"trials": trials})
    counts = metrics["test"]["ours"]
    assert counts["n_target"] + counts["n_nontarget"] == 95


def test_one_session_only_is_headlined_as_all(tables):
    trials = tables["trials"].assign(condition="same_session")
    metrics = metrics_of(tables | {"trials": trials})
    assert metrics["headline"]["condition"] == "all"
    assert "across_sessions was asked for" in metrics["definitions"]["condition"]
    assert metrics["subgroups"]["across_sessions"]["ours"]["eer"] is None


def test_unknown_subjects_are_subjects_of_their_own(tables):
    manifest = tables["manifest"].copy()
    manifest.loc[manifest["subject_id"].isin(["0025", "0026"]), "subject_id"] = np.nan
    metrics = metrics_of(tables | {"manifest": manifest})
    assert metrics["test"]["ours"]["n_subjects"] == 10  # target pairs join their two sides


# --- shortcuts


def test_nothing_is_flagged_where_properties_are_random(metrics):
    audit = metrics["shortcuts"]
    assert [name for name, e in audit.items() if name != "verdict" and e["flagged"]] == []
    assert audit["verdict"].startswith("None of the 6 properties audited")
    for name in ("sample_rate", "codec", "domain"):
        assert audit[name]["eer"] is None
        assert audit[name]["skipped"].startswith("constant")


def test_a_level_that_is_the_subject_is_flagged_and_named():
    audit = metrics_of(made_tables(level_is_identity=True))["shortcuts"]
    assert audit["level"]["eer"] == 0.0
    assert audit["level"]["flagged"] is True
    assert audit["noise_floor"]["flagged"] is False
    assert "level (0.0%)" in audit["verdict"]
    assert audit["verdict"].startswith("Warning")


def test_a_codec_that_half_the_subjects_share_is_flagged():
    tables = made_tables(n_subjects=60)
    manifest = tables["manifest"].copy()
    half = manifest["subject_id"].astype(int) % 2 == 0
    manifest["codec"] = np.where(half, "wav", "mp3")
    audit = metrics_of(tables | {"manifest": manifest})["shortcuts"]
    # equal codec: every target, 180 of 380 non-targets; the line from (9/19, 0) to (0, 1)
    assert audit["codec"]["eer"] == pytest.approx((9 / 19) / (1 + 9 / 19))
    assert audit["codec"]["flagged"] is True


def test_side_properties_by_hand():
    sides = pd.DataFrame({"side_id": ["a", "a", "b"], "recording_id": ["1", "2", "3"]})
    manifest = pd.DataFrame(
        {"recording_id": ["1", "2", "3"], "sample_rate": [8000, 16000, 8000], "codec": "wav",
         "domain": [None, None, "x"]}
    )  # fmt: skip
    segments = pd.DataFrame({"segment_id": ["1", "2", "3"], "recording_id": ["1", "2", "3"]})
    descriptors = pd.DataFrame(
        {"segment_id": ["1", "2", "3"], "duration_s": [1.0, 3.0, 2.0],
         "level_dbfs": [-10.0, -30.0, -np.inf], "peak_dbfs": [np.nan, -3.0, -5.0],
         "noise_floor_dbfs": np.nan, "bandwidth_hz": [1000.0, 2000.0, 500.0]}
    )  # fmt: skip
    numeric, categories = side_properties(sides, manifest, descriptors, segments)
    assert numeric["duration"].to_dict() == {"a": 4.0, "b": 2.0}
    assert numeric["level"].to_dict() == {"a": -25.0, "b": -25.0}  # b has none: the others' mean
    assert numeric["peak"].to_dict() == {"a": -3.0, "b": -5.0}
    assert numeric["bandwidth"].to_dict() == {"a": 1750.0, "b": 500.0}
    assert numeric["noise_floor"].isna().all()
    assert categories["sample_rate"].to_dict() == {"a": "16000+8000", "b": "8000"}
    assert categories["domain"].to_dict() == {"a": "", "b": "x"}


# --- page and record


class Page(HTMLParser):
    """Tags and text of a page; fails on a tag that is not closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "nav"} & set(self.open):  # the links repeat the headings
            self.text += data


def page_of(tables, metrics, **changes):
    arguments = {
        "metrics": metrics,
        "operating_point": point_of(tables),
        "figures": {"det": b"png one", "figure_shortcuts": b"png two", "new_one": b"png three"},
        "rejected": pd.DataFrame({"path": ["a/<i>.wav", "b.wav"], "reason": "too <b>short</b>"}),
        "record": run_record() | {"command": "kedro run --params 'x=<script>'"},
        "corpus": Corpus(Path("/nowhere"), "cryceleb", "A & B <corpus>", synthetic=True),
        "task": "cry_verification",
    } | {name: tables[name] for name in ("manifest", "subsets", "sides")} | changes  # fmt: skip
    return report_page(**arguments)


def test_page_shows_the_numbers_escapes_and_stands_alone(tables, metrics):
    html = page_of(tables, metrics)
    page = Page(html)
    assert page.open == []
    head = metrics["headline"]
    text = " ".join(page.text.split())
    low, high = head["eer_ci95"]
    assert f"{head['eer']:.1%}" in text
    assert f"{low:.1%} to {high:.1%}" in text
    for system in ("untrained", "mfcc", "random"):
        assert f"{metrics['test'][system]['eer']:.1%}" in text
        low, high = metrics["test"][system]["at_own_threshold"]["accuracy_ci95"]
        assert f"{low:.1%} to {high:.1%}" in text
    told = "at the threshold that dev chose"
    low, high = head["accuracy_ci95"]
    assert f"Accuracy {head['accuracy']:.1%} ({low:.1%} to {high:.1%}) {told}" in text
    assert f"balanced accuracy {head['balanced_accuracy']:.1%} (" in text
    said = headline(metrics)
    balanced = f"balanced {head['balanced_accuracy']:.1%}"
    assert (
        f", accuracy {head['accuracy']:.1%} ({low:.1%} to {high:.1%}; {balanced}) {told}," in said
    )
    assert f"{point_of(tables)['threshold']:.4f}" in text
    assert metrics["shortcuts"]["verdict"] in text
    assert "Synthetic sound" in text
    assert "a/<i>.wav" in text
    assert "too <b>short</b>" in text
    assert "A & B <corpus>" in text
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "b", "i", "corpus", "iframe"}
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 3
    assert all(attrs["src"].startswith("data:image/png;base64,") for attrs in images)
    assert all(attrs["alt"] for attrs in images)
    assert not re.search(r"(src|href)\s*=\s*[\"']?(http|//|file)|@import|url\(", html)


GRID = pd.DataFrame(
    [(0.5, 0.5, 0.31, 0.2, 0.4, 60, 3_000, 40), (0.5, 1.0, 0.22, 0.1, 0.3, 50, 2_500, 30),
     (1.0, 0.5, 0.21, 0.1, 0.3, 50, 2_500, 30), (1.0, 1.0, np.nan, np.nan, np.nan, 4, 90, 4)],
    columns=["enrol_s", "test_s", "eer", "eer_low", "eer_high", "n_target", "n_nontarget",
             "n_target_subjects"],
)  # fmt: skip


def test_page_has_groups_seconds_galleries_and_errors(tables, metrics):
    names = ("scores", "trials", "sides", "manifest")
    point = point_of(tables)
    joined = [tables[name] for name in names]
    curve = gallery_curve(*joined, metrics, point)
    failures = worst_errors(*joined, tables["segments"], metrics, point, 20)
    figures = dict.fromkeys(("figure_breakdown", "durations", "gallery"), b"png")
    page = Page(page_of(tables, metrics, figures=figures, failures=failures, gallery_curve=curve,
                        duration_curve=GRID))  # fmt: skip
    text = " ".join(page.text.split())
    for heading in ("By group", "How much audio", "Searching a gallery", "Worst errors"):
        assert text.count(heading) == 1
    for dimension, groups in metrics["breakdown"].items():
        for name, entry in groups.items() if dimension != "skipped" else ():
            assert name in text
            assert (entry["why"] or f"{entry['eer']:.1%}") in text
    assert "Left out: sex, of both sides (unknown" in text
    assert "31.0%20.0% to 40.0%" in text  # both sides of half a second
    assert "22.0%" not in text  # one side of half a second: only in the figure
    assert f"{curve['fpir'].iloc[-1]:.1%} of those of {curve['gallery_size'].iloc[-1]}" in text
    for path in failures["enrol_recordings"].head(3):
        assert path in text
    # with the decimals of the threshold that they lie beyond
    for score, margin in failures.head(3)[["score", "margin"]].to_numpy():
        assert f"{score:.4f}{margin:.4f}" in page.text
    assert f"Pairs that score {point['threshold']:.4f} or more" in text
    alts = {attrs["alt"] for tag, attrs in page.tags if tag == "img"}
    assert "Equal error rate by length of both sides: 0.5 s 31.0%." in alts
    assert any(f"of 1, false identification {curve['fpir'][0]:.1%}" in alt for alt in alts)
    assert text.count("Synthetic sound") >= 6


def test_page_without_these_tables_has_no_such_sections(tables, metrics):
    old = {name: part for name, part in metrics.items() if name != "breakdown"}
    text = Page(page_of(tables, old)).text
    for heading in ("By group", "How much audio", "Searching a gallery", "Worst errors"):
        assert heading not in text


def test_page_says_why_a_section_is_empty(tables, metrics):
    point = point_of(tables)
    names = ("scores", "trials", "sides", "manifest", "segments")
    errors = worst_errors(*(tables[name] for name in names), metrics, point, 0)
    curve = gallery_curve(*(tables[name] for name in names[:4]), metrics, point).iloc[:0]
    html = page_of(tables, metrics, failures=errors, gallery_curve=curve,
                   duration_curve=GRID.iloc[:0])  # fmt: skip
    text = " ".join(Page(html).text.split())
    assert "Not shown: the trials are not nearly all pairs of at least 3 people." in text
    two = metrics | {
        "test": metrics["test"] | {"ours": metrics["test"]["ours"] | {"n_subjects": 2}}
    }
    html = page_of(tables, two, gallery_curve=curve)
    assert "Not shown: a search needs at least 3 people, and the pairs are of 2." in html
    assert "Not shown: no length was asked for" in text
    assert "Different subjects, accepted None." in text


def test_page_shows_costs_policies_and_drift(tables, metrics):
    point = point_of(tables)
    text = " ".join(Page(page_of(tables, metrics)).text.split())
    for name in ("min_dcf", "min_cllr"):
        assert f"{metrics['test']['ours'][name]:.3f}" in text
    for policy in point["policies"].values():
        assert f"{policy['threshold']:.4f}" in text
        for subset in ("dev", "test"):
            assert f"{policy[subset]['far']:.1%}" in text
        if policy["drift"]:
            assert f"{policy['drift']['far_doubles_at']:.4f}" in text
    older = {name: value for name, value in point.items() if name not in ("policies", "costs")}
    plainer = metrics | {"test": {
        system: {name: value for name, value in entry.items() if "dcf" not in name}
        for system, entry in metrics["test"].items()
    }}  # fmt: skip
    html = page_of(tables, plainer, operating_point=older)
    assert "Other ways" not in html
    assert "minDCF" not in Page(html).text.split("Definitions")[0]


def with_averaged(tables, shift=0.0):
    ours = tables["scores"][tables["scores"]["system"] == "ours"]
    noise = shift * np.random.default_rng(0).normal(size=len(ours))
    copy = ours.assign(system="averaged", cosine=ours["cosine"] + noise)
    return tables | {"scores": pd.concat([tables["scores"], copy], ignore_index=True)}


def test_averaged_is_no_baseline_and_may_equal_ours(tables):
    for shift, told in ((0.0, 1), (0.3, 0)):
        more = with_averaged(tables, shift)
        metrics = metrics_of(more)
        text = " ".join(Page(page_of(more, metrics)).text.split())
        assert text.count("over shuffles equals ours: every side is a single segment") == told
        baselines = text.split("Baselines: ")[1].split("Chance")[0]
        assert "untrained network" in baselines
        assert "shuffles" not in baselines
        assert "baselines: untrained" in headline(metrics)
        assert "averaged" not in headline(metrics)
    # no error at all: equal rates do not make equal scores
    metrics = metrics_of(with_averaged(tables))
    for system in ("ours", "averaged"):
        metrics["test"][system]["eer"] = 0.0
    assert "nothing to shuffle" not in page_of(tables, metrics)
    for system, cllr in (("ours", 0.02), ("averaged", 0.03)):
        metrics["test"][system]["cllr"] = cllr
    assert "nothing to shuffle" not in page_of(tables, metrics)
    metrics["test"]["averaged"]["cllr"] = 0.02
    assert "nothing to shuffle" in page_of(tables, metrics)


def test_page_says_why_nothing_is_calibrated(tables, metrics):
    point = point_of(tables)
    learnt = {"ours": {"why_not": "too few <targets>"}, "mfcc": {"coefficients": [1.0]}}
    text = Page(page_of(tables, metrics, operating_point=point | {"calibration": learnt})).text
    assert "Ours is not calibrated: too few <targets>" in text
    folds = {"fold_0": {"ours": {"coefficients": [1.0]}}, "fold_1": learnt}
    text = Page(page_of(tables, metrics, operating_point=point | {"calibration": folds})).text
    assert "Ours is not calibrated: fold 1: too few <targets>" in text
    assert text.count("is not calibrated") == 1
    assert "is not calibrated" not in Page(page_of(tables, metrics)).text


def test_a_figure_of_groups_needs_a_group_that_is_rated(tables, metrics):
    counts = {"n_target": 1, "n_nontarget": 2, "n_target_subjects": 1}
    few = {"eer": None, "why": "few"} | counts
    rates = {f"{name}{end}": None for name in ("eer", "far", "frr") for end in ("", "_ci95")}
    for entry, shown in ((few, 0), (rates | counts | {"eer": 0.1}, 1)):
        grouped = metrics | {"breakdown": {"duration": {"0 to 1 s": entry}, "skipped": {}}}
        html = page_of(tables, grouped, figures={"breakdown": b"png"})
        assert "0 to 1 s" in html
        assert html.count("<img") == shown


def test_page_of_real_sound_and_unlabelled_test(tables):
    hidden = hide_test_labels(tables)
    metrics = metrics_of(hidden)
    metrics["headline"]["synthetic"] = False
    html = page_of(hidden, metrics, operating_point=point_of(hidden),
                   corpus=Corpus(Path("/nowhere"), "cryceleb", "C"))  # fmt: skip
    text = " ".join(Page(html).text.split())
    assert "Optimistic." in text
    assert "n/a" in text
    assert "ynthetic" not in text


def test_record_is_plain_and_hashes_follow_the_content(tables, tmp_path):
    record = run_record()
    json.dumps(record, allow_nan=False)
    assert record["packages"]["numpy"] == np.__version__
    assert git_state(tmp_path) is None
    manifest = tables["manifest"]
    first = data_hashes(manifest)
    assert first == data_hashes(manifest.sample(frac=1, random_state=0))
    assert first["recordings"] == len(manifest)
    assert first != data_hashes(manifest.replace({"sha256": {"0000_B_0": "other"}}))
