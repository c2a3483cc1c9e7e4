"""Rates of groups of pairs, against slow counting."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from reporting_tables import made_tables

from bodysounds.metrics.bootstrap import bootstrap_interval
from bodysounds.metrics.verification import equal_error_rate
from bodysounds.params import ReportParams
from bodysounds.reporting.breakdown import breakdown, group_rates
from bodysounds.reporting.extremes import with_extremes
from bodysounds.reporting.side_facts import side_facts
from bodysounds.reporting.trial_table import trial_table

THRESHOLD = 0.3
PARAMS = ReportParams(n_bootstrap=40, min_subjects=10)


def described(n_subjects=120, **columns):
    """Made tables with columns of the manifest set by (subject, session)."""
    tables = made_tables(n_subjects)
    manifest = tables["manifest"].copy()
    for name, function in columns.items():
        manifest[name] = [
            function(int(subject), session)
            for subject, session in zip(manifest["subject_id"], manifest["session_id"], strict=True)
        ]
    return tables | {"manifest": manifest}


def of(tables, params=PARAMS, condition="across_sessions"):
    joined = trial_table(*(tables[n] for n in ("scores", "trials", "sides", "manifest")))
    names = ("sides", "manifest", "segments", "descriptors")
    facts = side_facts(*(tables[name] for name in names))
    return breakdown(joined, joined.select("test", condition), facts, THRESHOLD, params)


def rows_of(tables):
    """Labelled test pairs, one dictionary each, by plain loops over the tables."""
    manifest = tables["manifest"].set_index("recording_id")
    ends = tables["segments"].set_index("recording_id")["end_s"]
    levels = tables["descriptors"].set_index("segment_id")["level_dbfs"]
    about = {}
    for side, part in tables["sides"].groupby("side_id"):
        first = manifest.loc[part["recording_id"].iloc[0]].to_dict()
        names = part["recording_id"]
        seconds = sum(ends[name] for name in names)
        level = sum(levels[name] * ends[name] for name in names) / seconds
        about[side] = first | {"seconds": seconds, "level": level}
    ours = tables["scores"][tables["scores"]["system"] == "ours"].set_index("trial_id")["cosine"]
    test = tables["trials"][tables["trials"]["subset"] == "test"]
    return [
        {"target": row.target == 1, "score": ours[row.trial_id], "enrol": about[row.enrol_id],
         "test": about[row.test_id]}
        for row in test.itertuples()
    ]  # fmt: skip


def agrees(entry, rows):
    """The entry's numbers are those of these pairs."""
    labels = np.array([row["target"] for row in rows])
    scores = np.array([row["score"] for row in rows])
    assert (entry["n_target"], entry["n_nontarget"]) == (labels.sum(), (~labels).sum())
    assert entry["n_target_subjects"] == len(
        {row["enrol"]["subject_id"] for row in rows if row["target"]}
    )
    assert entry["n_false_accepts"] == np.sum(scores[~labels] >= THRESHOLD)
    assert entry["n_false_rejects"] == np.sum(scores[labels] < THRESHOLD)
    if entry["why"] is None:
        assert entry["eer"] == pytest.approx(equal_error_rate(labels, scores)[0])
        assert entry["far"] == pytest.approx(np.mean(scores[~labels] >= THRESHOLD))
        assert entry["frr"] == pytest.approx(np.mean(scores[labels] < THRESHOLD))


def test_sex_counts_pairs_of_one_sex_only():
    tables = described(sex=lambda subject, _: ["f", "m", np.nan][subject % 3])
    found = of(tables)["sex"]
    assert list(found) == ["f", "m"]
    for sex, entry in found.items():
        same = [r for r in rows_of(tables) if r["enrol"]["sex"] == r["test"]["sex"] == sex]
        agrees(entry, same)
        low, high = entry["eer_ci95"]
        assert low <= entry["eer"] <= high
    total = sum(entry["n_target"] + entry["n_nontarget"] for entry in found.values())
    assert total < 40 * 40 - 2 * 13 * 13  # pairs of two sexes, or of unknown ones, are in neither


def test_intervals_resample_the_subjects_of_the_group():
    tables = described(sex=lambda subject, _: "fm"[subject % 2])
    rows = [r for r in rows_of(tables) if r["enrol"]["sex"] == r["test"]["sex"] == "f"]
    columns = [[r[side]["subject_id"] for r in rows] for side in ("enrol", "test")]
    labels, scores = [r["target"] for r in rows], [r["score"] for r in rows]
    expected = bootstrap_interval(labels, scores, *columns, "eer", n=40, method="beta")
    assert of(tables)["sex"]["f"]["eer_ci95"] == pytest.approx(expected)


def test_few_ages_stay_as_given_in_their_order():
    found = of(described(age=lambda subject, _: ["10", "2", "1"][subject % 3]))["age"]
    assert list(found) == ["1", "2", "10"]


