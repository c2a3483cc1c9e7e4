"""Two verification runs on the pairs that both rated: rates, and their paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bodysounds.metrics.intervals import normal_interval
from bodysounds.metrics.resampling import Resampler, TooFewSubjectsError
from bodysounds.metrics.verification import cllr, min_dcf, rates_at
from bodysounds.params import ReportParams
from bodysounds.reporting.plain import plain
from bodysounds.reporting.rating import Rating
from bodysounds.reporting.trial_table import Selection
from bodysounds.types import Array, Floats, Metrics, Table

RUNS = ("first", "second")
MOST_WORK, FEWEST_DRAWS = 25_000_000, 250
"""Of long lists fewer draws are made, so many pairs in all: an interval is a standard deviation,
which 250 draws tell within a tenth."""
AT_THRESHOLD = ("accuracy", "balanced_accuracy", "far", "frr")


@dataclass(frozen=True)
class PairRules:
    """How pairs are rated, the same way for both runs but for their thresholds."""

    condition: str
    weighting: str
    thresholds: tuple[float | None, float | None]
    costs: Mapping[str, float] | None
    """p_target, c_miss and c_fa."""
    params: ReportParams


def pair_rates(pairs: Table, rules: PairRules) -> tuple[list[Metrics], Metrics]:
    """Return the rates of two runs on common pairs, and the counts of pairs and subjects.

    `pairs` has trial_id, target, enrol_subject, test_subject, and condition, score and llr of each
    run as score_first, score_second and so on. Each rate is `{name, first, second, difference,
    ci95, excludes_zero}`, the difference being the second minus the first and its interval over
    resampled subjects; the EER comes first, weighed as the headline, and the others weigh pairs
    equally. No rate where the pairs lack targets or non-targets.
    """
    target = pairs["target"].to_numpy() == 1
    kept = pairs[~target | under(pairs, rules.condition)]
    kept = kept.sort_values("trial_id", kind="stable")
    enrol, test = (kept[f"{side}_subject"].to_numpy(object) for side in ("enrol", "test"))
    scores, llrs = (
        {run: kept[f"{column}_{run}"].to_numpy(np.float64) for run in RUNS}
        for column in ("score", "llr")
    )
    labels = kept["target"].to_numpy() == 1
    chosen = Selection(np.arange(len(kept)), enrol, test, labels, enrol, test, scores)
    draws_made = min(rules.params.n_bootstrap, max(FEWEST_DRAWS, MOST_WORK // max(1, len(kept))))
    counts = {"n": len(kept), "n_draws": draws_made, **chosen.counts}
    if not chosen.rateable:
        return [], counts
    rules = replace(rules, params=replace(rules.params, n_bootstrap=draws_made))
    rating = Rating(chosen, rules.params, rules.costs or {})
    draws = [rating.draws(run, rules.weighting) for run in RUNS]
    eers = [rating.eer(run, rules.weighting) for run in RUNS]
    rates = [paired("eer", eers, draws, rules.params.level)]
    sample = _resampler(chosen, rules.params)
    if rules.costs is not None:
        costs = rules.costs
        values = [min_dcf(labels, scores[run], **costs) for run in RUNS]
        draws = [sample.draws(scores[run], "min_dcf", **costs) if sample else None for run in RUNS]
        rates.append(paired("min_dcf", values, draws, rules.params.level))
    if all(np.isfinite(values).all() for values in llrs.values()):
        values = [cllr(labels, llrs[run]) for run in RUNS]
        draws = [sample.draws(llrs[run], "cllr") if sample else None for run in RUNS]
        rates.append(paired("cllr", values, draws, rules.params.level))
    return rates + _at_thresholds(chosen, sample, rules), counts


def under(rows: Table, condition: str) -> Array:
    """Return which rows meet a condition in both runs, bool (n_rows,)."""
    if condition == "all":
        return np.ones(len(rows), bool)
    both = (rows[[f"condition_{run}" for run in RUNS]] == condition).all(axis=1)
    return both.to_numpy(bool)


def _at_thresholds(chosen: Selection, sample: Resampler | None, rules: PairRules) -> list[Metrics]:
    """Return the rates of each run at its own threshold, nothing where one has none."""
    told = [
        (chosen.scores[run], threshold)
        for run, threshold in zip(RUNS, rules.thresholds, strict=True)
        if threshold is not None
    ]
    if len(told) < len(RUNS):
        return []
    values = [rates_at(chosen.labels, *one) for one in told]
    draws = [sample.rate_draws(*one) if sample else {} for one in told]
    return [
        paired(
            name,
            [found[name] for found in values],
            [drawn.get(name) for drawn in draws],
            rules.params.level,
        )
        for name in AT_THRESHOLD
    ]


def _resampler(chosen: Selection, params: ReportParams) -> Resampler | None:
    try:
        return chosen.resampler(params.n_bootstrap, params.seed)
    except TooFewSubjectsError:
        return None


def paired(name: str, values: list[float], draws: list[Floats | None], level: float) -> Metrics:
    """Return a rate of two runs with its difference, and that one's interval over common draws."""
    first, second = (plain(value) for value in values)
    told: Metrics = {
        "name": name, "first": first, "second": second,
        "difference": None, "ci95": None, "excludes_zero": None,
    }  # fmt: skip
    if first is None or second is None:
        return told
    told["difference"] = second - first
    if draws[0] is not None and draws[1] is not None:
        low, high = normal_interval(second - first, draws[1] - draws[0], level)
        told["ci95"] = [plain(low), plain(high)]
        told["excludes_zero"] = bool(low > 0 or high < 0)
    return told
