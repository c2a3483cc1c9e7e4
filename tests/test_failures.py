"""The list of worst errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from reporting_tables import made_tables

from bodysounds.reporting.failures import worst_errors
from bodysounds.reporting.side_facts import side_facts

POINT = {"threshold": 0.4, "system": "ours", "score": "cosine"}
HEAD = {"headline": {"subset": "test", "condition": "across_sessions"}}


@pytest.fixture(scope="module")
def tables():
    return made_tables(90)


def listed(tables, n=20, head=HEAD, point=POINT):
    names = ("scores", "trials", "sides", "manifest", "segments")
    return worst_errors(*(tables[name] for name in names), head, point, n)


def test_every_error_is_listed_worst_first(tables):
    found = listed(tables, n=10_000)
    ours = tables["scores"][tables["scores"]["system"] == "ours"]
    pairs = tables["trials"].merge(ours, on="trial_id")
    pairs = pairs[pairs["subset"] == "test"]
    false_accepts = pairs[(pairs["target"] == 0) & (pairs["cosine"] >= 0.4)]
    false_rejects = pairs[(pairs["target"] == 1) & (pairs["cosine"] < 0.4)]
    expected = [
        *false_accepts.sort_values("cosine", ascending=False)["trial_id"],
        *false_rejects.sort_values("cosine")["trial_id"],
    ]
    assert len(false_accepts) > 20
    assert len(false_rejects) > 1
    assert found["trial_id"].tolist() == expected
    assert found["kind"].tolist() == (
        ["false_accept"] * len(false_accepts) + ["false_reject"] * len(false_rejects)
    )
    np.testing.assert_allclose(found["margin"], np.abs(found["score"] - 0.4))


def test_no_more_than_n_of_each_kind(tables):
    assert listed(tables, 2)["kind"].tolist() == ["false_accept"] * 2 + ["false_reject"] * 2
    assert listed(tables, 0).empty


def test_a_row_says_what_to_listen_to(tables):
    manifest = tables["manifest"].assign(domain=lambda t: np.where(t["order"] < 9, "ios", "x"))
    row = listed(tables | {"manifest": manifest}).iloc[0]
    enrol, test = row["trial_id"].split("~")
    assert (row["enrol_subject"], row["enrol_session"]) == tuple(enrol.split("_"))
    assert (row["test_subject"], row["test_session"]) == tuple(test.split("_"))
    assert row["enrol_domain"] == row["test_domain"] == "ios"
    assert row["enrol_recordings"] == f"audio/{enrol}_0.wav | audio/{enrol}_1.wav"
    own = manifest[manifest["recording_id"].str.startswith(test)]
    assert row["test_s"] == pytest.approx(own["duration_s"].sum())


def test_ties_and_row_order_change_nothing(tables):
    flat = tables["scores"].assign(cosine=tables["scores"]["cosine"].round(1))
    tied = tables | {"scores": flat}
    first = listed(tied)
    assert first["margin"].duplicated().any()
    mixed = {name: table.sample(frac=1, random_state=3) for name, table in tied.items()}
    pd.testing.assert_frame_equal(listed(mixed), first)
    accepts = first[first["kind"] == "false_accept"]
    order = sorted(accepts.itertuples(), key=lambda row: (-row.margin, row.trial_id))
    assert accepts["trial_id"].tolist() == [row.trial_id for row in order]


def test_the_score_that_decides_is_the_one_listed(tables):
    scores = tables["scores"].assign(normalised=-tables["scores"]["cosine"])
    point = POINT | {"score": "normalised"}
    found = listed(tables | {"scores": scores}, point=point)
    ours = scores[scores["system"] == "ours"].set_index("trial_id")["normalised"]
    np.testing.assert_array_equal(found["score"], ours[found["trial_id"]])


def test_the_condition_of_the_headline_chooses_the_targets(tables):
    trials = tables["trials"].copy()
    worst = listed(tables)
    worst = worst[worst["kind"] == "false_reject"]["trial_id"].iloc[0]
    trials.loc[trials["trial_id"] == worst, "condition"] = "same_session"
    changed = tables | {"trials": trials}
    assert worst not in set(listed(changed)["trial_id"])
    both = {"headline": {"subset": "test", "condition": "all"}}
    assert worst in set(listed(changed, head=both)["trial_id"])


def test_without_an_error_the_columns_stay(tables):
    point = POINT | {"threshold": -9.0}
    scores = tables["scores"].assign(cosine=0.5)
    trials = tables["trials"][tables["trials"]["target"] == 1]
    other = tables["trials"][tables["trials"]["target"] == 0].assign(subset="dev")
    few = tables | {"scores": scores, "trials": pd.concat([trials, other], ignore_index=True)}
    found = listed(few, point=point)
    assert found.empty
    assert {"kind", "trial_id", "enrol_recordings"} <= set(found.columns)


def test_long_lists_of_recordings_are_cut():
    sides = pd.DataFrame(
        {"side_id": "a", "recording_id": [str(k) for k in range(9)], "order": range(9)}
    )
    manifest = pd.DataFrame({"recording_id": sides["recording_id"], "subject_id": "s"}).assign(
        path=lambda t: t["recording_id"] + ".wav", recorded_at=np.nan
    )
    for name in ("session_id", "domain", "sex", "age"):
        manifest[name] = pd.Series(np.nan, manifest.index, dtype="str")
    segments = pd.DataFrame({"recording_id": sides["recording_id"], "start_s": 1.0, "end_s": 1.5})
    facts = side_facts(sides, manifest, segments)
    assert facts.loc["a", "duration_s"] == pytest.approx(4.5)
    assert len(facts.loc["a", "recordings"]) == 9
    from bodysounds.reporting.failures import _paths

    assert _paths(facts.loc["a", "recordings"]) == "0.wav | 1.wav | 2.wav | 3.wav | and 5 more"


def test_a_score_at_the_threshold_is_accepted(tables):
    first = tables["scores"]["trial_id"].isin(["0060_B~0060_D", "0060_B~0061_D"])
    scores = tables["scores"].assign(cosine=tables["scores"]["cosine"].where(~first, 0.4))
    found = listed(tables | {"scores": scores}, n=10_000).set_index("trial_id")
    assert found.loc["0060_B~0061_D", ["kind", "margin"]].tolist() == ["false_accept", 0.0]
    assert "0060_B~0060_D" not in found.index
