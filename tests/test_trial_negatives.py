"""Non-targets drawn without a list of all pairs: against a plain list, and against the rule."""

from __future__ import annotations

import itertools
import logging
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_drawn_pairs import SESSIONS, made_keys

from bodysounds.params import SplitParams
from bodysounds.splitting import partners
from bodysounds.splitting.builders import draw_negatives
from bodysounds.splitting.drawn_pairs import target_pairs
from bodysounds.splitting.pairs import Pairs
from bodysounds.splitting.side_keys import SideKeys

ABOUT = ("sex", "age", "domain")


def known_keys(n: int, seed: int) -> SideKeys:
    """The sides of `made_keys`, with a sex and an age where these are known."""
    rng = np.random.default_rng(seed + 100)
    return replace(made_keys(n, seed), sex=rng.integers(-1, 2, n), age=rng.integers(-1, 3, n))


def plain(keys: SideKeys, params: SplitParams) -> dict[bool, set[tuple[int, int]]]:
    """Return the target pairs and the pairs that a non-target may be, by looking at every pair."""
    found: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}
    sessions = [keys.session_names[code] for code in keys.session]
    for a, b in itertools.permutations(range(len(keys.ids)), 2):
        one, other = (
            {k: getattr(keys, k)[at] for k in ("subject", "group", *ABOUT)} for at in (a, b)
        )
        if keys.subset[a] != "test" or keys.subset[b] != "test":
            continue
        if params.enrol_session is None:
            if a > b:
                continue
        elif (sessions[a], sessions[b]) != (params.enrol_session, params.test_session):
            continue
        if min(one["subject"], other["subject"]) < 0:
            continue
        if params.within_domain and one["domain"] != other["domain"]:
            continue
        target = one["subject"] == other["subject"]
        if not target and one["group"] == other["group"]:
            continue
        differ = any(one[k] != other[k] and min(one[k], other[k]) >= 0 for k in ABOUT)
        if not target and params.negatives == "hard" and differ:
            continue
        found[target].add((a, b))
    return found


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.enrol.tolist(), pairs.test.tolist(), strict=True))


def follows_the_rule(
    drawn: list[tuple[int, int]], eligible: set[tuple[int, int]], subject: Any
) -> bool:
    """Return whether each draw took the least drawn subject and its least drawn partner."""
    left = Counter((subject[a], subject[b]) for a, b in eligible)
    for couple in list(left):
        left[couple[::-1]] += 0  # both ways
    times: Counter[int] = Counter()

    def partners(of: int) -> list[int]:
        return [b for a, b in left if a == of and left[a, b] + left[b, a] > 0]

    for pair in drawn:
        couple = (subject[pair[0]], subject[pair[1]])
        alive = {s for both in left for s in both if partners(s)}
        least = min(times[s] for s in alive)
        if not any(
            times[a] == least and times[b] == min(times[s] for s in partners(a))
            for a, b in (couple, couple[::-1])
        ):
            return False
        left[couple] -= 1
        times.update(couple)
    return True


