"""The challenge's file: exact columns, ids and order, or a sentence that names the ids."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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
        (pd.DataFrame({"id": ["02"]}), "two columns, .* but this one has id"),
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
