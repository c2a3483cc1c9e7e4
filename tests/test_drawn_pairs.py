"""Trials drawn without a list of all pairs are those that the list would have given."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bodysounds.params import SplitParams
from bodysounds.splitting.drawn_pairs import drawn_pairs
from bodysounds.splitting.pairs import Pairs, all_pairs, keep_targets
from bodysounds.splitting.side_keys import SideKeys

SESSIONS = (None, ("B", "D"), ("B", "B"))


def made_keys(n: int, seed: int) -> SideKeys:
    """Sides of some subjects, two of them of one group, and of unknown subjects and domains."""
    rng = np.random.default_rng(seed)
    subject = rng.integers(-1, max(1, n // 4), n)
    blank = np.full(n, -1)
    return SideKeys(
        ids=np.array([f"side{k:04d}" for k in range(n)], dtype=object),
        subject=subject,
        group=np.where(rng.random(n) < 0.1, 0, subject // 2),  # subjects of several groups too
        session=rng.integers(0, 2, n),
        session_names=["B", "D"],
        domain=rng.integers(-1, 3, n),
        sex=blank,
        age=blank,
        subset=np.where(rng.random(n) < 0.7, "test", "dev").astype(object),
        recorded_at=np.full(n, np.nan),
    )


def from_the_list(keys: SideKeys, params: SplitParams, max_trials: int) -> Pairs:
    pairs = all_pairs(keys, "test", params)
    target = keys.subject[pairs.enrol] == keys.subject[pairs.test]
    kept = keep_targets(target, max_trials, params.seed, "test")
    return Pairs(pairs.enrol[kept], pairs.test[kept])


@pytest.mark.parametrize("within_domain", [False, True])
@pytest.mark.parametrize("sessions", SESSIONS)
def test_same_pairs_in_the_same_order(sessions, within_domain):
    seen = set()
    for n, seed in itertools.product((0, 1, 2, 9, 40, 90), range(6)):
        keys = made_keys(n, seed)
        params = SplitParams(
            seed=seed,
            within_domain=within_domain,
            enrol_session=sessions and sessions[0],
            test_session=sessions and sessions[1],
        )
        everything = all_pairs(keys, "test", params)
        n_targets = int((keys.subject[everything.enrol] == keys.subject[everything.test]).sum())
        n_all = len(everything.enrol)
        for most in {max(1, n_all), n_targets + 1, (n_targets + n_all) // 2}:
            if n_targets < most:
                found = drawn_pairs(keys, "test", params, most)
                wanted = from_the_list(keys, params, most)
                assert np.array_equal(found.enrol, wanted.enrol)
                assert np.array_equal(found.test, wanted.test)
                seen.add(n_all > most)
    assert seen == {True, False}


def test_no_room_is_refused_alike():
    keys, params = made_keys(60, 0), SplitParams()
    for draw in (from_the_list, lambda *given: drawn_pairs(given[0], "test", *given[1:])):
        with pytest.raises(ValueError, match="max_trials = 2 leaves no room beside the"):
            draw(keys, params, 2)


def test_twenty_thousand_sides_in_little_memory():
    """All 200 million pairs of them would take 3 GB."""
    import tracemalloc

    n = 20_000
    number = np.arange(n)
    blank = np.full(n, -1)
    keys = SideKeys(
        ids=number.astype(object), subject=number // 14, group=number // 14, session=blank,
        session_names=[], domain=blank, sex=blank, age=blank,
        subset=np.full(n, "test", dtype=object), recorded_at=np.full(n, np.nan),
    )  # fmt: skip
    tracemalloc.start()
    pairs = drawn_pairs(keys, "test", SplitParams(), 200_000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pairs.enrol) == 200_000
    assert len(np.unique(pairs.enrol * n + pairs.test)) == 200_000
    assert (pairs.enrol < pairs.test).all()
    assert most < 100e6
