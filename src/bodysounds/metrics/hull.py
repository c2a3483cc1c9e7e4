"""The convex hull of the curve of both error rates, by pool adjacent violators."""

from __future__ import annotations

import numpy as np

from bodysounds.metrics.ranked import Trials, curve
from bodysounds.types import Floats, Ints


def convex_hull(trials: Trials) -> tuple[Floats, Floats, Floats]:
    """Return far, frr and lowest accepted score at the corners of the hull, ends included.

    The isotonic regression of the labels on the scores pools neighbours until the share of targets
    rises; its blocks are the edges of the hull (the equivalence is Fawcett and Niculescu-Mizil,
    "PAV and the ROC convex hull", Machine Learning 2007). far falls from 1 to 0 and frr rises from
    0 to 1, each of shape (n_corners,), float64; the last score is infinity.
    """
    far, frr, lowest = curve(trials)
    corners = hull_corners(-np.diff(far), np.diff(frr))
    return far[corners], frr[corners], lowest[corners]


def hull_corners(other_steps: Floats, target_steps: Floats) -> Ints:
    """Return the indices of the curve's points at the corners of its hull, int64.

    `other_steps` and `target_steps` are the shares of the non-targets and of the targets at each
    distinct score, shape (n_scores,), of which never both are 0.
    """
    from scipy.optimize import isotonic_regression

    weight = other_steps + target_steps
    corners: Ints = isotonic_regression(target_steps / weight, weights=weight).blocks
    return corners
