"""Pairs of sides as arrays of positions, without a loop over pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bodysounds.corpora.base import some
from bodysounds.params import SplitParams
from bodysounds.splitting.side_keys import SideKeys


class Pairs(NamedTuple):
    """Positions in SideKeys, int64, one element a pair."""

    enrol: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def all_pairs(keys: SideKeys, subset: str, params: SplitParams) -> Pairs:
    """Return the pairs of a subset's sides; which ones, `make_trials` says."""
    left, right = both_sides(keys, subset, params)
    if params.enrol_session is not None:
        enrol, test = np.repeat(left, len(right)), np.tile(right, len(left))
        kept = enrol != test
        enrol, test = enrol[kept], test[kept]
    else:
        first, second = np.triu_indices(len(left), k=1)
        enrol, test = left[first], left[second]
    kept = (keys.group[enrol] != keys.group[test]) | (keys.subject[enrol] == keys.subject[test])
    if params.within_domain:
        kept &= keys.domain[enrol] == keys.domain[test]
    return Pairs(enrol[kept], test[kept])


def both_sides(
    keys: SideKeys, subset: str, params: SplitParams
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the positions, ascending, of the sides that may enrol and of those that may test."""
    there = (keys.subset == subset) & (keys.subject >= 0)
    if params.enrol_session is None or params.test_session is None:
        sides = np.flatnonzero(there)
        return sides, sides
    return (
        np.flatnonzero(there & _in_session(keys, params.enrol_session)),
        np.flatnonzero(there & _in_session(keys, params.test_session)),
    )


def session_condition(keys: SideKeys, pairs: Pairs, gap_s: float) -> npt.NDArray[np.object_]:
    """Return `same_session`, `across_sessions` or `unknown` of each pair, shape (n_pairs,).

    Known sessions tell; where one is unknown, times less than gap_s apart are one session.
    """
    first, second = keys.session[pairs.enrol], keys.session[pairs.test]
    named = (first >= 0) & (second >= 0)
    apart = np.abs(keys.recorded_at[pairs.enrol] - keys.recorded_at[pairs.test])
    # a nan is not less than anything
    same = np.where(named, first == second, apart < gap_s)
    condition = np.where(same, "same_session", "across_sessions").astype(object)
    condition[~named & np.isnan(apart)] = "unknown"
    return condition


def keep_targets(
    target: npt.NDArray[np.bool_], max_trials: int, seed: int, subset: str
) -> npt.NDArray[np.int64]:
    """Return positions, ascending, of all targets and of non-targets up to max_trials in all.

    Raises ValueError where the targets leave no room for a non-target.
    """
    targets, others = np.flatnonzero(target), np.flatnonzero(~target)
    if len(target) <= max_trials:
        return np.arange(len(target))
    room = room_beside(len(targets), max_trials, subset)
    drawn = np.random.default_rng(seed).choice(others, size=room, replace=False)
    return np.sort(np.concatenate([targets, drawn]))


def room_beside(n_targets: int, max_trials: int, subset: str) -> int:
    """Return how many non-targets fit beside all targets; ValueError where none does."""
    room = max_trials - n_targets
    if room < 1:
        raise ValueError(
            f"split.max_trials = {max_trials} leaves no room beside the "
            f"{n_targets} target pairs of {subset}, which are all kept: "
            f"raise it to at least {n_targets + 1}"
        )
    return room


def _in_session(keys: SideKeys, session: str) -> npt.NDArray[np.bool_]:
    names = [str(name) for name in keys.session_names]
    if session not in names:
        raise ValueError(
            f"no side is of session {session!r} (split.enrol_session, split.test_session): "
            f"the corpus's sessions are {some(sorted(names), 10) or 'unknown'}"
        )
    return np.asarray(keys.session == names.index(session))
