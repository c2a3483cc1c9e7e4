"""Resampled subjects: weighted error rates of many draws over one sort."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bodysounds.metrics.arrays import (
    check_labels,
    check_trials,
    require_both_classes,
    subject_codes,
)
from bodysounds.metrics.drawn import Costs, Statistic, by_weights
from bodysounds.metrics.rates import rates_from_counts
from bodysounds.types import Array, Floats, Ints

logger = logging.getLogger(__name__)

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
        for drawn in self.counts:
            counts = drawn.astype(np.float64)  # a row at a time, not a copy of all draws
            weight = counts[enrol]
            weight[other] *= counts[other_test]
            weight *= base
            yield weight

    def draws(
        self, scores: Any, statistic: Statistic, weights: Any = None,
        p_target: float | None = None, c_miss: float = 1.0, c_fa: float = 1.0,
    ) -> Floats:  # fmt: skip
        """Return the statistic of each draw, shape (n_draws,).

        `statistic` is `eer`, `auc`, `min_dcf`, `act_dcf`, `cllr`, `min_cllr` or a callable of
        labels, scores and weights; `min_dcf` and `act_dcf` need `p_target`. Raises ValueError as
        `det_curve` does, and for an unknown statistic or missing `p_target`.
        """
        return self.with_observed(scores, statistic, weights, p_target, c_miss, c_fa)[1]

    def with_observed(
        self, scores: Any, statistic: Statistic, weights: Any = None,
        p_target: float | None = None, c_miss: float = 1.0, c_fa: float = 1.0,
    ) -> tuple[float, Floats]:  # fmt: skip
        """Return the statistic of the trials as they are, and what `draws` returns."""
        target, score, base = check_trials(self.target, scores, weights)
        # Ties are ordered by more than the score, so that no rounding depends on the rows' order.
        order = np.lexsort((base, self.test, self.enrol, target, score))
        costs = Costs(p_target, c_miss, c_fa)
        value = by_weights(statistic, target[order], score[order], costs)
        drawn = np.asarray([value(weight) for weight in self.weights(base, order)])
        return value(base[order]), drawn

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
    kept = np.empty((n, n_subjects), dtype=np.int64)
    done = redrawn = 0
    while done < n:
        counts = np.bincount(rng.integers(n_subjects, size=n_subjects), minlength=n_subjects)
        present = counts > 0
        if present[enrol_target].any() and (present[pairs[:, 0]] & present[pairs[:, 1]]).any():
            kept[done] = counts
            done += 1
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
    return Resampler(target, enrol, test, kept, redrawn)
