"""Score normalisation and centring, against a loop over trials."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from bodysounds.scoring import as_norm, centre, cohort_means, cosine_scores, s_norm, t_norm, z_norm
from bodysounds.scoring import normalise as module


def unit(values: Any) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def slow(
    scores: np.ndarray, pairs: np.ndarray, enrol: Any, test: Any, cohort: Any, top_k: int
) -> np.ndarray:
    """Each trial's two halves, one trial after the other, in float64."""
    found = []
    for score, (a, b) in zip(scores, pairs, strict=True):
        halves = []
        for side in (enrol[a], test[b]):
            cosines = sorted((float(unit(side) @ unit(c)) for c in cohort), reverse=True)[:top_k]
            halves.append((score - np.mean(cosines)) / np.std(cosines))
        found.append(halves)
    return np.array(found).T


@pytest.fixture
def case() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    enrol, test = rng.normal(size=(12, 6)), rng.normal(size=(9, 6)).astype(np.float32)
    pairs = np.stack([rng.integers(12, size=40), rng.integers(9, size=40)], 1)
    cohort = 3 * rng.normal(size=(30, 6)) + 1
    return cosine_scores(enrol, test, pairs), pairs, enrol, test, cohort


@pytest.mark.parametrize("top_k", [2, 7, 30, 500])
@pytest.mark.parametrize("block", [1, 1 << 22])
def test_as_norm_equals_the_slow_loop(
    case: tuple[np.ndarray, ...], top_k: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    found = as_norm(*case, top_k=top_k)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, slow(*case, top_k=top_k).mean(0), rtol=1e-4, atol=1e-4)


