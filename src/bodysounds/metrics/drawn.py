"""A statistic of the same trials under many sets of weights: what can be computed once, is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bodysounds.metrics.cost import decision_loss, detection_costs
from bodysounds.metrics.hull import hull_corners
from bodysounds.metrics.llr import hull_cllr, llr_loss
from bodysounds.types import Array, Floats, Ints

Statistic: TypeAlias = "str | Callable[[Array, Floats, Floats], float]"
Weighted: TypeAlias = "Callable[[Floats], float]"


@dataclass(frozen=True)
class Costs:
    """What `min_dcf` and `act_dcf` are asked for; the other statistics don't read it."""

    p_target: float | None = None
    c_miss: float = 1.0
    c_fa: float = 1.0

    def checked(self, statistic: str) -> tuple[float, float, float]:
        """Return the three numbers, or raise ValueError where there is no `p_target`."""
        if self.p_target is None:
            raise ValueError(
                f"statistic {statistic} needs p_target, the share of targets in use, such as 0.01"
            )
        return self.p_target, self.c_miss, self.c_fa


def by_weights(statistic: Statistic, target: Array, score: Floats, costs: Costs) -> Weighted:
    """Return the function that gives the statistic of trials in ascending order from weights.

    `statistic` is a name in `STATISTICS` or a callable of labels, scores and weights. Raises
    ValueError for an unknown name and for missing costs.
    """
    if callable(statistic):
        return lambda weight: float(statistic(target, score, weight))
    check_statistic(statistic)
    return STATISTICS[statistic](target, score, costs)


def check_statistic(statistic: Statistic) -> None:
    """Raise ValueError unless the statistic is a callable or a known name."""
    if not callable(statistic) and statistic not in STATISTICS:
        known = ", ".join(STATISTICS)
        raise ValueError(f"statistic must be a callable or one of {known}, got {statistic!r}")


@dataclass(frozen=True)
class _Ties:
    """Where the classes and the ties of one sort lie."""

    targets: Ints
    others: Ints
    start: Ints  # of each row: the first row of its tie
    end: Ints  # of each row: one past the last row of its tie


def _ties(target: Array, score: Floats) -> _Ties:
    first = np.append(True, score[1:] != score[:-1])
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(score))
    return _Ties(np.flatnonzero(target), np.flatnonzero(~target), starts[group], ends[group])


def _eer(target: Array, score: Floats, costs: Costs) -> Weighted:
    ties = _ties(target, score)

    def eer(weight: Floats) -> float:
        # 1 - FAR + FRR of the rows below a threshold, as one running sum, which reaches 1 where
        # FAR = FRR.
        of_targets = weight[ties.targets]
        of_targets /= of_targets.sum()
        share = weight / weight[ties.others].sum()
        share[ties.targets] = of_targets
        running = np.cumsum(share)
        row = min(int(np.searchsorted(running, 1.0)), len(running) - 1)
        start, end = int(ties.start[row]), int(ties.end[row])
        before = running[start - 1] if start else 0.0
        step = running[end - 1] - before
        first, last = np.searchsorted(ties.targets, (start, end))
        missed, inside = of_targets[:first].sum(), of_targets[first:last].sum()
        return float(missed + inside * ((1.0 - before) / step if step > 0 else 0.0))

    return eer


def _auc(target: Array, score: Floats, costs: Costs) -> Weighted:
    ties = _ties(target, score)

    def auc(weight: Floats) -> float:
        other = weight.copy()
        other[ties.targets] = 0.0
        below = np.append(0.0, np.cumsum(other))
        wins = (below[ties.start[ties.targets]] + below[ties.end[ties.targets]]) / 2
        of_targets = weight[ties.targets]
        return float(of_targets @ wins / (of_targets.sum() * below[-1]))

    return auc


def _min_dcf(target: Array, score: Floats, costs: Costs) -> Weighted:
    miss, false_alarm = detection_costs(*costs.checked("min_dcf"))
    targets, others = np.flatnonzero(target), np.flatnonzero(~target)
    last = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1)

    def min_dcf(weight: Floats) -> float:
        # what rejecting one row more costs: a miss, less a false alarm
        change = weight * (-false_alarm / weight[others].sum())
        of_targets = weight[targets]
        change[targets] = of_targets * (miss / of_targets.sum())
        least = false_alarm + np.cumsum(change)[last].min()
        return float(min(max(least, 0.0), 1.0))

    return min_dcf


def _min_cllr(target: Array, score: Floats, costs: Costs) -> Weighted:
    # Neighbouring scores of one class only always end in one block: they are joined beforehand.
    starts = np.flatnonzero(np.append(True, score[1:] != score[:-1]))
    n_targets = np.add.reduceat(target.astype(np.int64), starts)
    kind = np.sign(n_targets) + 2 * (n_targets < np.diff(np.append(starts, len(score))))
    joined = (kind[1:] == kind[:-1]) & (kind[1:] != 3)
    starts = starts[np.append(True, ~joined)]

    def min_cllr(weight: Floats) -> float:
        whole = np.add.reduceat(weight, starts)
        hits = np.add.reduceat(weight * target, starts)
        kept = whole > 0
        a, b = hits[kept], (whole - hits)[kept]
        a, b = a / a.sum(), b / b.sum()
        edges = hull_corners(b, a)[:-1]
        return hull_cllr(np.add.reduceat(b, edges), np.add.reduceat(a, edges))

    return min_cllr


def _cllr(target: Array, score: Floats, costs: Costs) -> Weighted:
    return _mean_loss(target, llr_loss(target, score), 0.5, 0.5)


def _act_dcf(target: Array, score: Floats, costs: Costs) -> Weighted:
    checked = costs.checked("act_dcf")
    miss, false_alarm = detection_costs(*checked)
    return _mean_loss(target, decision_loss(target, score, *checked), miss, false_alarm)


def _mean_loss(target: Array, loss: Floats, of_targets: float, of_others: float) -> Weighted:
    targets, others = np.flatnonzero(target), np.flatnonzero(~target)
    loss_t, loss_o = loss[targets], loss[others]

    def mean_loss(weight: Floats) -> float:
        weight_t, weight_o = weight[targets], weight[others]
        return float(
            of_targets * (weight_t @ loss_t) / weight_t.sum()
            + of_others * (weight_o @ loss_o) / weight_o.sum()
        )

    return mean_loss


STATISTICS: dict[str, Callable[[Array, Floats, Costs], Weighted]] = {
    "eer": _eer,
    "auc": _auc,
    "min_dcf": _min_dcf,
    "act_dcf": _act_dcf,
    "cllr": _cllr,
    "min_cllr": _min_cllr,
}
