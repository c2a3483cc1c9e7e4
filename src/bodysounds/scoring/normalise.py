"""Score normalisation against a cohort, and centring.

A score is set against the cosines that each of its sides has with a cohort of other subjects:
(score - mean) / standard deviation, averaged over the two sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.audio.parallel import thread_count
from bodysounds.scoring.cosine import (
    BLOCK_BYTES,
    Float32s,
    check_pairs,
    rows_a_block,
    unit_rows,
    unit_sides,
)
from bodysounds.types import Array, Ints

# Rounding alone spreads equal float32 cosines by less than this.
NO_SPREAD = 1e-6

Float64s = npt.NDArray[np.float64]


def as_norm(
    scores: Any, pairs: Any, enrol: Any, test: Any, cohort: Any, top_k: int = 200
) -> Float64s:
    """Return scores normalised by the cohort's members nearest to each side (AS-norm).

    Matejka et al. 2017, "Analysis of score normalization in multilingual speaker recognition",
    AS-norm1: the mean and the standard deviation of the top_k highest cohort cosines of each side,
    found once a side.

    Parameters
    ----------
    scores : array-like of shape (n_pairs,)
        The cosines to normalise.
    pairs : array-like of int, shape (n_pairs, 2)
        Row of enrol and row of test of each score.
    enrol : array-like of shape (n_enrol, dim)
    test : array-like of shape (n_test, dim)
    cohort : array-like of shape (n_cohort, dim)
        Of subjects that are in no trial; at least 2 rows.
    top_k : int
        At least 2; more than the cohort has means all of it.

    Returns
    -------
    normalised : float64 array of shape (n_pairs,)
        Without unit. A side of length 0 (no audio) adds 0 from its half.

    Raises ValueError for NaN and infinities, other shapes, rows that are not there, a cohort of
    fewer than 2, top_k below 2, and a side of some pair whose cohort cosines are all equal.
    """
    if top_k < 2:
        raise ValueError(f"top_k must be at least 2 for a standard deviation, got {top_k}")
    return _symmetric(scores, pairs, enrol, test, cohort, top_k)


def s_norm(scores: Any, pairs: Any, enrol: Any, test: Any, cohort: Any) -> Float64s:
    """Return scores normalised by the whole cohort, from both sides (S-norm).

    Arguments, result and errors are those of `as_norm`.
    """
    return _symmetric(scores, pairs, enrol, test, cohort, None)


def z_norm(scores: Any, pairs: Any, enrol: Any, test: Any, cohort: Any) -> Float64s:
    """Return scores normalised by the whole cohort from the side of enrol; as `s_norm` else."""
    return _halves(scores, pairs, enrol, test, cohort, None)[0]


def t_norm(scores: Any, pairs: Any, enrol: Any, test: Any, cohort: Any) -> Float64s:
    """Return scores normalised by the whole cohort from the side of test; as `s_norm` else."""
    return _halves(scores, pairs, enrol, test, cohort, None)[1]


def centre(embeddings: Any, mean_of: Any) -> Float32s:
    """Return embeddings less the mean of others, at unit length.

    Parameters
    ----------
    embeddings : array-like of shape (n, dim)
    mean_of : array-like of shape (n_others, dim)
        Such as those of train; never of test. Both are set to unit length first.

    Returns
    -------
    centred : float32 array of shape (n, dim)
        A row of length 0 (no audio), or equal to the mean, is 0.

    Raises ValueError for NaN and infinities, other shapes, and no row to take the mean of.
    """
    unit, others = unit_rows(embeddings, "embeddings"), unit_rows(mean_of, "mean_of")
    _one_dimension(unit, others, "mean_of")
    if not len(others):
        raise ValueError("mean_of is empty: give the embeddings of train, or do not centre")
    centred = (unit - others.mean(axis=0, dtype=np.float64)).astype(np.float32)
    centred[~unit.any(axis=1) | (np.linalg.norm(centred, axis=1) < NO_SPREAD)] = 0.0
    return unit_rows(centred, "embeddings")


def cohort_means(embeddings: Any, subjects: Any) -> Float32s:
    """Return the mean of each subject's embeddings, at unit length.

    Parameters
    ----------
    embeddings : array-like of shape (n, dim)
        Set to unit length first.
    subjects : array-like of shape (n,)
        A name each; where it is missing, the row is a subject of its own.

    Returns
    -------
    means : float32 array of shape (n_subjects, dim)
        In the order of the names, then the rows without one.

    Raises ValueError for NaN and infinities, other shapes and unequal lengths.
    """
    unit, names = unit_rows(embeddings, "embeddings"), np.asarray(subjects, dtype=object)
    if names.shape != (len(unit),):
        raise ValueError(
            f"each of {len(unit)} embeddings has one subject, got subjects of shape {names.shape}"
        )
    codes, known = pd.factorize(names, sort=True)
    alone = codes < 0
    codes[alone] = len(known) + np.arange(np.count_nonzero(alone))
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sums = np.add.reduceat(unit[order], starts, axis=0, dtype=np.float64)
    return unit_rows(sums, "embeddings")


def _symmetric(
    scores: Any, pairs: Any, enrol: Any, test: Any, cohort: Any, top_k: int | None
) -> Float64s:
    first, second = _halves(scores, pairs, enrol, test, cohort, top_k)
    first += second
    first *= 0.5
    return first


def _halves(
    scores: Any, pairs: Any, enrol: Any, test: Any, cohort: Any, top_k: int | None
) -> tuple[Float64s, Float64s]:
    """Return the scores normalised by the side of enrol, and by the side of test."""
    left, right = unit_sides(enrol, test)
    members = unit_rows(cohort, "cohort")
    _one_dimension(left, members, "cohort")
    members = members[members.any(axis=1)]
    if len(members) < 2:
        raise ValueError(
            f"the cohort has {len(members)} member(s) that can be heard: score normalisation needs "
            "at least 2, better some hundred; add train subjects or leave it out"
        )
    rows, columns = np.ascontiguousarray(check_pairs(pairs, len(left), len(right)).T)
    score = _scores(scores, len(rows))
    if right is left:
        found = _statistics(left, [rows, columns], members, top_k, "enrol")
        return _normal(score, rows, found), _normal(score, columns, found)
    return (
        _normal(score, rows, _statistics(left, [rows], members, top_k, "enrol")),
        _normal(score, columns, _statistics(right, [columns], members, top_k, "test")),
    )


def _normal(score: Float64s, rows: Ints, found: tuple[Float64s, Float64s]) -> Float64s:
    mean, deviation = found
    normal = score - mean.take(rows)
    normal /= deviation.take(rows)
    return normal


def _statistics(
    unit: Float32s, used: list[Ints], cohort: Float32s, top_k: int | None, name: str
) -> tuple[Float64s, Float64s]:
    """Return mean and standard deviation of the cohort cosines of each row that is used."""
    named = np.zeros(len(unit), dtype=bool)
    for rows in used:
        named[rows] = True
    mean, deviation = np.zeros(len(unit)), np.full(len(unit), np.inf)
    named &= unit.any(axis=1)  # without audio there is nothing to normalise by: x / inf is 0
    sides = unit if named.all() else unit[named]
    step = rows_a_block(len(cohort), BLOCK_BYTES)
    parts = (sides[first : first + step] for first in range(0, len(sides), step))
    if top_k is None or top_k >= len(cohort):
        found = _whole(parts, cohort)
    else:
        found = _nearest(parts, cohort, top_k)
    mean[named], deviation[named] = np.concatenate([np.empty((2, 0)), *found], axis=1)
    if (deviation < NO_SPREAD).any():
        raise ValueError(
            f"the cohort cosines of row {int(np.argmax(deviation < NO_SPREAD))} of {name} are all "
            "equal, and have no standard deviation: take a cohort of different subjects"
        )
    return mean, deviation


def _whole(parts: Iterable[Float32s], cohort: Float32s) -> Iterator[Array]:
    """Yield mean and deviation of all cosines, from the cohort's own: no cosine is computed."""
    middle = cohort.mean(axis=0, dtype=np.float64)
    apart = cohort - middle
    covariance = apart.T @ apart / len(cohort)
    for part in parts:
        side = part.astype(np.float64)
        variance = np.einsum("nd,nd->n", side @ covariance, side)
        yield np.stack([side @ middle, np.sqrt(np.maximum(variance, 0.0))])


def _nearest(parts: Iterable[Float32s], cohort: Float32s, top_k: int) -> Iterator[Array]:
    """Yield mean and deviation of the top_k highest cosines, picked in threads."""
    cut, threads = len(cohort) - top_k, thread_count(0)

    def pick(block: Float32s) -> Array:
        block.partition(cut, axis=1)
        top = block[:, cut:].astype(np.float64)
        return np.stack([top.mean(axis=1), top.std(axis=1)])

    with ThreadPoolExecutor(threads) as pool:
        for part in parts:
            yield from list(pool.map(pick, np.array_split(part @ cohort.T, threads)))


def _scores(values: Any, n_pairs: int) -> Float64s:
    score = np.asarray(values, dtype=np.float64)
    if score.shape != (n_pairs,):
        raise ValueError(f"{n_pairs} pairs need as many scores, got shape {score.shape}")
    if not np.isfinite(score).all():
        bad = int(np.argmin(np.isfinite(score)))
        raise ValueError(f"scores[{bad}] is {score[bad]}: every pair needs a finite score")
    return score


def _one_dimension(first: Float32s, second: Float32s, name: str) -> None:
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{name} must have the dimension of the embeddings, {first.shape[1]}, "
            f"got {second.shape[1]}"
        )
