"""The closed-set split: the same speakers everywhere, apart by session, by clip, or as listed."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bodysounds.params.split_closed import SplitClosedParams
from bodysounds.splitting.closed_set import closed_split, list_examples, split_seed


def made(speakers: dict[str, dict[Any, int]], **columns: Any) -> pd.DataFrame:
    """A manifest of so many clips in each session of each speaker; session None is unknown."""
    rows = [
        (f"{speaker}-{session}-{take}", speaker, session)
        for speaker, sessions in speakers.items()
        for session, count in sessions.items()
        for take in range(count)
    ]
    table = pd.DataFrame(rows, columns=["recording_id", "subject_id", "session_id"])
    table["sha256"] = table["recording_id"] + "#"
    table["subset_hint"] = pd.Series(np.nan, table.index, "str")
    return table.assign(**columns)


def joined(manifest: pd.DataFrame, seed: int = 0, **given: Any) -> pd.DataFrame:
    subsets, _ = closed_split(manifest, SplitClosedParams(**given), seed)
    return subsets.merge(manifest, on="recording_id")


PLENTY = {f"s{k:02d}": {f"v{v}": 4 for v in range(5)} for k in range(12)}


def test_sessions_are_held_out_whole_and_clips_of_heard_ones_beside_them() -> None:
    table = joined(made(PLENTY))
    assert table.groupby("subject_id")["subset"].nunique().eq(3).all()
    heard = set(
        map(tuple, table.loc[table["subset"] == "train", ["subject_id", "session_id"]].values)
    )
    for row in table[table["subset"] != "train"].itertuples():
        known = (row.subject_id, row.session_id) in heard
        assert row.condition == ("same_session" if known else "across_sessions")
    dev = table[table["subset"] == "dev"]
    assert set(dev["condition"]) == {"across_sessions"}
    counts = table.groupby(["subset", "condition"]).size().to_dict()
    # of 5 sessions of 4 clips: 3 train, of whose 12 clips 2 are test
    assert counts == {
        ("train", "train"): 120,
        ("dev", "across_sessions"): 48,
        ("test", "across_sessions"): 48,
        ("test", "same_session"): 24,
    }


def test_by_utterance_leaks_the_session_and_says_so() -> None:
    manifest = made(PLENTY)
    table = joined(manifest, by="utterance")
    assert table["subset"].value_counts().to_dict() == {"train": 144, "dev": 48, "test": 48}
    assert table.groupby("subject_id")["subset"].nunique().eq(3).all()
    assert (table.loc[table["subset"] == "test", "condition"] == "same_session").mean() > 0.9


@pytest.mark.parametrize("by", ["session", "utterance"])
def test_neither_the_rows_order_nor_another_speaker_changes_a_split(by: str) -> None:
    manifest = made(PLENTY)
    shuffled = manifest.sample(frac=1, random_state=3)
    first = joined(manifest, by=by).set_index("recording_id")["subset"]
    second = joined(shuffled, by=by).set_index("recording_id")["subset"]
    few = joined(manifest, by=by, n_speakers=3).set_index("recording_id")["subset"]
    assert second.sort_index().equals(first.sort_index())
    assert set(few.index.str[:3]) == {"s00", "s01", "s02"}
    assert few.equals(first[few.index])
    assert not joined(manifest, seed=1, by=by)["subset"].equals(first.reset_index()["subset"])


@pytest.mark.parametrize("by", ["session", "utterance", "listed"])
def test_copies_of_a_file_stay_on_one_side(by: str) -> None:
    manifest = made(PLENTY)
    rng = np.random.default_rng(0)
    manifest["sha256"] = [f"{row.subject_id}{rng.integers(12)}" for row in manifest.itertuples()]
    manifest["subset_hint"] = rng.choice(["train", "train", "dev", "test"], len(manifest))
    table = joined(manifest, by=by)
    assert table["sha256"].duplicated().any()
    assert table.groupby("sha256")["subset"].nunique().eq(1).all()


def test_sessions_that_share_a_file_are_one_session() -> None:
    manifest = made({"a": {"v0": 3, "v1": 3}, "b": {"v0": 3, "v1": 3}})
    manifest.loc[manifest["recording_id"].isin(["a-v0-0", "a-v1-0"]), "sha256"] = "same"
    table = joined(manifest)
    own = table[table["subject_id"] == "a"]
    assert set(own.loc[own["subset"] != "train", "condition"]) == {"same_session"}
    assert (table["condition"] == "across_sessions").any()


def test_a_speaker_of_one_session_is_split_by_clip(caplog: pytest.LogCaptureFixture) -> None:
    table = joined(made({"a": {"v0": 5}, "b": {"v0": 2, "v1": 2, "v2": 2}, "c": {None: 5}}))
    held_out = table[table["subset"] != "train"].groupby("subject_id")["condition"].agg(set)
    assert held_out["a"] == {"same_session"}
    assert held_out["b"] == {"same_session", "across_sessions"}
    assert held_out["c"] == {"unknown"}
    assert "2 of 3 speakers have fewer than two known sessions" in caplog.text


def test_a_corpus_without_sessions_works_and_says_what_its_figures_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manifest = made({name: {None: 10} for name in "abcd"})
    subsets, facts = closed_split(manifest, SplitClosedParams(), 0)
    assert subsets["subset"].value_counts().to_dict() == {"train": 24, "dev": 8, "test": 8}
    assert facts["test_clips"] == {"across_sessions": 0, "same_session": 0, "unknown": 8}
    assert "nobody has two known sessions" in caplog.text


def test_a_train_clip_of_an_unknown_session_leaves_no_session_unheard() -> None:
    sessions = {None: 6} | {f"v{v}": 4 for v in range(5)}
    table = joined(made({"s00": sessions, "s01": {f"v{v}": 4 for v in range(5)}}))
    unsure = table[table["subject_id"] == "s00"]
    assert unsure.loc[unsure["subset"] == "train", "session_id"].isna().any()
    assert "across_sessions" not in set(unsure["condition"])
    assert "across_sessions" in set(table.loc[table["subject_id"] == "s01", "condition"])


def test_a_recording_of_nobody_known_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    manifest = made(PLENTY)
    manifest.loc[0, "subject_id"] = np.nan
    with caplog.at_level(logging.WARNING):
        subsets, _ = closed_split(manifest, SplitClosedParams(), 0)
    assert "1 recordings are left out, nobody knows their speaker: s00-v0-0" in caplog.text
    assert len(subsets) == len(manifest) - 1


def test_a_speaker_with_one_clip_is_left_out_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    manifest = made({**PLENTY, "t1": {"v": 1}, "t2": {"v": 1}, "u": {"v": 2}})
    subsets, facts = closed_split(manifest, SplitClosedParams(), 0)
    assert facts["left_out"] == {"one clip only, and train and test take one each": ["t1", "t2"]}
    (line,) = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert "2 speaker(s)" in line
    assert "t1, t2" in line
    two = subsets[subsets["recording_id"].str.startswith("u-")]
    assert sorted(two["subset"]) == ["test", "train"]


def test_a_file_under_two_speakers_is_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    manifest = made({**PLENTY, "x": {"v": 1}})
    manifest.loc[manifest["recording_id"].isin(["s00-v0-0", "x-v-0"]), "sha256"] = "same"
    subsets, facts = closed_split(manifest, SplitClosedParams(), 0)
    assert not set(subsets["recording_id"]) & {"s00-v0-0", "x-v-0"}
    assert "the same file standing under several speakers: s00-v0-0, x-v-0" in caplog.text
    assert list(facts["left_out"].values()) == [["x"]]


def test_the_listed_split_is_honoured(caplog: pytest.LogCaptureFixture) -> None:
    manifest = made({"a": {"v0": 4, "v1": 1}, "b": {"v0": 4}, "c": {"v0": 2}})
    hints = ["train", "train", "dev", None, "test", "train", "dev", "test", "test", "test", "dev"]
    manifest["subset_hint"] = pd.Series(hints, dtype="str")
    table = joined(manifest, by="listed").set_index("recording_id")
    assert table["subset"].to_dict() == {
        name: hint
        for name, hint in zip(manifest["recording_id"], hints, strict=True)
        if hint and not name.startswith("c")
    }
    assert table.loc["a-v1-0", "condition"] == "across_sessions"
    assert table.loc["b-v0-3", "condition"] == "same_session"
    assert "no train clip of theirs: c" in caplog.text
    with pytest.raises(ValueError, match="the corpus names no split"):
        joined(made(PLENTY), by="listed")


def test_too_few_speakers_are_named() -> None:
    with pytest.raises(ValueError, match="12 speakers have clips for train and test"):
        joined(made(PLENTY), n_speakers=13)
    with pytest.raises(ValueError, match="1 speakers have"):
        joined(made({"a": {"v": 5}, "b": {"v": 1}}))
    with pytest.raises(ValueError, match="0 speakers"):
        joined(made({"a": {"v": 1}}).iloc[:0])


def test_resplit_draws_a_seed_and_tells_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert split_seed(SplitClosedParams(seed=7)) == 7
    drawn = {split_seed(SplitClosedParams(resplit=True)) for _ in range(3)}
    assert len(drawn) == 3
    assert all(f"seed={seed}" in caplog.text for seed in drawn)


def test_examples_are_the_segments_of_the_subsets() -> None:
    manifest = made({"a": {"v0": 3}, "b": {"v0": 3}, "c": {"v0": 1}})
    halves = [
        (f"{name}/{k}", name, k, k + 1.0) for name in manifest["recording_id"] for k in (0, 1)
    ]
    segments = pd.DataFrame(halves, columns=["segment_id", "recording_id", "start_s", "end_s"])
    subsets, _ = closed_split(manifest, SplitClosedParams(), 0)
    examples = list_examples(segments, manifest, subsets)
    assert len(examples) == 12
    assert set(examples["label"]) == {"a", "b"}
    assert examples.groupby("recording_id")["subset"].nunique().eq(1).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"by": "video"}, "session, utterance, listed, got 'video'"),
        ({"train_size": 0.8, "val_size": 0.2}, "must stay below 1"),
        ({"n_speakers": 1}, r"n_speakers must lie in \[2"),
        ({"resplit": "yes"}, "True, False, got 'yes'"),
    ],
)
def test_parameters_that_make_no_split_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitClosedParams(**wrong)