@pytest.mark.parametrize("negatives", ["balanced", "hard"])
@pytest.mark.parametrize("within_domain", [False, True])
@pytest.mark.parametrize("sessions", SESSIONS)
def test_they_are_of_the_pairs_of_a_plain_list(
    sessions: tuple[str, str] | None,
    within_domain: bool,
    negatives: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    enrol, test = sessions or (None, None)
    about: Any = {"enrol_session": enrol, "test_session": test, "within_domain": within_domain}
    sizes = set()
    for n, seed in itertools.product((2, 9, 24, 40), range(3)):
        keys = known_keys(n, seed)
        params = SplitParams(negatives=negatives, seed=seed, **about)
        expected = plain(keys, params)
        assert listed(target_pairs(keys, "test", params)) == sorted(expected[True])
        eligible = expected[False]
        for wanted in {0, 1, len(eligible) // 4, len(eligible), len(eligible) + 1}:
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                drawn = listed(draw_negatives(keys, "test", params, wanted))
            assert ("all are taken" in caplog.text) == (wanted > len(eligible))
            assert len(set(drawn)) == len(drawn) == min(wanted, len(eligible))
            assert set(drawn) <= eligible
            if wanted < 40:
                assert follows_the_rule(drawn, eligible, keys.subject)
            sizes.add(len(drawn))
    assert max(sizes) > 10


def alike(n_subjects: int, sides: int, per_group: int) -> SideKeys:
    """Sides that only their subjects and groups tell apart."""
    subject = np.repeat(np.arange(n_subjects), sides)
    n = len(subject)
    blank = np.zeros(n, dtype=np.int64)
    return SideKeys(
        ids=np.arange(n).astype(object), subject=subject, group=subject // per_group,
        session=blank, session_names=["only"], domain=blank, sex=blank, age=blank,
        subset=np.full(n, "test", dtype=object), recorded_at=np.full(n, np.nan),
    )  # fmt: skip


@pytest.mark.parametrize("negatives", ["balanced", "hard"])
@pytest.mark.parametrize("wanted", [1, 7, 40])
def test_equal_pairs_are_drawn_equally_often(negatives: str, wanted: int) -> None:
    keys, n = alike(8, 2, 2), 500
    counts: Counter[tuple[int, int]] = Counter()
    for seed in range(n):
        params = SplitParams(negatives=negatives, seed=seed)
        counts.update(listed(draw_negatives(keys, "test", params, wanted)))
    eligible = plain(keys, SplitParams(negatives=negatives))[False]
    assert set(counts) == eligible
    expected = n * wanted / len(eligible)
    chi2 = sum((counts[pair] - expected) ** 2 / expected for pair in eligible)
    freedom = len(eligible) - 1
    assert chi2 < freedom + 4 * (2 * freedom) ** 0.5


def test_pairs_of_two_people_are_drawn_equally_often_whatever_their_sides_are() -> None:
    """Sides of known and unknown sex stand apart, and count by their number all the same."""
    keys = replace(alike(2, 5, 1), sex=np.array([0, 0, 0, 0, 1, 0, -1, -1, -1, 1]))
    counts: Counter[tuple[int, int]] = Counter()
    for seed in range(2000):
        params = SplitParams(negatives="hard", seed=seed)
        counts.update(listed(draw_negatives(keys, "test", params, 1)))
    eligible = plain(keys, SplitParams(negatives="hard"))[False]
    assert set(counts) == eligible
    expected = 2000 / len(eligible)
    assert all(abs(counts[pair] - expected) < 5 * expected**0.5 for pair in eligible)


@pytest.mark.parametrize("negatives", ["balanced", "hard"])
def test_ten_thousand_sides_in_little_memory(negatives: str) -> None:
    """All 50 million pairs of them would take 800 MB; every age is of two subjects alone."""
    keys = alike(5_000, 2, 1)
    keys = replace(keys, age=keys.subject // 2)
    tracemalloc.start()
    pairs = draw_negatives(keys, "test", SplitParams(negatives=negatives), 5_000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(listed(pairs))) == 5_000
    counts = np.bincount(keys.subject[np.concatenate(pairs)])
    assert counts.tolist() == [2] * 5_000
    assert (negatives == "hard") == (keys.age[pairs.enrol] == keys.age[pairs.test]).all()
    assert most < 60e6


def test_all_pairs_of_two_people_take_about_as_many_random_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Drawn until one is new, the last of 3,600 would take some 3,600 draws, all of them 30,000."""
    used, numbers = [0], partners._numbers

    def counted(seed: int) -> Iterator[float]:
        for number in numbers(seed):
            used[0] += 1
            yield number

    monkeypatch.setattr(partners, "_numbers", counted)
    cells = [[partners.Cell(0, of, 0, (), list(range(of * 60, of * 60 + 60)))] for of in (0, 1)]
    drawn = partners.draw_pairs(cells, 3_601, 0)
    assert set(drawn) == set(itertools.product(range(60), range(60, 120)))
    assert len(drawn) == 3_600
    assert used[0] < 5 * 3_600  # two of each draw are ties


@pytest.mark.parametrize("wanted", [5, 6, 8])
def test_the_last_pairs_of_two_people_are_drawn_equally_often(wanted: int) -> None:
    keys, last, out = alike(2, 3, 1), Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    eligible = set(itertools.product(range(3), range(3, 6)))
    cells = [[partners.Cell(0, of, 0, (), np.flatnonzero(keys.subject == of).tolist())]
             for of in (0, 1)]  # fmt: skip
    for seed in range(1_800):
        drawn = partners.draw_pairs(cells, wanted, seed)
        last[drawn[-1]] += 1
        out.update(eligible - set(drawn))
    assert all(abs(last[pair] - 200) < 5 * 200**0.5 for pair in eligible)
    expected = 200 * (9 - wanted)
    assert all(abs(out[pair] - expected) < 5 * expected**0.5 for pair in eligible)
