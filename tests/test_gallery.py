"""Searches of galleries, against every gallery written out."""

from __future__ import annotations

import logging
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from reporting_tables import made_tables

from bodysounds.reporting.gallery import chance_of_none, gallery_curve, gallery_sizes

POINT = {"threshold": 0.2, "system": "ours", "score": "cosine"}
HEAD = {"headline": {"subset": "test", "condition": "all"}}


def curve_of(tables, point=POINT, head=HEAD, **options):
    names = ("scores", "trials", "sides", "manifest")
    return gallery_curve(*(tables[name] for name in names), head, point, **options)


def world(score, people, *, enrolled=None, probing=None, drop=()):
    """Tables in which every enrol side meets every test side; sides are (person, k)."""
    enrolled = enrolled or [(p, 0) for p in people]
    probing = probing or [(p, 9) for p in people]
    rows = [
        (f"{a}{i}~{b}{j}", f"{a}{i}", f"{b}{j}", int(a == b), score((a, i), (b, j)))
        for (a, i), (b, j) in product(enrolled, probing)
        if (a, i) != (b, j) and ((a, i), (b, j)) not in drop
    ]
    trials = pd.DataFrame(rows, columns=["trial_id", "enrol_id", "test_id", "target", "cosine"])
    sides = [f"{a}{i}" for a, i in dict.fromkeys([*enrolled, *probing])]
    return {
        "scores": trials[["trial_id", "cosine"]].assign(system="ours", normalised=np.nan),
        "trials": trials.drop(columns="cosine")
        .assign(subset="test", condition="across_sessions")
        .astype({"target": "Int64"}),
        "sides": pd.DataFrame({"side_id": sides, "recording_id": sides, "order": 0}),
        "manifest": pd.DataFrame({"recording_id": sides, "subject_id": [s[0] for s in sides]}),
    }


def drawn(seed=0):
    """Scores that differ by pair, however often they are asked for."""
    rng, known = np.random.default_rng(seed), {}

    def score(a, b):
        if (a, b) not in known:
            known[a, b] = round(float(rng.normal(0.5 if a[0] == b[0] else 0.0, 0.3)), 2)
        return known[a, b]

    return score


def slow(tables, size, threshold=0.2):
    """Means over probes and over every gallery of `size` people."""
    pairs = tables["trials"].merge(tables["scores"], on="trial_id")
    best = {}
    for row in pairs.itertuples():
        key = row.test_id, row.enrol_id[0]
        best[key] = max(best.get(key, -9.0), row.cosine)
    people = sorted({person for _, person in best})
    fpir, rank1, fnir = [], [], []
    for probe in sorted({probe for probe, _ in best}):
        others = [p for p in people if p != probe[0] and (probe, p) in best]
        found = [
            any(best[probe, p] >= threshold for p in chosen)
            for chosen in combinations(others, size)
        ]
        fpir.append(np.mean(found))
        if (probe, probe[0]) not in best:
            continue
        own = best[probe, probe[0]]
        first = [
            all(best[probe, p] < own for p in chosen) for chosen in combinations(others, size - 1)
        ]
        rank1.append(np.mean(first))
        fnir.append(1 - np.mean([won and own >= threshold for won in first]))
    return np.mean(fpir), np.mean(rank1), np.mean(fnir)


def agrees(table, tables):
    for row in table.itertuples():
        expected = slow(tables, int(row.gallery_size))
        assert (row.fpir, row.rank1, row.fnir) == pytest.approx(expected, abs=1e-9)


def test_every_gallery_written_out_gives_the_same():
    tables = world(drawn(), "abcdefgh")
    table = curve_of(tables)
    assert table["gallery_size"].tolist() == [1, 2, 5, 6]
    assert table[["n_probes", "n_mated", "n_subjects"]].to_numpy().tolist() == [[8, 8, 8]] * 4
    agrees(table, tables)
    assert (table["rank1"].iloc[0], table["rank1_low"].iloc[0]) == (1, 1)
    assert table["fpir"].is_monotonic_increasing
    assert table["fnir"].is_monotonic_increasing


