"""Resampled subjects: weighted error rates of many draws over one sort."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from bodysounds.metrics.arrays import (
    check_labels,
    check_trials,
    require_both_classes,
    subject_codes,
)
from bodysounds.metrics.verification import rates_from_counts
from bodysounds.types import Array, Floats, Ints

logger = logging.getLogger(__name__)

Statistic: TypeAlias = "str | Callable[[Array, Floats, Floats], float]"
MAX_DRAWS_PER_SAMPLE = 100
"""A sample is given up after this many draws without both classes."""


class TooFewSubjectsError(ValueError):
    """Hardly a draw of the subjects keeps both classes, so there is no interval."""


@dataclass(frozen=True)
class Resampler:
    """Subjects drawn with replacement, and what each draw makes of a trial's weight.

    A target of subject i weighs w_i, a non-target of subjects i and j weighs w_i * w_j, where w_i
    is how often i was drawn: exactly as if a drawn subject's copies were different people whose
    mutual pairs are left out.
    """

    target: Array
    enrol: Ints
    test: Ints
    counts: Ints
    """int64 (n_draws, n_subjects): how often each subject was drawn."""
    redrawn: int
    """Draws that were replaced because one class had no weight."""

    def weights(self, base: Floats, order: Ints) -> Iterator[Floats]:
        """Yield the weights of the trials, in `order`, once per draw."""
        enrol, base = self.enrol[order], base[order]
        other = np.flatnonzero(~self.target[order])
        other_test = self.test[order][other]
        for counts in self.counts.astype(np.float64):
            weight = counts[enrol]
            weight[other] *= counts[other_test]
            weight *= base
            yield weight

    def draws(self, scores: Any, statistic: Statistic, weights: Any = None) -> Floats:
        """Return the statistic (`eer`, `auc` or a callable) of each draw, shape (n_draws,)."""
        target, score, base = check_trials(self.target, scores, weights)
        # Ties are ordered by more than the score, so that no rounding depends on the rows' order.
        order = np.lexsort((base, self.test, self.enrol, target, score))
        if callable(statistic):
            values = [statistic(target[order], score[order], w) for w in self.weights(base, order)]
            return np.asarray(values, dtype=np.float64)
        if statistic not in SORTED_STATISTICS:
            known = ", ".join(SORTED_STATISTICS)
            raise ValueError(f"statistic must be a callable or one of {known}, got {statistic!r}")
        plan = _plan(target[order], score[order])
        function = SORTED_STATISTICS[statistic]
        return np.asarray([function(w, plan) for w in self.weights(base, order)])

    def rate_draws(self, scores: Any, threshold: float, weights: Any = None) -> dict[str, Floats]:
        """Return the rates at a fixed threshold of each draw, each of shape (n_draws,)."""
        target, score, base = check_trials(self.target, scores, weights)
        accepted = score >= threshold
        cells = np.stack([target & accepted, target & ~accepted, ~target & accepted,
                          ~target & ~accepted], axis=1).astype(np.float64)  # fmt: skip
        order = np.lexsort((base, self.test, self.enrol))
        cells = cells[order]
        sums = np.stack([w @ cells for w in self.weights(base, order)])
        return rates_from_counts(*sums.T)


def resampler(
    labels: Any,
    enrol_subjects: Any,
    test_subjects: Any,
    *,
    n: int = 1000,
    seed: int = 0,
    weights: Any = None,
) -> Resampler:
    """Draw the subjects of the trials `n` times with replacement.

    A draw in which one class has no weight is replaced and counted. Raises TooFewSubjectsError
    where hardly any other draw exists, and ValueError as `subject_codes` does.
    """
    target = check_labels(labels)
    enrol, test, n_subjects = subject_codes(enrol_subjects, test_subjects, target)
    if n < 1:
        raise ValueError(f"n must be at least 1 resample, got {n}")
    base = np.ones(len(target)) if weights is None else check_trials(labels, target, weights)[2]
    require_both_classes(target, base)
    enrol_target = np.unique(enrol[target & (base > 0)])
    pairs = np.unique(np.stack([enrol, test], 1)[~target & (base > 0)], axis=0)
    rng = np.random.default_rng(seed)
    kept: list[Ints] = []
    redrawn = 0
    while len(kept) < n:
        counts = np.bincount(rng.integers(n_subjects, size=n_subjects), minlength=n_subjects)
        present = counts > 0
        if present[enrol_target].any() and (present[pairs[:, 0]] & present[pairs[:, 1]]).any():
            kept.append(counts)
            continue
        redrawn += 1
        if redrawn > MAX_DRAWS_PER_SAMPLE * n:
            raise TooFewSubjectsError(
                f"{n_subjects} subjects are too few to resample: hardly a draw keeps target and "
                "non-target pairs; add subjects or leave the interval out"
            )
    if redrawn > n // 10:
        logger.info("%d of %d draws of subjects had one class only and were redrawn",
                    redrawn, n + redrawn)  # fmt: skip
    return Resampler(target, enrol, test, np.stack(kept), redrawn)


@dataclass(frozen=True)
class _Plan:
    """Where the classes and the ties of one sort lie; computed once, used by every draw."""

    targets: Ints
    others: Ints
    start: Ints  # of each row: the first row of its tie
    end: Ints  # of each row: one past the last row of its tie


def _plan(target: Array, score: Floats) -> _Plan:
    first = np.append(True, score[1:] != score[:-1])
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(score))
    return _Plan(np.flatnonzero(target), np.flatnonzero(~target), starts[group],
                 ends[group])  # fmt: skip


def _sorted_eer(weight: Floats, plan: _Plan) -> float:
    # 1 - FAR + FRR of the rows below a threshold, as one running sum, which reaches 1 where
    # FAR = FRR.
    of_targets = weight[plan.targets]
    of_targets /= of_targets.sum()
    share = weight / weight[plan.others].sum()
    share[plan.targets] = of_targets
    running = np.cumsum(share)
    row = min(int(np.searchsorted(running, 1.0)), len(running) - 1)
    start, end = int(plan.start[row]), int(plan.end[row])
    before = running[start - 1] if start else 0.0
    step = running[end - 1] - before
    first, last = np.searchsorted(plan.targets, (start, end))
    missed, inside = of_targets[:first].sum(), of_targets[first:last].sum()
    return float(missed + inside * ((1.0 - before) / step if step > 0 else 0.0))


def _sorted_auc(weight: Floats, plan: _Plan) -> float:
    other = weight.copy()
    other[plan.targets] = 0.0
    below = np.append(0.0, np.cumsum(other))
    wins = (below[plan.start[plan.targets]] + below[plan.end[plan.targets]]) / 2
    of_targets = weight[plan.targets]
    return float(of_targets @ wins / (of_targets.sum() * below[-1]))


SORTED_STATISTICS: dict[str, Callable[[Floats, _Plan], float]] = {
    "eer": _sorted_eer,
    "auc": _sorted_auc,
}