def test_s_z_and_t_norm_equal_the_slow_loop(case: tuple[np.ndarray, ...]) -> None:
    first, second = slow(*case, top_k=30)
    np.testing.assert_allclose(s_norm(*case), (first + second) / 2, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(z_norm(*case), first, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(t_norm(*case), second, rtol=1e-5, atol=1e-5)


def test_one_table_for_both_sides_is_the_same(case: tuple[np.ndarray, ...]) -> None:
    _, _, enrol, _, cohort = case
    pairs = np.array([[0, 1], [5, 3], [3, 5]])
    scores = cosine_scores(enrol, enrol, pairs)
    once = as_norm(scores, pairs, enrol, enrol, cohort, top_k=5)
    np.testing.assert_allclose(once, as_norm(scores, pairs, enrol, enrol.copy(), cohort, 5))
    np.testing.assert_allclose(
        once, slow(scores, pairs, enrol, enrol, cohort, 5).mean(0), rtol=1e-4
    )
    assert once[1] == once[2]  # either side may enrol


def test_rows_may_come_in_any_order(case: tuple[np.ndarray, ...]) -> None:
    scores, pairs, enrol, test, cohort = case
    order = np.random.default_rng(1).permutation(len(pairs))
    once = as_norm(*case, top_k=7)
    again = as_norm(scores[order], pairs[order], enrol, test, cohort[::-1], top_k=7)
    np.testing.assert_allclose(again, once[order], rtol=1e-5)


def test_each_side_is_set_against_the_cohort_once(
    case: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, pairs, enrol, test, cohort = case
    rows, nearest = [], module._nearest

    def spy(parts: Any, *rest: Any) -> Any:
        kept = list(parts)
        rows.append(sum(len(part) for part in kept))
        return nearest(kept, *rest)

    monkeypatch.setattr(module, "_nearest", spy)
    many = np.repeat(pairs[pairs[:, 0] < 4], 50, axis=0)
    as_norm(np.resize(scores, len(many)), many, enrol, test, cohort, top_k=7)
    assert rows == [len(np.unique(many[:, 0])), len(np.unique(many[:, 1]))]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 1 << 22)
    rng = np.random.default_rng(0)
    n, dim = 8_000, 16
    sides, cohort = (rng.normal(size=(k, dim)).astype(np.float32) for k in (n, 3_000))
    pairs = rng.integers(n, size=(20_000, 2))
    tracemalloc.start()
    as_norm(np.zeros(20_000), pairs, sides, sides, cohort, top_k=300)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 4 * n * 3_000 > 95e6  # the cohort matrix
    assert peak < 6 * pairs.nbytes + 8 * sides.nbytes + 4 * module.BLOCK_BYTES < 50e6


def test_a_side_without_audio_adds_nothing(case: tuple[np.ndarray, ...]) -> None:
    _, pairs, enrol, test, cohort = case
    enrol = enrol.copy()
    enrol[pairs[0, 0]] = 0
    cohort = np.vstack([cohort, np.zeros((3, 6))])  # nor does a member
    scores = cosine_scores(enrol, test, pairs)
    assert scores[0] == 0
    found = as_norm(scores, pairs, enrol, test, cohort, top_k=7)
    heard = s_norm(scores, pairs, enrol, test, cohort)
    np.testing.assert_allclose(heard, s_norm(scores, pairs, enrol, test, cohort[:30]))
    other = np.flatnonzero(pairs[:, 0] != pairs[0, 0])
    expected = slow(scores[other], pairs[other], enrol, test, cohort[:30], 7).mean(0)
    np.testing.assert_allclose(found[other], expected, rtol=1e-4)
    twin = unit(test[pairs[0, 1]]) @ unit(cohort[:30]).T
    top = np.sort(twin)[-7:]
    np.testing.assert_allclose(found[0], (0 - top.mean()) / top.std() / 2, rtol=1e-4)


def test_normalisation_refuses(case: tuple[np.ndarray, ...]) -> None:
    scores, pairs, enrol, test, cohort = case
    with pytest.raises(ValueError, match="top_k must be at least 2"):
        as_norm(*case, top_k=1)
    for norm in (as_norm, s_norm):
        with pytest.raises(ValueError, match="cohort has 1 member"):
            norm(scores, pairs, enrol, test, cohort[:1])
        with pytest.raises(ValueError, match=r"cohort cosines of row .* of enrol are all equal"):
            norm(scores, pairs, enrol, test, cohort[[3] * 9])
        with pytest.raises(ValueError, match="cohort must be finite, but row 2 has inf"):
            norm(scores, pairs, enrol, test, np.where(np.arange(30)[:, None] == 2, np.inf, cohort))
        with pytest.raises(ValueError, match=r"scores\[3\] is nan"):
            norm(np.where(np.arange(40) == 3, np.nan, scores), pairs, enrol, test, cohort)
        with pytest.raises(ValueError, match=r"40 pairs need as many scores, got shape \(39,\)"):
            norm(scores[1:], pairs, enrol, test, cohort)
        with pytest.raises(ValueError, match="lies outside the 12 x 9"):
            norm(scores, pairs + 5, enrol, test, cohort)
        with pytest.raises(ValueError, match="cohort must have the dimension of the embeddings, 6"):
            norm(scores, pairs, enrol, test, cohort[:, :5])
        assert norm([], [], enrol, test, cohort).shape == (0,)


def test_centring_takes_the_mean_of_others_away() -> None:
    rng = np.random.default_rng(0)
    train, sides = rng.normal(size=(50, 5)) + 2, rng.normal(size=(8, 5)) + 2
    found = centre(sides, train)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, unit(unit(sides) - unit(train).mean(0)), atol=1e-5)
    own = centre(train, train)
    assert np.linalg.norm(own.mean(0)) < 0.2 < np.linalg.norm(unit(train).mean(0))
    sides[3] = 0
    assert not centre(sides, train)[3].any()
    assert not centre(sides[:1], sides[:1]).any()  # equal to the mean: rounding is no direction
    with pytest.raises(ValueError, match="mean_of is empty"):
        centre(sides, train[:0])
    with pytest.raises(ValueError, match="dimension of the embeddings, 5, got 4"):
        centre(sides, train[:, :4])


def test_a_cohort_has_one_voice_a_subject() -> None:
    rng = np.random.default_rng(0)
    rows = 4 * rng.normal(size=(8, 5))
    subjects = np.array(["b", None, "a", "b", "c", float("nan"), "a", "b"], dtype=object)
    found = cohort_means(rows, subjects)
    units = unit(rows)
    expected = [units[[2, 6]].mean(0), units[[0, 3, 7]].mean(0), units[4], units[1], units[5]]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, unit(expected), atol=1e-6)
    known = np.flatnonzero([isinstance(s, str) for s in subjects])
    order = rng.permutation(known)
    np.testing.assert_allclose(cohort_means(rows[order], subjects[order]), found[:3], atol=1e-6)
    assert cohort_means(rows[:0], []).shape == (0, 5)
    with pytest.raises(ValueError, match="each of 8 embeddings has one subject"):
        cohort_means(rows, subjects[1:])