def test_a_person_of_several_sides_counts_once_by_the_best():
    sides = [(p, k) for p in "abcdef" for k in range(3)]
    tables = world(drawn(1), "abcdef", enrolled=sides)
    table = curve_of(tables)
    assert table["gallery_size"].max() == 4  # five others, and one to leave out
    agrees(table, tables)


def test_strangers_and_several_probes_of_a_person():
    probing = [(p, k) for p in "abcdexy" for k in (8, 9)]
    tables = world(drawn(2), "abcde", enrolled=[(p, 0) for p in "abcde"], probing=probing)
    table = curve_of(tables)
    assert table[["n_probes", "n_mated", "n_subjects"]].iloc[0].tolist() == [14, 10, 7]
    agrees(table, tables)


def test_where_sides_enrol_and_test_every_side_is_a_probe():
    sides = [(p, k) for p in "abcdef" for k in range(2)]
    score = drawn(3)

    def either_way(a, b):
        return score(*sorted((a, b)))

    both = world(either_way, "", enrolled=sides, probing=sides)
    once = set(both["trials"]["trial_id"][both["trials"]["enrol_id"] < both["trials"]["test_id"]])
    half = both | {
        name: both[name][both[name]["trial_id"].isin(once)] for name in ("trials", "scores")
    }
    assert len(once) == 66
    table = curve_of(half)
    assert table["n_probes"].iloc[0] == 12
    agrees(table, both)


def test_one_person_searched_is_one_trial():
    tables = made_tables(90)
    table = curve_of(tables)
    ours = tables["scores"][tables["scores"]["system"] == "ours"]
    pairs = tables["trials"].merge(ours, on="trial_id")
    pairs = pairs[pairs["subset"] == "test"]
    accepted = pairs["cosine"] >= 0.2
    assert table["fpir"].iloc[0] == pytest.approx(accepted[pairs["target"] == 0].mean())
    assert table["fnir"].iloc[0] == pytest.approx(1 - accepted[pairs["target"] == 1].mean())
    assert table["gallery_size"].tolist() == [1, 2, 5, 10, 20, 28]
    for name in ("fpir", "rank1", "fnir"):
        assert table[f"{name}_low"].between(0, table[name] + 1e-12).all()
        assert table[f"{name}_high"].between(table[name] - 1e-12, 1).all()


def test_the_interval_leaves_each_subject_out_in_turn():
    from scipy.stats import norm

    tables = world(drawn(4), "abcdefgh")
    table = curve_of(tables, level=0.9).set_index("gallery_size")
    for size in (2, 5):
        means = []
        for person in "abcdefgh":
            trials = tables["trials"]
            kept = ~trials["enrol_id"].str.startswith(person)
            kept &= ~trials["test_id"].str.startswith(person)
            means.append(slow(tables | {"trials": trials[kept]}, size))
        error = np.sqrt(7 / 8 * ((means - np.mean(means, axis=0)) ** 2).sum(axis=0))
        for value, name in zip(error, ("fpir", "rank1", "fnir"), strict=True):
            row = table.loc[size]
            ends = row[name] + norm.ppf([0.05, 0.95]) * value
            assert row[[f"{name}_low", f"{name}_high"]].tolist() == pytest.approx(
                np.clip(ends, 0, 1).tolist(), abs=1e-9
            )