def test_many_ages_become_thirds():
    tables = described(age=lambda subject, _: str(subject % 20))
    found = of(tables)["age"]
    assert list(found) == ["up to 6", "over 6, to 13", "over 13"]
    ends = dict(zip(found, [(-1, 6), (6, 13), (13, 99)], strict=True))
    for name, entry in found.items():
        low, high = ends[name]
        agrees(entry, [
            r for r in rows_of(tables)
            if all(low < float(r[side]["age"]) <= high for side in ("enrol", "test"))
        ])  # fmt: skip


def test_of_many_names_the_eight_with_most_pairs_are_kept():
    sizes = {f"group {k:02d}": k for k in range(1, 12)}
    order = [name for name, size in sizes.items() for _ in range(size)]
    found = of(described(198, age=lambda subject, _: order[subject % 66]))["age"]
    assert list(found) == [f"group {k:02d}" for k in range(4, 12)]


def test_domains_are_same_or_across():
    tables = described(domain=lambda subject, session: "ab"[(subject + (session == "D")) % 2])
    found = of(tables)["domain"]
    for name, entry in found.items():
        same = name == "same"
        agrees(entry, [
            r for r in rows_of(tables) if (r["enrol"]["domain"] == r["test"]["domain"]) == same
        ])  # fmt: skip
    assert found["same"]["n_target"] == 0
    assert found["same"]["eer"] is None
    assert found["same"]["why"] == "too few: 0 of at least 10 subjects with target pairs"
    assert found["same"]["far_ci95"] is None


def test_gaps_choose_targets_and_keep_every_non_target():
    hours = [0.5, 5.0, 50.0, 500.0]
    tables = described(
        recorded_at=lambda subject, session: 1e9 + 3600 * hours[subject % 4] * (session == "D")
    )
    found = of(tables)["session_gap"]
    assert list(found) == ["under an hour", "an hour to a day", "a day to a week", "over a week"]
    rows = rows_of(tables)
    for k, entry in enumerate(found.values()):
        agrees(entry, [r for r in rows
                       if not r["target"] or int(r["enrol"]["subject_id"]) % 4 == k])  # fmt: skip


def test_without_times_sessions_are_the_same_or_different():
    tables = described()
    trials = tables["trials"].copy()
    even = trials["enrol_id"].str[:4].astype(int) % 2 == 0
    trials.loc[(trials["target"] == 1) & even, "condition"] = "same_session"
    found = of(tables | {"trials": trials}, condition="all")["session_gap"]
    assert {name: entry["n_target"] for name, entry in found.items()} == {
        "same session": 20,
        "different sessions": 20,
    }
    skipped = of(tables)["skipped"]
    assert skipped["session_gap"].startswith("constant: every pair with a value is of one group")


def test_durations_go_by_the_shorter_side():
    tables = described()
    found = of(tables)["duration"]
    edges = {"0 to 1 s": (0, 1), "1 to 2 s": (1, 2), "2 to 5 s": (2, 5)}
    assert list(found) == list(edges)
    rows = rows_of(tables)
    for name, (low, high) in edges.items():
        agrees(found[name], [
            r for r in rows if low <= min(r["enrol"]["seconds"], r["test"]["seconds"]) < high
        ])  # fmt: skip
    assert sum(e["n_target"] for e in found.values()) == 40


def test_levels_go_by_the_quieter_side_and_differences_by_both():
    tables = described()
    found, rows = of(tables), rows_of(tables)
    levels = {"-30 to -20 dBFS": (-30, -20), "over -20 dBFS": (-20, 0)}
    assert list(found["level"]) == list(levels)
    apart = {"0 to 0.5 s": (0, 0.5), "0.5 to 1 s": (0.5, 1), "1 to 2 s": (1, 2), "2 to 5 s": (2, 5)}
    assert list(found["duration_difference"]) == list(apart)
    for name, (low, high) in levels.items():
        agrees(found["level"][name], [
            r for r in rows if low <= min(r["enrol"]["level"], r["test"]["level"]) < high
        ])  # fmt: skip
    for name, (low, high) in apart.items():
        agrees(found["duration_difference"][name], [
            r for r in rows if low <= abs(r["enrol"]["seconds"] - r["test"]["seconds"]) < high
        ])  # fmt: skip
    for dimension in ("level", "duration_difference"):
        groups = found[dimension].values()
        assert sum(e["n_target"] + e["n_nontarget"] for e in groups) == 1600


def test_a_level_that_is_not_known_is_in_no_group():
    tables = described()
    quiet = tables["descriptors"].assign(level_dbfs=-np.inf)
    assert of(tables | {"descriptors": quiet})["skipped"]["level"] == "unknown of every side"


