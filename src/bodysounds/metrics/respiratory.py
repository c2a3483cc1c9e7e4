"""The ICBHI Score: the mean of sensitivity and specificity, under both definitions in use."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from bodysounds.metrics.classification import check_predictions
from bodysounds.metrics.groups import GroupDraws
from bodysounds.types import Array, Floats

SENSITIVITIES = ("exact", "any")
SCORE_RATES = ("score", "se", "sp", "score_any", "se_any")
"""Names of the rates of `score_rates`; specificity is the same under both definitions."""


class IcbhiScore(NamedTuple):
    """Score, sensitivity and specificity, each in [0, 1]."""

    score: float
    se: float
    sp: float


def icbhi_score(
    labels: Any,
    predictions: Any,
    sensitivity: Literal["exact", "any"] = "exact",
    negative: str = "normal",
    weights: Any = None,
) -> IcbhiScore:
    """Return the ICBHI Score, the mean of sensitivity and specificity, and the two.

    Parameters
    ----------
    labels, predictions : array-like of str, shape (n,)
        A class for each breath cycle.
    sensitivity : str
        `exact`: cycles of a crackle, a wheeze or both whose very class was named, over all of them:
        the definition of the ICBHI 2017 challenge (Rocha et al., Physiol. Meas. 2019), and that of
        published tables with four classes. `any`: those named any of the three, over all of
        them, what patch-mix (arXiv 2305.14032) calls evaluation with two classes; never
        lower. A Score under the one says nothing beside a Score under the other.
    negative : str
        The class that is not abnormal; specificity is the share of its cycles named so.
    weights : array-like of float, shape (n,), optional
        How much each cycle counts, such as how often its patient was drawn.

    Returns
    -------
    IcbhiScore
        score, se, sp, each in [0, 1]. Naming every cycle normal scores 0.5 under both.

    Raises ValueError for an unknown definition, missing values, empty input, unequal lengths,
    wrong weights, and where no cycle is normal, or none is not.
    """
    if sensitivity not in SENSITIVITIES:
        raise ValueError(f"sensitivity must be exact or any, got {sensitivity!r}")
    true, guess, weight = check_predictions(labels, predictions, weights)
    normal, hit = true == negative, _hits(true, guess, sensitivity, negative)
    for chosen, told in ((normal, f"none is {negative!r}"), (~normal, f"all are {negative!r}")):
        if not weight[chosen].any():
            raise ValueError(
                f"of {len(true)} labels, as far as they are weighed, {told}: the ICBHI Score is "
                f"the mean of a rate of {negative!r} cycles and one of the others, and needs both"
            )
    sp = float(np.average(hit[normal], weights=weight[normal]))
    se = float(np.average(hit[~normal], weights=weight[~normal]))
    return IcbhiScore((se + sp) / 2, se, sp)


def score_rates(labels: Any, predictions: Any, negative: str = "normal") -> dict[str, float | None]:
    """Return `SCORE_RATES` of cycles, under both definitions; None for what is undefined.

    Sensitivity is undefined without an abnormal cycle, specificity without a normal one, and the
    Score without either. Raises ValueError for missing values, empty input and unequal lengths.
    """
    true, guess, _ = check_predictions(labels, predictions)
    normal = true == negative
    found = {
        "sp": _share(_hits(true, guess, "exact", negative)[normal]),
        "se": _share(_hits(true, guess, "exact", negative)[~normal]),
        "se_any": _share(_hits(true, guess, "any", negative)[~normal]),
    }
    return {
        "score": _mean(found["se"], found["sp"]),
        "se": found["se"],
        "sp": found["sp"],
        "score_any": _mean(found["se_any"], found["sp"]),
        "se_any": found["se_any"],
    }


def drawn_scores(
    draws: GroupDraws, labels: Any, predictions: Any, negative: str = "normal"
) -> dict[str, Floats]:
    """Return `SCORE_RATES` of each draw of the patients, float64 (n_draws,) each.

    What a draw leaves undefined is NaN. Raises ValueError as `score_rates` does, and for rows other
    than those of the draws.
    """
    true, guess, _ = check_predictions(labels, predictions)
    if true.shape != draws.codes.shape:
        raise ValueError(f"labels must have shape {draws.codes.shape}, got {true.shape}")
    normal = true == negative

    def share(hit: Array, rows: Array) -> Floats:
        own, of = (
            draws.counts @ np.bincount(draws.codes, values, draws.n_groups)
            for values in ((hit & rows).astype(float), rows.astype(float))
        )
        return np.divide(own, of, out=np.full_like(own, np.nan), where=of > 0)

    exact, some = (_hits(true, guess, kind, negative) for kind in SENSITIVITIES)
    sp, se, se_any = share(exact, normal), share(exact, ~normal), share(some, ~normal)
    return {
        "score": (se + sp) / 2,
        "se": se,
        "sp": sp,
        "score_any": (se_any + sp) / 2,
        "se_any": se_any,
    }


def _hits(true: Array, guess: Array, sensitivity: str, negative: str) -> Array:
    """Return whether each cycle is right, bool (n,)."""
    hit: Array = (
        true == guess if sensitivity == "exact" else (true == negative) == (guess == negative)
    )
    return hit.astype(bool)


def _share(hit: Array) -> float | None:
    return float(hit.mean()) if len(hit) else None


def _mean(se: float | None, sp: float | None) -> float | None:
    return None if se is None or sp is None else (se + sp) / 2
