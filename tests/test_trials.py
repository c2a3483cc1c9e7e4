"""Trials: which pairs, what each is, and what is refused."""

from __future__ import annotations

import itertools
import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bodysounds.corpora.base import Corpus, no_trials, one_side_each, recordings_table
from bodysounds.corpora.registry import list_recordings
from bodysounds.params import SplitParams
from bodysounds.splitting.trials import make_trials

HOUR = 3600.0


def world(rows: list[dict[str, object]]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return sides, manifest and subsets of recordings r0, r1, ... (default subset dev)."""
    table = pd.DataFrame(rows)
    ids = [f"r{i}" for i in range(len(rows))]
    subset = table.pop("subset") if "subset" in table else pd.Series(["dev"] * len(rows))
    named = {"recording_id": ids, "path": [f"{name}.wav" for name in ids]}
    manifest = recordings_table({**named, **{name: table[name] for name in table}})
    subsets = pd.DataFrame({"recording_id": ids, "subset": subset.fillna("dev"), "fold": 0})
    return one_side_each(manifest), manifest, subsets


def made(
    rows: list[dict[str, object]], listed: pd.DataFrame | None = None, **params: object
) -> pd.DataFrame:
    sides, manifest, subsets = world(rows)
    listed = no_trials() if listed is None else listed
    return make_trials(sides, manifest, subsets, listed, SplitParams(**params))  # type: ignore[arg-type]


def of(subject: str | None, **more: object) -> dict[str, object]:
    return {"subject_id": subject, **more}


def listing(rows: list[tuple[str, str, str, int | None, str]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["trial_id", "enrol_id", "test_id", "target", "subset"])
    return table.astype({"target": "Int64"})


def pairs(trials: pd.DataFrame) -> set[tuple[str, str, int]]:
    return set(zip(trials["enrol_id"], trials["test_id"], trials["target"], strict=True))


def test_every_unordered_pair_once() -> None:
    trials = made([of("a"), of("a"), of("b"), of("c", subset="train")])
    assert pairs(trials) == {("r0", "r1", 1), ("r0", "r2", 0), ("r1", "r2", 0)}
    assert trials["trial_id"].tolist() == ["r0~r1", "r0~r2", "r1~r2"]
    assert trials["target"].dtype == "Int64"
    assert list(trials.columns) == [
        "trial_id", "enrol_id", "test_id", "target", "subset", "condition",
    ]  # fmt: skip


def test_pairs_are_the_slow_obvious_ones() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(60):
        install = int(rng.integers(0, 12))
        rows.append(
            of(
                f"s{install}-{rng.integers(0, 2)}",
                group_id=f"g{install}",
                domain=f"d{rng.integers(0, 2)}",
                recorded_at=float(rng.integers(0, 5) * 1800),
                subset=["dev", "test"][install % 2],
            )
        )
    trials = made(rows, within_domain=True)
    expected = set()
    for subset in ("dev", "test"):
        there = [i for i, row in enumerate(rows) if row["subset"] == subset]
        for i, j in itertools.combinations(there, 2):
            a, b = sorted((i, j), key=lambda k: f"r{k}")
            same = rows[i]["subject_id"] == rows[j]["subject_id"]
            if rows[i]["domain"] != rows[j]["domain"]:
                continue
            if not same and rows[i]["group_id"] == rows[j]["group_id"]:
                continue
            near = abs(rows[i]["recorded_at"] - rows[j]["recorded_at"]) < HOUR  # type: ignore[operator]
            condition = "same_session" if same and near else "across_sessions"
            expected.add((f"r{a}", f"r{b}", int(same), subset, condition))
    columns = ["enrol_id", "test_id", "target", "subset", "condition"]
    assert set(trials[columns].itertuples(index=False, name=None)) == expected
    assert len(trials) == len(expected)


def test_two_sessions_make_a_rectangle() -> None:
    rows = [of(s, session_id=p) for s in "ab" for p in "BD"] + [of("c", session_id="B")]
    trials = made(rows, enrol_session="B", test_session="D")
    assert pairs(trials) == {
        ("r0", "r1", 1), ("r0", "r3", 0), ("r2", "r1", 0), ("r2", "r3", 1), ("r4", "r1", 0),
        ("r4", "r3", 0),
    }  # fmt: skip
    assert set(trials["condition"]) == {"across_sessions"}
    with pytest.raises(ValueError, match=r"no side is of session 'X' .*sessions are B, D"):
        made(rows, enrol_session="X", test_session="D")


def test_sides_of_several_recordings_are_compared_as_one() -> None:
    rows = [of(s, session_id=p) for s in "ab" for p in "BBDD"]
    sides, manifest, subsets = world(rows)
    sides["side_id"] = manifest["subject_id"] + "_" + manifest["session_id"]
    trials = make_trials(sides, manifest, subsets, no_trials(), SplitParams())
    assert len(trials) == 6
    assert ("a_B", "a_D", 1) in pairs(trials)
    sides["side_id"] = manifest["subject_id"]
    with pytest.raises(ValueError, match=r"side a mixes several values of session_id \(B, D\)"):
        make_trials(sides, manifest, subsets, no_trials(), SplitParams())


@pytest.mark.parametrize(
    ("first", "second", "condition"),
    [
        ({"session_id": "x"}, {"session_id": "x"}, "same_session"),
        ({"session_id": "x", "recorded_at": 0}, {"session_id": "y", "recorded_at": 1},
         "across_sessions"),
        ({"recorded_at": 0.0}, {"recorded_at": 3599.0}, "same_session"),
        ({"recorded_at": 3600.0}, {"recorded_at": 0.0}, "across_sessions"),
        ({"recorded_at": 0.0}, {}, "unknown"),
        ({"session_id": "x", "recorded_at": 0.0}, {"recorded_at": 5.0}, "same_session"),
        ({}, {}, "unknown"),
        ({"session_id": "x"}, {}, "unknown"),
    ],
)  # fmt: skip
def test_condition(first: dict[str, object], second: dict[str, object], condition: str) -> None:
    trials = made([of("a", **first), of("a", **second), of("b", **first)])
    target = trials[trials["target"] == 1]
    assert target["condition"].tolist() == [condition]
    assert (trials["condition"][trials["target"] == 0] == "across_sessions").all()


def test_the_gap_between_sessions_is_a_parameter() -> None:
    rows = [of("a", recorded_at=0.0), of("a", recorded_at=50.0), of("b")]
    assert made(rows, session_gap_s=50.0)["condition"].tolist()[0] == "across_sessions"
    assert made(rows, session_gap_s=50.1)["condition"].tolist()[0] == "same_session"


def test_recordings_of_nobody_make_no_pair() -> None:
    trials = made([of("a"), of("a"), of("b"), of(None), of(None)])
    assert set(trials["enrol_id"]) | set(trials["test_id"]) == {"r0", "r1", "r2"}


def test_listed_trials_are_taken_as_they_are() -> None:
    rows = [of("a"), of("a"), of("b"), of(None, subset="test"), of(None, subset="test")]
    listed = listing(
        [("x", "r1", "r0", 1, "dev"), ("y", "r2", "r0", 0, "dev"), ("z", "r3", "r4", None, "test")]
    )
    trials = made(rows, listed)
    assert trials["trial_id"].tolist() == ["x", "y", "z"]
    assert trials["enrol_id"].tolist() == ["r1", "r2", "r3"]
    assert trials["target"].isna().tolist() == [False, False, True]
    assert trials["subset"].tolist() == ["dev", "dev", "test"]


def test_a_subset_without_listed_trials_gets_all_pairs() -> None:
    rows = [of("a"), of("a"), of("b"), *(of(s, subset="test") for s in "ccd")]
    listed = listing([("x", "r0", "r1", 1, "dev"), ("y", "r0", "r2", 0, "dev")])
    trials = made(rows, listed)
    assert trials["subset"].value_counts().to_dict() == {"dev": 2, "test": 3}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("x", "r0", "r9", 1, "dev"), r"name 1 sides that are not there: r9; sides are called"),
        (("x", "r0", "r3", 0, "dev"), r"1 of the dev trials .* outside dev, first x: mark their"),
        (("y", "r0", "r1", 1, "dev"), r"trial_id must be unique, y repeat"),
    ],
)
def test_listed_trials_that_cannot_be_are_named(
    row: tuple[str, str, str, int, str], said: str
) -> None:
    rows = [of("a"), of("a"), of("b"), of("c", subset="test")]
    with pytest.raises(ValueError, match=said):
        made(rows, listing([("y", "r0", "r2", 0, "dev"), row]))


def test_a_list_that_contradicts_the_subjects_is_believed_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listed = listing([("x", "r0", "r3", 0, "dev"), ("y", "r0", "r2", 1, "dev")])
    with caplog.at_level(logging.WARNING):
        trials = made([of("a"), of("a"), of("b"), of("c")], listed)
    assert trials["target"].tolist() == [0, 1]
    said = "1 of 2 listed trials contradict the subjects of their sides (y): the list is believed"
    assert said in caplog.text


def test_a_non_target_within_one_subject_is_refused_before_anything_trains() -> None:
    rows = [of("a"), of("a"), of("b"), of(None), of(None)]
    good = ("y", "r0", "r1", 1, "dev")
    wrong = [("z", "r0", "r2", 0, "dev"), ("w", "r3", "r4", 0, "dev"), ("x", "r1", "r0", 0, "dev")]
    said = (
        r"1 of 3 listed trials are labelled non-target .* one subject, first x \(r1 and r0\): "
        r"correct the label"
    )
    with pytest.raises(ValueError, match=said):
        made(rows, listing(wrong))
    # nobody is known to be on both sides; a side against itself is left out anyway
    itself = ("v", "r0", "r0", 0, "dev")
    assert made(rows, listing([good, *wrong[:2], itself]))["trial_id"].tolist() == ["y", "z", "w"]


@pytest.mark.parametrize(
    ("rows", "params", "said"),
    [
        ([of("a"), of("b")], {}, r"^dev has no target pair among its 1 trials .*split.dev_share"),
        ([of("a"), of("a")], {}, r"^dev has no non-target pair"),
        ([of("a", subset="train")], {}, r"^dev has no target and no non-target pair among its 0"),
        (
            [of("a", domain="x"), of("a", domain="y"), of("b", domain="x")],
            {"within_domain": True},
            r"^dev has no target pair .*within_domain",
        ),
        (
            [of("a", group_id="g"), of("a", group_id="g"), of("b", group_id="g")],
            {},
            r"^dev has no non-target pair",
        ),
    ],
)
def test_a_dev_that_cannot_choose_a_threshold_is_refused(
    rows: list[dict[str, object]], params: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        made(rows, **params)


@pytest.mark.parametrize(("free", "left"), [(0, 0), (1, 1), (3, 3)])
def test_a_list_that_leaves_nobody_for_dev_says_so(free: int, left: int) -> None:
    rows = [of(f"s{i // 2}", subset_hint="test", subset="test") for i in range(12)]
    rows += [of(f"free{i}", subset="train", subset_hint=None) for i in range(free)]
    listed = listing([("x", "r0", "r1", 1, "test"), ("y", "r0", "r2", 0, "test")])
    said = rf"^dev has no target and .* takes 6 of {6 + free} subjects for test.* leaves {left} for"
    with pytest.raises(ValueError, match=said + r".*column split of the table\)$"):
        made(rows, listed)


def test_a_dev_that_more_of_it_would_mend_is_not_blamed_on_the_list() -> None:
    rows = [of(f"s{i}", subset_hint="test", subset="test") for i in range(6)]
    rows += [of(f"free{i}", subset="train", subset_hint=None) for i in range(4)]
    with pytest.raises(ValueError, match=r"no threshold can be chosen: raise split.dev_share"):
        made(rows)
    with pytest.raises(ValueError, match=r"there are 4 subjects, and at least 6 are needed, two "):
        made(rows[6:])


def test_a_test_without_targets_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    rows = [of("a"), of("a"), of("b"), of("c", subset="test"), of("d", subset="test")]
    with caplog.at_level(logging.WARNING):
        made(rows)
    assert "test has no target pair among its 1 trials" in caplog.text


def test_max_trials_keeps_every_target() -> None:
    rows = [of(f"s{i // 2}") for i in range(40)]
    trials = made(rows, max_trials=100)
    assert len(trials) == 100
    assert (trials["target"] == 1).sum() == 20
    everything = made(rows)
    assert set(trials["trial_id"]) < set(everything["trial_id"])
    assert made(rows, max_trials=100).equals(trials)
    assert not made(rows, max_trials=100, seed=1).equals(trials)
    assert len(made(rows, max_trials=10_000)) == len(everything) == 780
    with pytest.raises(ValueError, match=r"max_trials = 20 .* the 20 target pairs of dev.* 21$"):
        made(rows, max_trials=20)


def test_half_a_million_pairs_take_a_moment() -> None:
    rows = [of(f"s{i // 10}", recorded_at=float(i)) for i in range(1000)]
    sides, manifest, subsets = world(rows)
    start = time.perf_counter()
    trials = make_trials(sides, manifest, subsets, no_trials(), SplitParams())
    assert len(trials) == 499_500
    assert time.perf_counter() - start < 10  # a loop over pairs takes far longer


@pytest.mark.data
def test_real_cries_have_the_known_pairs(data_dir: Path) -> None:
    found = list_recordings(Corpus(data_dir / "infant_cries", "donateacry", "cries"))
    manifest = found.recordings
    subsets = pd.DataFrame({"recording_id": manifest["recording_id"], "subset": "dev", "fold": 0})
    trials = make_trials(
        found.sides, manifest, subsets, no_trials(), SplitParams(within_domain=True)
    )
    target = trials[trials["target"] == 1]
    assert len(target) == 652
    assert (target["condition"] == "across_sessions").sum() == 295
    keys = manifest.set_index("recording_id")
    enrol, test = keys.loc[trials["enrol_id"]], keys.loc[trials["test_id"]]
    assert (enrol["domain"].to_numpy() == test["domain"].to_numpy()).all()
    same_group = enrol["group_id"].to_numpy() == test["group_id"].to_numpy()
    assert (trials["target"][same_group] == 1).all()
    same = enrol["subject_id"].to_numpy() == test["subject_id"].to_numpy()
    assert (trials["target"].to_numpy() == same).all()
