"""The audit of trial lists: each finding, against a slow reading of its definition."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from test_trials import listing, made, of

from bodysounds.splitting.trial_audit import FINDINGS, audit_trials

Row = tuple[str, str, int | None]


def trials_of(rows: list[Row]) -> pd.DataFrame:
    return listing([(f"t{i}", a, b, target, "dev") for i, (a, b, target) in enumerate(rows)])


def slow(rows: list[Row], known: set[str], subjects: dict[str, str]) -> dict[str, list[bool]]:
    """Each finding in a loop over the trials, as its definition says it."""
    found: dict[str, list[bool]] = {name: [] for name in FINDINGS}
    for i, (a, b, target) in enumerate(rows):
        same_sides = [t for x, y, t in rows if {x, y} == {a, b}]
        copies = [j for j, row in enumerate(rows) if row[:2] == (a, b)]
        labelled = [j for j in copies if rows[j][2] is not None]
        found["unknown_side"].append(not {a, b} <= known)
        found["contradictory"].append(1 in same_sides and 0 in same_sides)
        found["self_trial"].append(a == b)
        found["repeated"].append(i != (labelled or copies)[0])
        found["both_orders"].append(a != b and any(row[:2] == (b, a) for row in rows))
        judged = target is not None and a in subjects and b in subjects
        found["contrary_to_subjects"].append(
            judged and (subjects[a] == subjects[b]) != (target == 1)
        )
    return found


@pytest.mark.parametrize("seed", range(8))
def test_every_finding_is_the_slow_obvious_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = list("abcdefgh")
    rows: list[Row] = [
        (names[rng.integers(8)], names[rng.integers(8)], [1, 0, None][rng.integers(3)])
        for _ in range(40)
    ]
    known = set(names[:7])
    subjects = {name: f"s{rng.integers(3)}" for name in names[1:]}
    audit = audit_trials(trials_of(rows), sorted(known), subjects)
    expected = slow(rows, known, subjects)
    assert set(audit.marks) == set(FINDINGS)
    for finding in FINDINGS:
        assert audit.marks[finding].tolist() == expected[finding], finding
        assert audit.count(finding) == sum(expected[finding]) > 0, finding


def test_the_table_counts_and_gives_examples() -> None:
    rows: list[Row] = [("a", "a", 1), ("a", "b", 0), *[("b", "c", 1)] * 6]
    audit = audit_trials(trials_of(rows), "abc", {"a": "s", "b": "s"})
    table = audit.table().set_index("finding")
    assert table["n_trials"].to_dict() == {
        "unknown_side": 0, "contradictory": 0, "contrary_to_subjects": 1, "self_trial": 1,
        "repeated": 5, "both_orders": 0,
    }  # fmt: skip
    assert table.loc["repeated", "examples"] == "t3, t4, t5 and 2 more"
    assert table.loc["both_orders", "examples"] == ""
    assert audit.sentence("repeated") == (
        "5 of 8 listed trials repeat a pair (t3, t4, t5 and 2 more)"
    )


def test_a_clean_list_and_an_empty_one_have_no_findings() -> None:
    for rows in ([("a", "b", 1), ("a", "c", 0), ("b", "c", None)], []):
        audit = audit_trials(trials_of(rows), "abc", {"a": "s", "b": "s", "c": "t"})
        assert not audit.table()["n_trials"].any()


PEOPLE = [of("a"), of("a"), of("b"), of("b"), of("c", subset="test"), of("c", subset="test")]
SOUND: list[Row] = [("r0", "r1", 1), ("r0", "r2", 0)]


def in_a_run(rows: list[Row], subset: str = "dev") -> pd.DataFrame:
    ids = [(f"t{i}", a, b, target, subset) for i, (a, b, target) in enumerate(rows)]
    return made(PEOPLE, listing(ids))


def test_labelled_copies_and_self_trials_are_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [*SOUND, ("r0", "r1", 1), ("r2", "r2", 1), ("r2", "r0", 0)]
    with caplog.at_level(logging.WARNING):
        trials = in_a_run(rows)
    dev = trials[trials["subset"] == "dev"]
    assert dev["trial_id"].tolist() == ["t0", "t1", "t4"]  # both orders stay
    said = [record.getMessage() for record in caplog.records]
    assert "1 of 5 listed trials compare a side with itself (t3): those with a label" in said[0]
    assert "1 of 5 listed trials repeat a pair (t2): those with a label are left out" in said[1]
    assert "2 of 5 listed trials are there in the other order too (t1, t4): both" in said[2]


def test_a_copy_without_a_label_gives_way_to_one_with() -> None:
    trials = in_a_run([("r0", "r1", None), *SOUND])
    dev = trials[trials["subset"] == "dev"]
    assert dev["trial_id"].tolist() == ["t0", "t1", "t2"]
    assert dev["target"].isna().tolist() == [True, False, False]


def test_unlabelled_trials_all_stay_for_a_submission() -> None:
    rows: list[Row] = [("r4", "r5", None), ("r4", "r5", None), ("r4", "r4", None)]
    trials = in_a_run(rows, "test")
    assert trials.loc[trials["subset"] == "test", "trial_id"].tolist() == ["t0", "t1", "t2"]


@pytest.mark.parametrize("again", [("r0", "r1", 0), ("r1", "r0", 0)])
def test_a_pair_with_two_labels_is_refused(again: Row) -> None:
    with pytest.raises(ValueError, match=r"2 of 3 listed trials are of a pair that is labelled 1 "):
        in_a_run([*SOUND, again])


def test_a_list_of_which_nothing_is_left_does_not_become_all_pairs() -> None:
    with pytest.raises(ValueError, match=r"^dev has no target and no non-target pair among its 0"):
        in_a_run([("r0", "r0", 1)])
