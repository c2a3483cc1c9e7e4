"""From the draws of a statistic to its interval."""

from __future__ import annotations

import math

import numpy as np

from bodysounds.types import Floats

MOST_EVIDENCE = 4
"""An equal error rate of n target subjects, one target trial each, is known at most as well as a
share of 4 n trials: where both classes are equally dense at the threshold, it moves by half of what
the FRR alone would. Several trials of a subject count for more than one and less than all: the
geometric mean of subjects and trials is taken."""


def percentile_interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the central `level` of the draws' distribution; draws that are NaN don't count."""
    check_level(level)
    defined = draws[~np.isnan(draws)]
    if not defined.size:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def normal_interval(estimate: float, draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the estimate plus and minus the draws' standard deviation times the normal quantile.

    For differences, of which percentiles reach too far: a draw holds some subjects several times,
    which moves an error rate in larger leaps than other subjects would, and where two systems err
    on the same subjects the leaps make up most of the difference. Draws that are NaN don't count.
    """
    from scipy.stats import norm

    check_level(level)
    defined = draws[~np.isnan(draws)]
    if not defined.size:
        return float("nan"), float("nan")
    reach = float(norm.ppf((1 + level) / 2) * defined.std())
    return estimate - reach, estimate + reach


def beta_interval(
    rate: float, draws: Floats, n_target_subjects: int, n_targets: int, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of an equal error rate from its standard deviation over the draws.

    Parameters
    ----------
    rate : float in [0, 1]
        The equal error rate of the trials.
    draws : float64 array of shape (n_draws,)
        The same of each draw; draws that are NaN don't count.
    n_target_subjects : int
        Subjects with target trials.
    n_targets : int
        Target trials.
    level : float in (0, 1)

    Returns
    -------
    low, high : float in [0, 1]

    Jeffreys' interval of a binomial share, with the number of trials at which that share would
    have the draws' standard deviation (an effective sample size, as in Korn and Graubard, Survey
    Methodology 1998). Where only a few targets are wrong no draw shows how many more might be, so
    the percentiles end too low and this does not.
    """
    from scipy.stats import beta

    check_level(level)
    defined = draws[~np.isnan(draws)]
    if not defined.size:
        return float("nan"), float("nan")
    n = n_target_subjects
    smoothed = (rate * n + 0.5) / (n + 1)  # a rate of 0 isn't known to be 0
    most = MOST_EVIDENCE * math.sqrt(n * n_targets)
    variance = float(defined.var())
    effective = min(smoothed * (1 - smoothed) / variance, most) if variance > 0 else most
    wrong, right = rate * effective + 0.5, (1 - rate) * effective + 0.5
    low, high = beta.ppf([(1 - level) / 2, (1 + level) / 2], wrong, right)
    return min(float(low), rate), max(float(high), rate)


def check_level(level: float) -> None:
    """Raise ValueError unless `level` lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
