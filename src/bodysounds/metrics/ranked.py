"""Scores of the two classes, each sorted once: every error rate is a look-up in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bodysounds.metrics.arrays import check_scores, require_both_classes
from bodysounds.types import Array, Floats

BLOCK = 2**16
"""Trials that are looked at together."""


@dataclass(frozen=True)
class Ranked:
    """The scores of one class in ascending order, and the weight that lies below each."""

    scores: Floats
    """float64 (n,), ascending."""
    mass: Floats | None
    """float64 (n + 1,): the weight of the first 0, 1, ..., n scores; None where each weighs 1."""
    total: float

    def below(self, score: Any) -> Any:
        """Return the weight of the scores below `score`, a number or an array."""
        return self._at(self.scores.searchsorted(score, side="left"))

    def up_to(self, score: Any) -> Any:
        """Return the weight of the scores at or below `score`, a number or an array."""
        return self._at(self.scores.searchsorted(score, side="right"))

    def running(self) -> Floats:
        """Return the weight of the first 0, 1, ..., n scores."""
        return np.arange(len(self.scores) + 1.0) if self.mass is None else self.mass

    def _at(self, position: Any) -> Any:
        return position if self.mass is None else self.mass[position]


class Trials(NamedTuple):
    """The targets and the non-targets of a set of trials."""

    targets: Ranked
    others: Ranked

    def next_below(self, score: float) -> float | None:
        """Return the highest score below `score`, or None."""
        found = [side.scores[i - 1] for side in self if (i := side.scores.searchsorted(score))]
        return float(max(found)) if found else None

    def next_above(self, score: float) -> float:
        """Return the lowest score above `score`, or infinity."""
        at = [(side.scores, side.scores.searchsorted(score, side="right")) for side in self]
        return float(min((scores[i] for scores, i in at if i < len(scores)), default=np.inf))


def rank_trials(labels: Any, scores: Any, weights: Any = None) -> Trials:
    """Check the trials and sort the scores of each class apart.

    Two plain sorts are several times as fast as one argsort, and nothing needs to know afterwards
    which trial a score belonged to. Trials of weight 0 are left out. Raises ValueError for NaN,
    infinities, labels other than 0 and 1, one class only, empty input and unequal lengths.
    """
    target, score, weight = check_scores(labels, scores, weights)
    require_both_classes(target, weight)
    if weight is None:
        return Trials(*map(_rank, _classes(target, score)))
    kept = weight > 0
    classes = (np.flatnonzero(rows & kept) for rows in (target, ~target))
    return Trials(*(_rank_weighted(score[rows], weight[rows]) for rows in classes))


def _classes(target: Array, score: Floats) -> tuple[Floats, Floats]:
    """Return copies of the targets' and of the non-targets' scores, in one piece of memory.

    Row numbers select several times as fast as a mask whose values alternate; block by block they
    stay in the processor's cache.
    """
    copies = np.empty(len(score))
    low, high = 0, len(score)  # targets from the front, non-targets from the back
    for start in range(0, len(score), BLOCK):
        rows = target[start : start + BLOCK]
        hits, others = np.flatnonzero(rows), np.flatnonzero(~rows)
        block = score[start : start + BLOCK]
        copies[low : low + len(hits)] = block[hits]
        copies[high - len(others) : high] = block[others]
        low, high = low + len(hits), high - len(others)
    return copies[:low], copies[low:]


def _rank(scores: Floats) -> Ranked:
    scores.sort()
    return Ranked(scores, None, float(len(scores)))


def _rank_weighted(scores: Floats, weights: Floats) -> Ranked:
    order = np.argsort(scores)
    ranked = scores[order]
    if (ranked[1:] == ranked[:-1]).any():
        # ties are ordered by weight, so that no rounding depends on the order of the rows
        order = np.lexsort((weights, scores))
        ranked = scores[order]
    mass = np.zeros(len(order) + 1)
    np.cumsum(weights[order], out=mass[1:])
    return Ranked(ranked, mass, float(mass[-1]))


def distinct_scores(trials: Trials) -> Floats:
    """Return the scores of both classes in ascending order, each once, shape (n_scores,)."""
    both = np.concatenate([side.scores for side in trials])
    both.sort()
    first = np.empty(len(both), dtype=bool)
    first[0] = True
    np.not_equal(both[1:], both[:-1], out=first[1:])
    distinct: Floats = both[first] + 0.0  # of -0.0 and 0.0, which are equal, always the latter
    return distinct


def middle(low: float, high: float) -> float:
    """Return a number above `low`, at most `high`, in their middle where one lies there."""
    between = low / 2 + high / 2
    return between if low < between <= high else high


def threshold_for(trials: Trials, lowest_accepted: float) -> float:
    """Return a finite threshold, far from any score, that accepts from `lowest_accepted` upwards.

    It is the middle between that score and the next below; the lowest score where all are
    accepted, and the next number above the highest where `lowest_accepted` is infinite.
    """
    rejected = trials.next_below(lowest_accepted)
    if rejected is None:
        return lowest_accepted + 0.0
    if np.isinf(lowest_accepted):
        return float(np.nextafter(rejected, np.inf))
    return middle(rejected, lowest_accepted)


def curve(trials: Trials) -> tuple[Floats, Floats, Floats]:
    """Return far, frr and the lowest accepted score at every threshold, as `det_curve` does."""
    scores = distinct_scores(trials)
    missed, refused = (np.append(side.below(scores), side.total) for side in trials)
    far = (trials.others.total - refused) / trials.others.total
    return far, missed / trials.targets.total, np.append(scores, np.inf)
