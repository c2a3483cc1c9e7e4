"""Several trainings of each method: their mean, how far they scatter, and paired differences."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from bodysounds.metrics.respiratory import SCORE_RATES
from bodysounds.types import Floats, Metrics, Table

RUN_RATES = ("dev_score", *SCORE_RATES)


def runs_of(table: Table, level: float = 0.95) -> Metrics:
    """Return the rates of each method over its runs, and differences paired by seed.

    Parameters
    ----------
    table : Table
        A row a run: method, seed, and the rates of `RUN_RATES` in [0, 1].
    level : float in (0, 1)
        Of the intervals of differences.

    Returns
    -------
    runs : dict
        `methods` {method: {n, seeds, <rate>: {mean, std, each}}}, each by seed, std with n - 1
        (None of one run), and `differences` {method: {other: {n, mean, std, ci95}}} of its Score
        minus that of each before it, over the seeds that both ran, ci95 Student's, None of one.
        The std and these intervals tell how the seed moves a result on these same patients, not
        what other patients would.

    Raises ValueError for a rate that is not finite, and for a seed that a method has twice.
    """
    for rate in RUN_RATES:
        if not np.isfinite(table[rate].to_numpy(np.float64)).all():
            raise ValueError(f"{rate} of a run is not finite: the table of runs has a hole")
    twice = table.duplicated(["method", "seed"])
    if twice.any():
        row = table[twice].iloc[0]
        raise ValueError(f"{row['method']} has two runs of seed {row['seed']}: give each one seed")
    own = {
        str(method): part.sort_values("seed").set_index("seed")
        for method, part in table.groupby("method", sort=False)
    }
    differences: Metrics = {}
    for other, later in combinations(own, 2):
        both = own[later].index.intersection(own[other].index)
        if len(both):
            apart = own[later].loc[both, "score"] - own[other].loc[both, "score"]
            differences.setdefault(later, {})[other] = paired(apart.to_numpy(np.float64), level)
    return {
        "methods": {
            method: {
                "n": len(part),
                "seeds": [int(seed) for seed in part.index],
                **{rate: scattered(part[rate].to_numpy(np.float64)) for rate in RUN_RATES},
            }
            for method, part in own.items()
        },
        "differences": differences,
    }


def scattered(values: Floats) -> Metrics:
    """Return mean, std (with n - 1, None of one value) and each of the values."""
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "std": std, "each": [float(value) for value in values]}


def paired(apart: Floats, level: float) -> Metrics:
    """Return n, mean, std and Student's interval of the mean, of differences paired by seed."""
    from scipy.stats import t

    told = scattered(apart)
    n, std = len(apart), told["std"]
    between = None
    if std is not None:
        reach = float(t.ppf((1 + level) / 2, n - 1)) * std / math.sqrt(n)
        between = [told["mean"] - reach, told["mean"] + reach]
    return {"n": n, "mean": told["mean"], "std": std, "ci95": between}
