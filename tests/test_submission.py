"""The challenge's file: exact columns, ids and order, or a sentence that names the ids."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from reporting_tables import made_tables

from bodysounds.params import ThresholdParams
from bodysounds.reporting.operating_point import operating_point
from bodysounds.reporting.submission import submission

TRIALS = pd.DataFrame(
    {"trial_id": ["01", "02", "03", "04"], "subset": ["dev", "test", "test", "test"]}
)
SCORES = pd.DataFrame(
    {
        "system": ["mfcc"] * 4 + ["ours"] * 4,
        "trial_id": ["01", "02", "03", "04"] * 2,
        "cosine": [9.0, 9.0, 9.0, 9.0, 0.1, 0.2, 0.3, 0.4],
    }
)


def sample(*ids: str) -> pd.DataFrame:
    return pd.DataFrame({"id": list(ids), "score": "0.0"})


def test_test_trials_with_the_scores_of_ours():
    table = submission(SCORES, TRIALS)
    assert list(table.columns) == ["id", "score"]
    assert table.to_numpy().tolist() == [["02", 0.2], ["03", 0.3], ["04", 0.4]]


def test_columns_ids_and_order_of_the_sample(tmp_path):
    form = pd.DataFrame({"ID": ["04", "02", "03"], "Label": "0"})
    table = submission(SCORES, TRIALS, form)
    assert list(table.columns) == ["ID", "Label"]
    table.to_csv(tmp_path / "s.csv", index=False)
    assert (tmp_path / "s.csv").read_text() == "ID,Label\n04,0.4\n02,0.2\n03,0.3\n"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            sample("02", "03", "04", "77", "78"),
            "2 ids .* are missing among the test trials: 77, 78",
        ),
        (sample("02", "03"), "1 test trials are extra, not in the sample submission: 04"),
        (sample("02", "03", "04", "01"), "missing among the test trials: 01"),
        (sample("02", "02", "03", "04"), "repeated ids in the submission: 02"),
        (pd.DataFrame({"id": [2, 3, 4], "score": 0.0}), "'id' .* was read as int64: read ids as"),
        (pd.DataFrame({"id": ["02"]}), "two columns, .* or three, .* but this one has id"),
    ],
)
def test_a_sample_that_does_not_fit_is_named(form, message):
    with pytest.raises(ValueError, match=message):
        submission(SCORES, TRIALS, form)


def test_a_trial_without_a_score_is_named():
    with pytest.raises(ValueError, match="1 test trials have no score: 04"):
        submission(SCORES[SCORES["trial_id"] != "04"], TRIALS)
    with pytest.raises(ValueError, match="have no score: 02"):
        submission(SCORES.replace({"cosine": {0.2: np.nan}}), TRIALS)


PAIRS = pd.DataFrame(
    {
        "trial_id": ["d e", "a.wav b.wav", "b.wav c.wav", "a.wav b.wav~2"],
        "enrol_id": ["d", "t/a", "t/b", "t/a"],
        "test_id": ["e", "t/b", "t/c", "t/b"],
        "subset": ["dev", "test", "test", "test"],
    }
)
PAIR_SCORES = pd.DataFrame(
    {"system": "ours", "trial_id": PAIRS["trial_id"], "cosine": [9.0, 0.5, 0.4, 0.5]}
)


def pairs_sample(*pairs: str, columns: tuple[str, ...] = ("audio_1", "audio_2", "label")):
    return pd.DataFrame([(*pair.split(), "0") for pair in pairs], columns=list(columns))


def test_a_sample_of_pairs_gets_decisions_in_its_order(tmp_path):
    form = pairs_sample("b.wav c.wav", "a.wav b.wav", "a.wav b.wav")
    table = submission(PAIR_SCORES, PAIRS, form, threshold=0.5)
    table.to_csv(tmp_path / "s.csv", index=False)
    lines = "b.wav,c.wav,0", "a.wav,b.wav,1", "a.wav,b.wav,1"
    assert (tmp_path / "s.csv").read_text() == "\n".join(("audio_1,audio_2,label", *lines, ""))
    # where the copy was left out of the trials, its row still gets the pair's answer
    assert submission(PAIR_SCORES, PAIRS[:3], form, threshold=0.5).equals(table)
    assert form["label"].tolist() == ["0"] * 3
    other = pairs_sample("b.wav c.wav", "a.wav b.wav", columns=("x", "y", "same"))
    table = submission(PAIR_SCORES, PAIRS, other, threshold=0.4)
    assert table.to_numpy().tolist() == [["b.wav", "c.wav", 1], ["a.wav", "b.wav", 1]]
    assert list(table) == ["x", "y", "same"]


def test_a_sample_of_other_pairs_is_named():
    with pytest.raises(ValueError, match=r"2 test trials are extra.*: a.wav b.wav, a.wav b.wav~2;"):
        submission(PAIR_SCORES, PAIRS, pairs_sample("b.wav c.wav"), threshold=0.5)
    form = pairs_sample("b.wav c.wav", "a.wav b.wav", "c.wav a.wav")
    with pytest.raises(ValueError, match=r"missing among the test trials: c.wav a.wav"):
        submission(PAIR_SCORES, PAIRS, form, threshold=0.5)
    with pytest.raises(ValueError, match="asks for decisions, and the threshold is None"):
        submission(PAIR_SCORES, PAIRS, form[:2])
    with pytest.raises(ValueError, match=r"'audio_2' .* was read as int64"):
        submission(PAIR_SCORES, PAIRS, form.assign(audio_2=1), threshold=0.5)


def test_half_of_an_unlabelled_test_is_accepted_by_the_prior():
    tables = made_tables()
    trials = tables["trials"].copy()
    tested = trials["subset"] == "test"
    trials.loc[tested, "target"] = pd.NA
    trials.loc[tested, "trial_id"] = trials["enrol_id"] + " " + trials["test_id"]
    names = dict(zip(tables["trials"]["trial_id"], trials["trial_id"], strict=True))
    scores = tables["scores"].assign(trial_id=lambda t: t["trial_id"].map(names))
    form = trials[tested][["enrol_id", "test_id"]].assign(label="0").iloc[::-1]
    for prior in (0.5, 0.1):
        params = ThresholdParams(policy="prior", prior=prior, n_bootstrap=10)
        point = operating_point(scores, trials, tables["sides"], tables["manifest"], params)
        assert point["chosen_on"] == "test, without its labels"
        table = submission(scores, trials, form, point["score"], point["threshold"])
        assert table["label"].sum() == prior * len(form) == prior * 100
        ours = scores[scores["system"] == "ours"].set_index("trial_id")["cosine"]
        given = ours[(table["enrol_id"] + " " + table["test_id"]).tolist()].to_numpy()
        accepted = table["label"].to_numpy() == 1
        assert given[accepted].min() > given[~accepted].max()
        assert table["enrol_id"].tolist() == form["enrol_id"].tolist()
