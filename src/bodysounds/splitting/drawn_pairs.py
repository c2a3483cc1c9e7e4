"""Target pairs and a sample of the non-target ones, without a list of all pairs to draw from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bodysounds.params import SplitParams
from bodysounds.splitting.pairs import Pairs, both_sides, room_beside
from bodysounds.splitting.side_keys import SideKeys

Ints64 = npt.NDArray[np.int64]


def drawn_pairs(keys: SideKeys, subset: str, params: SplitParams, max_trials: int) -> Pairs:
    """Return the pairs that `keep_targets` leaves of `all_pairs`, in their order.

    Time and memory grow with the sides, their target pairs and max_trials, where a list of all
    pairs grows with the square of the sides. Raises ValueError as both do.
    """
    left, right = both_sides(keys, subset, params)
    crossed = params.enrol_session is not None
    n_columns = max(1, len(right))
    domain = keys.domain if params.within_domain else np.zeros_like(keys.domain)
    of_subject, of_group = (
        _equal(code, domain, left, right) for code in (keys.subject, keys.group)
    )
    targets = _targets(of_subject, left, right, crossed)
    # what is no non-target of its row
    barred = np.unique(np.concatenate([of_subject, of_group]))
    if not crossed:
        barred = barred[barred % n_columns > barred // n_columns]
    met = _columns(domain, left, right, crossed)
    free = met.size - np.bincount(barred // n_columns, minlength=len(left))
    n_others = int(free.sum())
    if len(targets) + n_others <= max_trials:
        ranks = np.arange(n_others)
    else:
        room = room_beside(len(targets), max_trials, subset)
        ranks = np.random.default_rng(params.seed).choice(n_others, size=room, replace=False)
    others = _others(ranks, free, barred, met, n_columns)
    row, column = np.divmod(np.sort(np.concatenate([targets, others])), n_columns)
    return Pairs(left[row], right[column])


def target_pairs(keys: SideKeys, subset: str, params: SplitParams) -> Pairs:
    """Return the target pairs of `all_pairs`, in their order, without a list of the others."""
    left, right = both_sides(keys, subset, params)
    domain = keys.domain if params.within_domain else np.zeros_like(keys.domain)
    of_subject = _equal(keys.subject, domain, left, right)
    targets = _targets(of_subject, left, right, params.enrol_session is not None)
    row, column = np.divmod(np.sort(targets), max(1, len(right)))
    return Pairs(left[row], right[column])


def _targets(of_subject: Ints64, left: Ints64, right: Ints64, crossed: bool) -> Ints64:
    """Return those of the cells of one subject that are pairs, each once."""
    row, column = np.divmod(of_subject, max(1, len(right)))
    targets: Ints64 = of_subject[left[row] != right[column] if crossed else column > row]
    return targets


class _Columns(NamedTuple):
    """The columns that each row meets: those of its domain, behind it where none is crossed."""

    order: Ints64
    """The columns, domain by domain."""
    place: Ints64
    """Of each column: where it stands in `order`."""
    first: Ints64
    """Of each row: the place of its first column; `size` of them follow one another."""
    size: Ints64


def _columns(domain: Ints64, left: Ints64, right: Ints64, crossed: bool) -> _Columns:
    order = np.argsort(domain[right], kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(right))
    ranked = domain[right][order]
    first = np.searchsorted(ranked, domain[left], side="left") if crossed else place + 1
    return _Columns(
        order, place, first, np.searchsorted(ranked, domain[left], side="right") - first
    )


def _others(ranks: Ints64, free: Ints64, barred: Ints64, met: _Columns, n_columns: int) -> Ints64:
    """Return the cells of the non-targets of these ranks, which count them row by row."""
    ends = np.cumsum(free)
    row = np.searchsorted(ends, ranks, side="right")
    rank = ranks - (ends - free)[row]  # within its row
    barred_row, barred_column = np.divmod(barred, n_columns)
    at = met.place[barred_column] - met.first[barred_row]
    before = np.arange(len(barred)) - np.searchsorted(barred_row, barred_row, side="left")
    # a barred column with `at - before` free ones before it shifts those of that rank and more
    shifts = barred_row * (n_columns + 1) + at - before
    shift = np.searchsorted(shifts, row * (n_columns + 1) + rank, side="right")
    shift -= np.searchsorted(barred_row, row, side="left")
    cells: Ints64 = row * n_columns + met.order[met.first[row] + rank + shift]
    return cells


def _equal(code: Ints64, domain: Ints64, left: Ints64, right: Ints64) -> Ints64:
    """Return the cells, row * n_columns + column, whose two sides share code and domain."""
    key = code * (int(domain.max(initial=0)) + 2) + domain
    order = np.argsort(key[right], kind="stable")
    ranked = key[right][order]
    first = np.searchsorted(ranked, key[left], side="left")
    count = np.searchsorted(ranked, key[left], side="right") - first
    row = np.repeat(np.arange(len(left)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    cells: Ints64 = row * len(right) + order[np.repeat(first, count) + within]
    return cells