def test_the_interval_covers_where_people_differ():
    rng = np.random.default_rng(0)
    size, runs, people = 10, 150, 40

    def accepted(n, m):
        # some are mistaken for others more often, and some are more often mistaken for them
        score = rng.normal(0, 0.5, (n, 1)) + rng.normal(0, 0.5, (1, m)) + rng.normal(size=(n, m))
        return score

    truth = np.mean([(accepted(200, size) >= 2.0).any(axis=1).mean() for _ in range(1000)])
    names = [f"{k:02d}" for k in range(people)]
    sides = pd.DataFrame({"recording_id": [n + s for n in names for s in "ed"]})
    manifest = sides.assign(subject_id=sides["recording_id"].str[:2])
    sides = sides.assign(side_id=sides["recording_id"], order=0)
    trials = pd.DataFrame(
        [(f"{a}~{b}", f"{a}e", f"{b}d", int(a == b)) for b, a in product(names, repeat=2)],
        columns=["trial_id", "enrol_id", "test_id", "target"],
    ).assign(subset="test", condition="across_sessions")
    trials = trials.astype({"target": "Int64"})
    covered = 0
    for _ in range(runs):
        scores = trials[["trial_id"]].assign(
            system="ours", normalised=np.nan, cosine=accepted(people, people).ravel()
        )
        tables = {"scores": scores, "trials": trials, "sides": sides, "manifest": manifest}
        table = curve_of(tables, POINT | {"threshold": 2.0}).set_index("gallery_size")
        low, high = table.loc[size, ["fpir_low", "fpir_high"]]
        covered += low <= truth <= high
    assert 0.90 <= covered / runs <= 0.995


def test_domains_that_never_meet_are_galleries_of_their_own():
    score = drawn(5)
    first = world(score, "abcdef")
    second = world(score, "uvwxyz")
    tables = {n: pd.concat([first[n], second[n]], ignore_index=True) for n in first}
    table = curve_of(tables)
    assert table["gallery_size"].max() == 4
    assert table["n_probes"].iloc[0] == 12
    ends = [slow(part, 2) for part in (first, second)]
    assert table.set_index("gallery_size").loc[2, ["fpir", "rank1", "fnir"]].tolist() == (
        pytest.approx(np.mean(ends, axis=0))
    )


def test_a_list_of_chosen_trials_gives_no_curve_and_says_why(caplog):
    tables = made_tables(90)
    trials = tables["trials"]
    kept = (trials["target"] == 1) | (np.random.default_rng(0).random(len(trials)) < 0.5)
    with caplog.at_level(logging.INFO):
        table = curve_of(tables | {"trials": trials[kept]})
    assert table.empty
    assert "gallery_size" in table.columns
    assert "0 of 30 probes are scored against nearly all enrolled people" in caplog.text


def test_two_people_are_too_few_to_search_and_that_is_said(caplog):
    with caplog.at_level(logging.INFO):
        assert curve_of(world(drawn(), "ab")).empty
    assert "2 of 2 probes could meet fewer than 2 people other than their own" in caplog.text
    assert "all pairs" not in caplog.text
    assert not curve_of(world(drawn(), "abc")).empty


def test_a_few_missing_pairs_are_no_obstacle():
    people = "abcdefghijklmnopqrstuvwxyz"
    tables = world(drawn(6), people, drop={(("a", 0), ("b", 9)), (("c", 0), ("b", 9))})
    assert curve_of(tables)["gallery_size"].max() == 22  # b has 23 others


def test_row_order_changes_nothing():
    tables = world(drawn(7), "abcdefgh")
    mixed = {name: table.sample(frac=1, random_state=2) for name, table in tables.items()}
    pd.testing.assert_frame_equal(curve_of(mixed), curve_of(tables), atol=1e-12)


def test_chances_are_those_of_the_hypergeometric_distribution():
    from scipy.stats import hypergeom

    total, marked, sizes = np.array([5_000, 40, 7]), np.array([3, 39, 0]), np.array([1, 2, 7])
    expected = hypergeom.pmf(0, total[:, None], marked[:, None], sizes[None, :])
    np.testing.assert_allclose(chance_of_none(total, marked, sizes), expected, rtol=1e-9)
    assert (chance_of_none(np.array([7]), np.array([7]), np.array([1, 7])) == 0).all()
    assert (chance_of_none(total, marked, np.array([0])) == 1).all()


@pytest.mark.parametrize(
    ("largest", "sizes"),
    [(1, [1]), (2, [1, 2]), (5, [1, 2, 5]), (7, [1, 2, 5, 7]),
     (159, [1, 2, 5, 10, 20, 50, 100, 159])],
)  # fmt: skip
def test_sizes_go_up_to_what_the_corpus_holds(largest, sizes):
    assert gallery_sizes(largest).tolist() == sizes
