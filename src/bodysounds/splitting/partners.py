"""Subjects drawn in couples so that each appears equally often, without a list of all pairs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import accumulate, product
from typing import NamedTuple

import numpy as np

Entry = tuple[int, float, int]
"""How often a subject was drawn, a random number, and the subject."""
Place = tuple[object, ...]
Pair = tuple[int, int]
"""Two sides, the one that enrols first."""


class Cell(NamedTuple):
    """Sides of one subject that meet the same others."""

    role: int
    """1: they enrol, -1: they are tested, 0: whichever comes first enrols."""
    group: int
    domain: int
    about: tuple[int, ...]
    """What must not differ from another's where it is known of both; -1 where it is unknown."""
    sides: list[int]

    def meets(self, other: Cell) -> bool:
        """Return whether sides of the two, of different subjects, are non-target pairs."""
        return (
            self.role == -other.role
            and self.group != other.group
            and self.domain == other.domain
            and all(a == b or a < 0 or b < 0 for a, b in zip(self.about, other.about, strict=True))
        )


def draw_pairs(cells: Sequence[Sequence[Cell]], n: int, seed: int) -> list[Pair]:
    """Return up to n different pairs (enrol, test) of sides whose cells meet; fewer if all are out.

    Each draw takes the subject that was drawn least, with the one among its partners that was, ties
    at random, and one of their pairs that is left at random. Time grows with n log n, where few
    subjects share a group.

    Parameters
    ----------
    cells : sequence of sequences of Cell
        Of each subject.
    """
    random = _numbers(seed)
    now: list[Entry] = [(0, next(random), subject) for subject in range(len(cells))]
    queues: dict[Place, list[Entry]] = {}
    stands = [list(dict.fromkeys(p for cell in own for p in _stands(cell))) for own in cells]
    for entry, places in zip(now, stands, strict=True):
        for place in places:
            queues.setdefault(place, []).append(entry)
    least = list(now)
    for queue in (least, *queues.values()):
        heapify(queue)
    looks = [
        [queues[p] for p in dict.fromkeys(p for cell in own for p in _looks(cell)) if p in queues]
        for own in cells
    ]
    drawn: dict[tuple[int, int], int] = {}
    pairs: dict[Pair, None] = {}
    left: dict[tuple[int, int], list[Pair]] = {}
    while len(pairs) < n and least:
        entry = least[0]
        a = entry[2]
        found = _partner(a, cells, looks[a], now, drawn) if entry is now[a] else None
        if found is None:  # drawn since, or nobody is left for it
            heappop(least)
            continue
        b, blocks, size = found
        couple = (min(a, b), max(a, b))
        if couple not in left and 2 * drawn.get(couple, 0) > size:
            every = (_pair(blocks, rank) for rank in range(size))
            left[couple] = [pair for pair in every if pair not in pairs]
        if couple in left:  # by now most others are out
            rest = left[couple]
            at = int(next(random) * len(rest))
            rest[at], rest[-1] = rest[-1], rest[at]
            pair = rest.pop()
        else:
            pair = _pair(blocks, int(next(random) * size))
            while pair in pairs:
                pair = _pair(blocks, int(next(random) * size))
        pairs[pair] = None
        drawn[couple] = drawn.get(couple, 0) + 1
        for subject in couple:
            now[subject] = (now[subject][0] + 1, next(random), subject)
            for queue in (least, *(queues[place] for place in stands[subject])):
                heappush(queue, now[subject])
    return list(pairs)


Blocks = list[tuple[Cell, Cell]]


def _partner(
    a: int,
    cells: Sequence[Sequence[Cell]],
    queues: Sequence[list[Entry]],
    now: Sequence[Entry],
    drawn: dict[tuple[int, int], int],
) -> tuple[int, Blocks, int] | None:
    """Return who was drawn least of those with whom `a` has a pair left, their cells and pairs."""
    passed: list[tuple[list[Entry], Entry]] = []
    found = None
    while found is None:
        for queue in queues:
            while queue and queue[0] is not now[queue[0][2]]:
                heappop(queue)
        queue = min((queue for queue in queues if queue), key=lambda q: q[0], default=[])
        if not queue:
            break
        b = queue[0][2]
        blocks = [] if a == b else [both for both in product(cells[a], cells[b]) if _meet(both)]
        size = sum(len(one.sides) * len(other.sides) for one, other in blocks)
        if size > drawn.get((min(a, b), max(a, b)), 0):
            found = b, blocks, size
        else:
            passed.append((queue, heappop(queue)))
    for queue, entry in passed:
        heappush(queue, entry)
    return found


def _meet(both: tuple[Cell, Cell]) -> bool:
    return both[0].meets(both[1])


def _pair(blocks: Blocks, rank: int) -> Pair:
    """Return the pair of some cells that has this rank."""
    ends = list(accumulate(len(one.sides) * len(other.sides) for one, other in blocks))
    at = bisect_right(ends, rank)
    one, other = blocks[at]
    rank -= ends[at - 1] if at else 0
    a, b = one.sides[rank // len(other.sides)], other.sides[rank % len(other.sides)]
    swapped = b < a if one.role == 0 else one.role < 0
    return (b, a) if swapped else (a, b)


def _stands(cell: Cell) -> Iterator[Place]:
    """Return the places where a cell is looked for: one for what of it another may know."""
    known = tuple(code >= 0 for code in cell.about)
    for seen in product(*((False, True) if there else (False,) for there in known)):
        yield _place(cell, cell.role, known, seen)


def _looks(cell: Cell) -> Iterator[Place]:
    """Return the places where a cell looks for others: one for what may be known of them."""
    for known in product((False, True), repeat=len(cell.about)):
        seen = tuple(there and code >= 0 for there, code in zip(known, cell.about, strict=True))
        yield _place(cell, -cell.role, known, seen)


def _place(cell: Cell, role: int, known: tuple[bool, ...], seen: tuple[bool, ...]) -> Place:
    values = (code if there else -1 for code, there in zip(cell.about, seen, strict=True))
    return role, cell.domain, known, *values


def _numbers(seed: int) -> Iterator[float]:
    rng = np.random.default_rng(seed)
    while True:
        yield from rng.random(4096).tolist()
