"""Non-target pairs chosen with care: balanced over subjects, or alike in what is known."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.params import SplitParams
from bodysounds.splitting.pairs import Pairs
from bodysounds.splitting.side_keys import SideKeys

logger = logging.getLogger(__name__)


def choose_negatives(
    keys: SideKeys,
    pairs: Pairs,
    target: npt.NDArray[np.bool_],
    params: SplitParams,
    subset: str,
) -> npt.NDArray[np.int64]:
    """Return positions, ascending, of all target pairs and of the non-target pairs that are taken.

    `all` takes every one. `balanced` draws negatives_per_target for each target, so that subjects
    appear in them equally often, as far as the pairs allow. `hard` does the same among pairs that
    sex, age and domain don't tell apart, as VoxCeleb1-H does by sex and nationality
    (arXiv:1806.05622). Where there are fewer, all are taken and it is logged. Raises ValueError for
    `hard` where the corpus knows none of the three.
    """
    if params.negatives == "all":
        return np.arange(len(target))
    allowed = ~target
    if params.negatives == "hard":
        allowed = allowed & _alike(keys, pairs)
    candidates = np.flatnonzero(allowed)
    wanted = params.negatives_per_target * int(target.sum())
    if wanted > len(candidates):
        logger.warning(
            "%s has %d %s non-target pairs where split.negatives_per_target = %d asks for %d: "
            "all are taken",
            subset,
            len(candidates),
            params.negatives,
            params.negatives_per_target,
            wanted,
        )
    drawn = balanced_draw(
        keys.subject[pairs.enrol[candidates]],
        keys.subject[pairs.test[candidates]],
        min(wanted, len(candidates)),
        params.seed,
    )
    return np.sort(np.concatenate([np.flatnonzero(target), candidates[drawn]]))


def balanced_draw(first: Any, second: Any, n: int, seed: int) -> npt.NDArray[np.int64]:
    """Return n different positions of pairs, drawn so that subjects appear equally often.

    Each draw takes the subject that appeared least, with the one among its partners that did, ties
    at random, and one of their pairs that is left at random.

    Parameters
    ----------
    first, second : array-like of int, shape (n_pairs,)
        The two subjects of each pair, at least 0 and different.
    n : int
        At most n_pairs.
    """
    if n == len(first):
        return np.arange(n)
    rng = np.random.default_rng(seed)
    names, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, other = codes[: len(first)], codes[len(first) :]
    couple = np.minimum(one, other) * len(names) + np.maximum(one, other)
    shuffled = rng.permutation(len(couple))
    shuffled = shuffled[np.argsort(couple[shuffled], kind="stable")]  # by couple, random within
    size = np.bincount(couple, minlength=len(names) ** 2)
    following = (np.cumsum(size) - size).reshape(len(names), -1)
    left = size.reshape(len(names), -1)
    left = left + left.T
    partners = (left > 0).sum(axis=1)
    times = np.zeros(len(names))
    drawn = np.empty(n, dtype=np.int64)
    for at in range(n):
        rank = times + rng.random(len(names))
        a = int(np.where(partners > 0, rank, np.inf).argmin())
        b = int(np.where(left[a] > 0, rank, np.inf).argmin())
        low, high = min(a, b), max(a, b)
        drawn[at] = shuffled[following[low, high]]
        following[low, high] += 1
        left[a, b] -= 1
        left[b, a] -= 1
        times[[a, b]] += 1
        if left[a, b] == 0:
            partners[[a, b]] -= 1
    return drawn


def _alike(keys: SideKeys, pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Return which pairs differ in no sex, age or domain that is known of both sides."""
    about = (keys.sex, keys.age, keys.domain)
    if all((codes < 0).all() for codes in about):
        raise ValueError(
            "split.negatives = hard takes pairs of equal sex, age and domain, and the corpus knows "
            "none of the three: take balanced, or add the columns to its table"
        )
    alike = np.ones(len(pairs.enrol), dtype=bool)
    for codes in about:
        first, second = codes[pairs.enrol], codes[pairs.test]
        alike &= (first == second) | (first < 0) | (second < 0)
    return alike
