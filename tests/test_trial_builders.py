"""Builders of non-targets: what each promises, and that only the seed changes the draw."""

from __future__ import annotations

import itertools
import logging
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from test_trials import made, of, world

from bodysounds.corpora.base import no_trials
from bodysounds.params import SplitParams
from bodysounds.splitting import nearest
from bodysounds.splitting.nearest import hard_trials
from bodysounds.splitting.partners import Cell, draw_pairs
from bodysounds.splitting.trials import make_trials


def people(n: int = 20, each: int = 3) -> list[dict[str, object]]:
    """Recordings of n subjects, two a group, of uneven numbers, sexes, ages and domains."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(n):
        sex, age = rng.choice(["f", "m"]), str(rng.integers(0, 2))
        for _ in range(each + (i == 0) * 6):
            about = {"sex": sex, "age": age, "domain": f"d{rng.integers(0, 2)}"}
            rows.append(of(f"s{i:02d}", group_id=f"g{i // 2}", **about))
    rows[4]["sex"] = rows[9]["age"] = None
    return rows


def appearances(trials: pd.DataFrame, rows: list[dict[str, object]]) -> Counter[str]:
    others = trials[trials["target"] == 0]
    sides = pd.concat([others["enrol_id"], others["test_id"]])
    return Counter(str(rows[int(side[1:])]["subject_id"]) for side in sides)


@pytest.mark.parametrize("per_target", [1, 3])
def test_balanced_negatives_are_as_many_and_even_over_subjects(per_target: int) -> None:
    rows = people()
    trials = made(rows, negatives="balanced", negatives_per_target=per_target)
    everything = made(rows)
    targets = trials[trials["target"] == 1]
    assert targets["trial_id"].tolist() == everything.query("target == 1")["trial_id"].tolist()
    assert (trials["target"] == 0).sum() == per_target * len(targets)
    assert trials["trial_id"].is_unique
    assert set(trials["trial_id"]) < set(everything["trial_id"])
    counts = appearances(trials, rows)
    assert len(counts) == 20
    assert max(counts.values()) - min(counts.values()) <= 1
    by_chance = made(rows, max_trials=len(trials))
    uneven = appearances(by_chance, rows).values()
    assert max(uneven) - min(uneven) > 3  # what a plain draw gives


@pytest.mark.parametrize("negatives", ["balanced", "hard"])
def test_non_targets_differ_in_group(negatives: str) -> None:
    rows = people()
    trials = made(rows, negatives=negatives)
    for row in trials[trials["target"] == 0].itertuples():
        a, b = rows[int(row.enrol_id[1:])], rows[int(row.test_id[1:])]
        assert a["group_id"] != b["group_id"]


def test_hard_negatives_agree_in_what_is_known() -> None:
    rows = people()
    trials = made(rows, negatives="hard")
    others = trials[trials["target"] == 0]
    assert len(others) == (trials["target"] == 1).sum()
    for row in others.itertuples():
        a, b = rows[int(row.enrol_id[1:])], rows[int(row.test_id[1:])]
        for name in ("sex", "age", "domain"):
            assert a[name] == b[name] or None in (a[name], b[name])
    # all alike pairs are taken where more are asked for
    expected = 0
    for a, b in itertools.combinations(rows, 2):
        alike = all(a[n] == b[n] or a[n] is None or b[n] is None for n in ("sex", "age", "domain"))
        expected += alike and a["group_id"] != b["group_id"]
    most = made(rows, negatives="hard", negatives_per_target=1000)
    assert (most["target"] == 0).sum() == expected > len(others)


def test_too_few_non_targets_are_all_taken_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    rows = [of("a"), of("a"), of("b")]
    with caplog.at_level(logging.WARNING):
        trials = made(rows, negatives="balanced", negatives_per_target=9)
    assert (trials["target"] == 0).sum() == 2
    said = "dev has 2 balanced non-target pairs where split.negatives_per_target = 9 asks for 9"
    assert said in caplog.text


def test_hard_without_metadata_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sex, age and domain, and the corpus knows none of the"):
        made([of("a"), of("a"), of("b")], negatives="hard")


def test_a_side_that_mixes_ages_has_no_age() -> None:
    rows = [of("a", age="1"), of("a", age="2"), of("a", age="1"), of("b", age="3")]
    sides, manifest, subsets = world(rows)
    sides["side_id"] = ["x", "x", "y", "z"]
    params = SplitParams(negatives="hard")
    trials = make_trials(sides, manifest, subsets, no_trials(), params)
    assert trials["trial_id"].tolist() == ["x~y", "x~z"]


@pytest.mark.parametrize("negatives", ["balanced", "hard"])
def test_only_the_seed_changes_the_draw(negatives: str) -> None:
    rows = people()
    sides, manifest, subsets = world(rows)

    def trials(seed: int, shuffle: int | None = None) -> pd.DataFrame:
        tables = [sides, manifest, subsets]
        if shuffle is not None:
            tables = [
                table.sample(frac=1, random_state=shuffle + i).reset_index(drop=True)
                for i, table in enumerate(tables)
            ]
        params = SplitParams(negatives=negatives, seed=seed)
        return make_trials(*tables, no_trials(), params)

    assert trials(0).equals(trials(0))
    assert trials(0).equals(trials(0, shuffle=7))
    assert set(trials(0)["trial_id"]) != set(trials(1)["trial_id"])


def test_sessions_and_domains_still_hold() -> None:
    rows = [
        of(f"s{i}", session_id=period, domain=f"d{i % 2}", sex="f")
        for i in range(12)
        for period in "BD"
    ]
    params = {"enrol_session": "B", "test_session": "D", "within_domain": True}
    trials = made(rows, **params, negatives="balanced", negatives_per_target=2)
    everything = made(rows, **params)
    assert set(trials["trial_id"]) < set(everything["trial_id"])
    assert trials["target"].value_counts().to_dict() == {1: 12, 0: 24}
    assert set(appearances(trials, rows).values()) == {4}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"negatives": "most"}, r"split.negatives must be one of all, balanced, hard, got 'most'"),
        ({"negatives_per_target": 0}, r"split.negatives_per_target must lie in \[1, "),
    ],
)
def test_wrong_parameters_are_named(params: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SplitParams(**params)  # type: ignore[arg-type]


def test_a_draw_takes_what_is_left_of_a_lopsided_table() -> None:
    # subject 0 stands in every pair: the draw cannot be even, and must not stop or repeat
    alone = [Cell(0, 0, 0, (), [0])]
    family = [[Cell(0, 1, 0, (), list(range(k, k + 10)))] for k in (1, 11, 21)]
    drawn = draw_pairs([alone, *family], 20, seed=0)
    assert len(set(drawn)) == 20
    assert {enrol for enrol, _ in drawn} == {0}
    assert sorted(np.bincount([(test - 1) // 10 for _, test in drawn])) == [6, 7, 7]


def voices(n: int = 30, each: int = 3) -> tuple[np.ndarray, list[str | None], list[str]]:
    rng = np.random.default_rng(2)
    subjects: list[str | None] = [f"s{i // each}" for i in range(n * each)]
    groups = [f"g{i // each // 2}" for i in range(n * each)]
    subjects[5] = None
    return rng.standard_normal((n * each, 8)), subjects, groups


@pytest.mark.parametrize("block_cells", [1 << 22, 1000])
def test_hard_trials_are_the_nearest_of_other_groups(
    block_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "BLOCK_CELLS", block_cells)
    embeddings, subjects, groups = voices()
    pairs, target = hard_trials(embeddings, subjects, groups, 2, seed=0)
    couples = [tuple(sorted(pair)) for pair in zip(*pairs, strict=True)]
    assert len(set(couples)) == len(couples)
    same = {
        (i, j)
        for i, j in itertools.combinations(range(len(subjects)), 2)
        if subjects[i] is not None and subjects[i] == subjects[j]
    }
    assert {pair for pair, is_target in zip(couples, target, strict=True) if is_target} == same
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosine = unit @ unit.T
    enrols = Counter(pairs.enrol[target].tolist())
    expected = set()
    for i, k in enrols.items():
        others = [
            j for j in range(len(groups)) if groups[j] != groups[i] and subjects[j] is not None
        ]
        nearest_first = sorted(others, key=lambda j: -cosine[i, j])
        expected |= {tuple(sorted((i, j))) for j in nearest_first[: 2 * k]}
    assert set(couples) - same == expected


def test_hard_trials_follow_the_seed_and_not_the_rows() -> None:
    embeddings, subjects, groups = voices()
    order = np.random.default_rng(9).permutation(len(groups))

    def couples(seed: int, rows: np.ndarray) -> set[tuple[int, int, bool]]:
        given = [subjects[i] for i in rows], [groups[i] for i in rows]
        pairs, target = hard_trials(embeddings[rows], *given, 1, seed=seed)
        return set(zip(rows[pairs.enrol], rows[pairs.test], target.tolist(), strict=True))

    straight = np.arange(len(groups))
    assert couples(0, straight) == couples(0, order)
    assert couples(0, straight) != couples(1, straight)


def test_hard_trials_are_harder_than_others() -> None:
    embeddings, subjects, groups = voices()
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    pairs, target = hard_trials(embeddings, subjects, groups, 1, seed=0)
    cosine = (unit[pairs.enrol] * unit[pairs.test]).sum(axis=1)
    assert cosine[~target].mean() > 0.5 > cosine[target].mean()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"embeddings": np.full((4, 2), np.nan)}, r"finite and not zero, but row 0 has \[nan"),
        ({"embeddings": np.zeros((4, 2))}, r"finite and not zero, but row 0"),
        ({"embeddings": np.ones(4)}, r"shape \(n_sides, dim\), got \(4,\)"),
        ({"subjects": ["a"]}, r"one length, got 4, 1 and 4"),
        ({"subjects": list("abcd")}, r"no subject has two sides"),
        ({"n_per_target": 0}, r"n_per_target must be at least 1, got 0"),
    ],
)
def test_wrong_hard_trials_are_named(change: dict[str, object], said: str) -> None:
    given = {
        "embeddings": np.eye(4), "subjects": list("aabb"), "groups": list("aabb"),
        "n_per_target": 1, "seed": 0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=said):
        hard_trials(**{**given, **change})
