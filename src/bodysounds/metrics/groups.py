"""Resampled groups: rates of a classifier over many draws of sessions, or of any other source.

Clips of one session share room, microphone and day, so sessions are drawn with replacement, not
clips (the cluster bootstrap; Field and Welsh, J. R. Statist. Soc. B 2007). A draw weighs each row
by how often its group was drawn: one product of counts and tallies, no loop over draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.metrics.classification import check_predictions, class_rates
from bodysounds.types import Floats, Ints


@dataclass(frozen=True)
class GroupDraws:
    """How often each group was drawn, and which group each row belongs to."""

    codes: Ints
    """int64 (n_rows,), values in [0, n_groups)."""
    counts: Floats
    """float64 (n_draws, n_groups)."""

    @property
    def n_groups(self) -> int:
        """Groups that are drawn from."""
        return int(self.counts.shape[1])

    def means(self, values: Any) -> Floats:
        """Return the mean of `values`, finite numbers of shape (n_rows,), in each draw."""
        array = np.asarray(values, dtype=np.float64)
        if array.shape != self.codes.shape:
            raise ValueError(f"values must have shape {self.codes.shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"values[{int(np.argmin(np.isfinite(array)))}] is not finite")
        sums = np.bincount(self.codes, array, minlength=self.n_groups)
        rows = np.bincount(self.codes, minlength=self.n_groups)
        means: Floats = (self.counts @ sums) / (self.counts @ rows)
        return means

    def class_rates(self, labels: Any, predictions: Any, weights: Any = None) -> dict[str, Floats]:
        """Return accuracy, balanced_accuracy and macro_f1 of each draw, (n_draws,) each.

        As in `bodysounds.metrics.classification`, classes that a draw has no example of don't count
        in it. A draw without any weight is NaN.
        """
        with np.errstate(invalid="ignore"):
            return class_rates(*self.tallies(labels, predictions, weights))

    def tallies(
        self, labels: Any, predictions: Any, weights: Any = None
    ) -> tuple[Floats, Floats, Floats]:
        """Return hits, examples and predictions of each class, float64 (n_draws, n_classes) each.

        Columns as those of `bodysounds.metrics.classification.tallies`.
        """
        from scipy.sparse import coo_array

        true, guess, weight = check_predictions(labels, predictions, weights)
        if true.shape != self.codes.shape:
            raise ValueError(f"labels must have shape {self.codes.shape}, got {true.shape}")
        codes, names = pd.factorize(np.concatenate([true, guess]), sort=True)
        first, second = codes[: len(true)], codes[len(true) :]
        shape = self.n_groups, len(names)
        parts = ((weight * (first == second), first), (weight, first), (weight, second))
        hits, support, predicted = (
            self.counts @ coo_array((value, (self.codes, column)), shape=shape).tocsr()
            for value, column in parts
        )
        return hits, support, predicted


def draw_groups(groups: Any, *, n: int = 1000, seed: int = 0) -> GroupDraws:
    """Draw the groups of the rows `n` times with replacement.

    `groups`, names of shape (n_rows,), are drawn in alphabetical order: the rows' order does not
    matter. Raises ValueError for a missing name, for fewer than two groups and for n below 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1 resample, got {n}")
    codes, names = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    if (codes < 0).any():
        raise ValueError(f"groups[{int(np.argmax(codes < 0))}] is missing: give every row a group")
    if len(names) < 2:
        raise ValueError(f"{len(names)} group cannot be resampled: an interval takes two at least")
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)
    return GroupDraws(codes.astype(np.int64), counts.astype(np.float64))
