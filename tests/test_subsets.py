"""Subsets and folds: nothing that belongs together is ever told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodysounds.corpora.base import Corpus
from bodysounds.corpora.registry import list_recordings
from bodysounds.params import SplitParams
from bodysounds.splitting.checks import check_disjoint
from bodysounds.splitting.subsets import make_subsets, take_fold
from bodysounds.splitting.units import units

Rows = list[tuple[str | None, str, str, str | None]]


def manifest_of(rows: Rows) -> pd.DataFrame:
    """Rows of subject, group, sha256, subset_hint."""
    table = pd.DataFrame(rows, columns=["subject_id", "group_id", "sha256", "subset_hint"])
    table.insert(0, "recording_id", [f"r{i}" for i in range(len(rows))])
    table["path"] = table["recording_id"] + ".wav"
    return table.astype("str").replace("None", np.nan)


def sized(sizes: Sequence[int]) -> pd.DataFrame:
    """Groups of the given numbers of recordings."""
    return manifest_of(
        [(f"s{g}", f"g{g}", f"h{g}-{k}", None) for g, n in enumerate(sizes) for k in range(n)]
    )


def simple(n_groups: int, each: int = 3) -> pd.DataFrame:
    return sized([each] * n_groups)


recordings = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 14), st.booleans()), min_size=1, max_size=40
)


@settings(max_examples=50, deadline=None)
@given(recordings, st.integers(0, 1000), st.integers(2, 5), st.randoms(use_true_random=False))
def test_no_group_and_no_content_lies_in_two(rows, seed, n_folds, random) -> None:  # type: ignore[no-untyped-def]
    """Whatever the groups and copies, and the same whatever the order of the rows."""
    several: Rows = [
        (f"s{g}", f"g{g}", f"h{h}" if copied else f"h-{i}", None)
        for i, (g, h, copied) in enumerate(rows)
    ]
    manifest = manifest_of(several)
    params = SplitParams(seed=seed, n_folds=n_folds)
    subsets = make_subsets(manifest, params)
    joined = manifest.merge(subsets, on="recording_id")
    for key in ("group_id", "sha256"):
        assert (joined.groupby(key)[["subset", "fold"]].nunique() == 1).all(axis=None)
    order = list(range(len(manifest)))
    random.shuffle(order)
    again = make_subsets(manifest.iloc[order].reset_index(drop=True), params)
    expected = subsets.set_index("recording_id")
    assert again.set_index("recording_id").loc[expected.index].equals(expected)
    assert sorted(set(subsets["fold"])) == list(range(min(n_folds, units(manifest).nunique())))


def test_shares_are_of_groups_and_the_seed_matters() -> None:
    manifest = simple(50)
    subsets = make_subsets(manifest, SplitParams(dev_share=0.3, test_share=0.1))
    assert (subsets["subset"].value_counts() / 3).to_dict() == {"train": 30, "dev": 15, "test": 5}
    assert subsets["fold"].dtype == "int64"
    other = make_subsets(manifest, SplitParams(seed=1, dev_share=0.3, test_share=0.1))
    assert not other.equals(subsets)
    assert make_subsets(manifest, SplitParams(dev_share=0.3, test_share=0.1)).equals(subsets)


@pytest.mark.parametrize(
    ("n_groups", "share", "n_dev"), [(11, 0.12, 2), (11, 0.02, 2), (7, 0.12, 1), (11, 0, 0)]
)
def test_dev_has_two_groups_at_least_where_there_are_some(
    n_groups: int, share: float, n_dev: int
) -> None:
    subsets = make_subsets(simple(n_groups), SplitParams(dev_share=share, test_share=0))
    assert (subsets["subset"] == "dev").sum() == 3 * n_dev


def test_folds_hold_about_as_many_recordings_each() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.geometric(0.2, 120)
    folds = make_subsets(sized(sizes.tolist()), SplitParams(n_folds=5))["fold"].value_counts()
    assert folds.max() - folds.min() <= 1


def test_a_given_split_is_honoured_and_the_rest_is_dealt() -> None:
    rows: Rows = [("a", "a", "1", "dev"), ("a", "a", "2", None), ("b", "b", "3", "test")]
    rows += [(f"s{i}", f"s{i}", f"h{i}", None) for i in range(10)]
    subsets = make_subsets(manifest_of(rows), SplitParams(dev_share=0.2, test_share=0.1))
    assert subsets["subset"].tolist()[:3] == ["dev", "dev", "test"]
    assert subsets["subset"][3:].value_counts().to_dict() == {"train": 7, "dev": 2, "test": 1}


def test_recordings_of_nobody_train_unless_the_corpus_says_otherwise() -> None:
    rows: Rows = [(None, "r0", "x", None), (None, "r1", "y", "test")]
    rows += [(f"s{i}", f"s{i}", f"h{i}", None) for i in range(6)]
    for seed in range(20):
        params = SplitParams(seed=seed, dev_share=0.5, test_share=0.5, n_folds=3)
        subsets = make_subsets(manifest_of(rows), params)
        assert subsets["subset"].tolist()[:2] == ["train", "test"]
        assert subsets["fold"].iloc[0] == -1
        assert (subsets["fold"][1:] >= 0).all()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [("a", "g", "1", "dev"), ("b", "g", "2", "test")],
            r"puts 1 groups into more than one subset, first g: r0.wav in dev and r1.wav in test; "
            r"give all recordings of a group one subset",
        ),
        (
            [("a", "a", "same", "train"), ("b", "b", "same", "test")],
            r"1 file contents .*first same: r0.wav in train and r1.wav in test; take one",
        ),
        (
            [("a", "a", "same", None), ("a", "a", "1", "dev"), ("b", "b", "same", None),
             ("b", "b", "2", "test")],
            r"separates groups that share a file .*r1.wav in dev and r3.wav in test; take one",
        ),
    ],
)  # fmt: skip
def test_a_given_split_that_contradicts_itself_is_named(rows: Rows, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_subsets(manifest_of(rows), SplitParams(n_folds=2))


def test_copies_tie_groups_together_over_several_steps() -> None:
    rows: Rows = [("a", "a", "1", None), ("b", "b", "1", None), ("b", "b", "2", None),
                  ("c", "c", "2", None), ("d", "d", "3", None)]  # fmt: skip
    assert units(manifest_of(rows)).tolist() == ["a", "a", "a", "a", "d"]


def test_take_fold_rotates_test_and_dev() -> None:
    subsets = make_subsets(simple(20), SplitParams(n_folds=4))
    tested = []
    for fold in range(4):
        taken = take_fold(subsets, fold, 4)
        assert set(taken["fold"][taken["subset"] == "test"]) == {fold}
        assert set(taken["fold"][taken["subset"] == "dev"]) == {(fold + 1) % 4}
        assert taken["subset"].dtype == subsets["subset"].dtype
        check_disjoint(taken, simple(20))
        tested += taken["recording_id"][taken["subset"] == "test"].tolist()
    assert sorted(tested) == sorted(subsets["recording_id"])  # each once
    nobody = subsets.assign(fold=subsets["fold"].where(subsets["fold"] > 0, -1))
    nobody.loc[0, "fold"] = 0
    assert (take_fold(nobody, 3, 4)["subset"][nobody["fold"] == -1] == "train").all()


@pytest.mark.parametrize(("fold", "n_folds"), [(4, 4), (-1, 4), (0, 5), (0, 2)])
def test_a_fold_that_is_not_there_is_named(fold: int, n_folds: int) -> None:
    subsets = make_subsets(simple(20), SplitParams(n_folds=4))
    with pytest.raises(ValueError, match=rf"fold {fold} of {n_folds} cannot be taken.*0, 1, 2, 3"):
        take_fold(subsets, fold, n_folds)


@pytest.mark.parametrize("n_groups", [1, 2, 4])
def test_too_few_groups_for_the_folds_matter_only_where_folds_are_taken(n_groups: int) -> None:
    subsets = make_subsets(simple(n_groups), SplitParams(n_folds=5))
    assert subsets.groupby(subsets.index // 3)["fold"].nunique().eq(1).all()
    assert subsets["fold"].nunique() == n_groups
    said = r"fold 0 of 5 cannot be taken.*split.n_folds = 5 and at least two subjects a fold"
    with pytest.raises(ValueError, match=said):
        take_fold(subsets, 0, 5)


def test_any_overlap_is_refused_and_named() -> None:
    manifest = simple(4, 2)
    good = pd.DataFrame({"recording_id": manifest["recording_id"], "subset": "train", "fold": 0})
    check_disjoint(good, manifest)
    leak = good.copy()
    leak.loc[3, "subset"] = "test"
    with pytest.raises(ValueError, match=r"1 groups lie in more than one subset, first g1: r2.wav "
                       r"in subset train and r3.wav in subset test"):  # fmt: skip
        check_disjoint(leak, manifest)
    leak = good.copy()
    leak.loc[3, "fold"] = 1
    with pytest.raises(ValueError, match=r"groups lie in more than one fold"):
        check_disjoint(leak, manifest)
    copied = manifest.assign(sha256=["x", "h", "x", *manifest["sha256"][3:]])
    leak = good.assign(subset=["train"] * 2 + ["dev"] * 2 + ["train"] * 4)
    with pytest.raises(ValueError, match=r"1 file contents lie in more than one subset, first x"):
        check_disjoint(leak, copied)
    with pytest.raises(ValueError, match=r"1 recordings are in only one .*\(r7\)"):
        check_disjoint(good[:-1], manifest)
    with pytest.raises(ValueError, match=r"subsets list r0 more than once"):
        check_disjoint(pd.concat([good, good[:1]]), manifest)


@pytest.mark.data
def test_real_installs_stay_whole(data_dir: Path) -> None:
    root = data_dir / "infant_cries"
    manifest = list_recordings(Corpus(root, "donateacry", "cries")).recordings
    manifest = manifest.assign(sha256=manifest["path"])
    subsets = make_subsets(manifest, SplitParams())
    installs = manifest.merge(subsets, on="recording_id").groupby("group_id")
    assert (installs[["subset", "fold"]].nunique() == 1).all(axis=None)
    assert subsets["fold"].value_counts().tolist() == [85] * 5