def test_non_targets_of_one_sex_and_of_two_stand_against_all_targets():
    tables = described(sex=lambda subject, _: ["f", "m", np.nan][subject % 3])
    found, rows = of(tables)["nontarget_sex"], rows_of(tables)
    known = [r for r in rows if all(r[side]["sex"] in ("f", "m") for side in ("enrol", "test"))]
    for name, same in (("same sex", True), ("different sexes", False)):
        others = [r for r in known if not r["target"]
                  and (r["enrol"]["sex"] == r["test"]["sex"]) == same]  # fmt: skip
        assert others
        agrees(found[name], [r for r in rows if r["target"]] + others)


def test_unknown_and_constant_dimensions_are_left_out_with_the_reason():
    found = of(described(sex=lambda *_: "f"))
    assert set(found) == {"duration", "duration_difference", "level", "skipped"}
    assert set(found["skipped"]) == {"sex", "nontarget_sex", "age", "domain", "session_gap"}
    assert found["skipped"]["sex"] == "constant: every pair with a value is of one group, f"
    assert found["skipped"]["age"].startswith("unknown")


def test_too_few_subjects_are_counted_and_not_rated():
    tables = described(sex=lambda subject, _: "f" if subject % 12 == 0 else "m")
    rare = of(tables)["sex"]["f"]
    assert rare["n_target"] == 3  # 84, 96 and 108
    assert rare["eer"] is rare["far"] is rare["frr"] is rare["eer_ci95"] is None
    assert rare["why"] == "too few: 3 of at least 10 subjects with target pairs"
    fewer = of(tables, ReportParams(n_bootstrap=40, min_subjects=3))["sex"]["f"]
    assert fewer["why"] == "too few: 3 of at least 10 target pairs"


def test_no_error_seen_is_no_proof_of_none():
    labels = np.array([a == b for a, b in product(range(12), repeat=2)])
    subjects = np.array(list(product([f"s{k}" for k in range(12)], repeat=2)))
    entry = group_rates(labels, labels * 1.0, subjects[:, 0], subjects[:, 1], 0.5, PARAMS)
    assert entry["frr"] == entry["eer"] == 0
    for name in ("far", "frr"):
        assert entry[f"{name}_ci95"] == pytest.approx([0, 1 - 0.025 ** (1 / 12)])
    low, high = entry["eer_ci95"]
    assert low == 0
    assert 0.01 < high < 0.3
    assert with_extremes(1.0, [1.0, 1.0], 12, 0.95) == pytest.approx([0.025 ** (1 / 12), 1])
    assert with_extremes(0.5, [0.4, 0.6], 12, 0.95) == [0.4, 0.6]
    assert with_extremes(0.0, None, 12, 0.95) is None


def test_weighting_by_subject_is_that_of_the_headline():
    tables = described(sex=lambda subject, _: "fm"[subject % 2])
    trials = tables["trials"]
    first = trials[(trials["subset"] == "test") & (trials["target"] == 1)].iloc[[0]]
    copies = pd.concat([first.assign(trial_id=f"copy {k}") for k in range(30)])
    bad = pd.concat([
        pd.DataFrame({"system": s, "trial_id": copies["trial_id"], "cosine": -0.9,
                      "normalised": np.nan}) for s in tables["scores"]["system"].unique()
    ])  # fmt: skip
    many = tables | {
        "trials": pd.concat([trials, copies], ignore_index=True),
        "scores": pd.concat([tables["scores"], bad], ignore_index=True),
    }
    by_trial = of(many)["sex"]["f"]
    by_subject = of(many, ReportParams(n_bootstrap=40, weighting="subject"))["sex"]["f"]
    assert by_trial["frr"] > 0.5
    assert by_subject["frr"] < 0.2


def test_plain_and_without_regard_to_the_order_of_rows():
    tables = described(
        sex=lambda subject, _: "fm"[subject % 2], domain=lambda subject, _: "ab"[subject % 2]
    )
    found = of(tables)
    json.dumps(found, allow_nan=False)
    mixed = {name: table.sample(frac=1, random_state=1) for name, table in tables.items()}
    again = of(mixed)
    assert json.dumps(again, sort_keys=True) == json.dumps(found, sort_keys=True)


def test_a_side_of_two_values_has_none():
    tables = described(sex=lambda subject, _: "fm"[subject % 2])
    manifest = tables["manifest"].copy()
    mixed = manifest["recording_id"].isin(["0082_B_0", "0084_D_0"])
    manifest.loc[mixed, "sex"] = "m"
    facts = side_facts(tables["sides"], manifest, tables["segments"])
    assert facts.index[facts["sex"].isna()].tolist() == ["0082_B", "0084_D"]
    assert of(tables | {"manifest": manifest})["sex"]["f"]["n_target"] == 18


@pytest.mark.parametrize("wrong", [{"min_subjects": 1}, {"n_failures": -1}])
def test_limits_must_make_sense(wrong):
    with pytest.raises(ValueError, match=f"report.{next(iter(wrong))} must lie in"):
        ReportParams(**wrong)
