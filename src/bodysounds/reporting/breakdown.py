"""The error rates of groups of pairs, each with its interval, or the reason why it has none."""

from __future__ import annotations

import numpy as np

from bodysounds.metrics.arrays import subject_codes
from bodysounds.metrics.bootstrap import subject_weights
from bodysounds.metrics.resampling import TooFewSubjectsError, resampler
from bodysounds.metrics.verification import equal_error_rate, rates_at
from bodysounds.params import ReportParams
from bodysounds.reporting.extremes import with_extremes
from bodysounds.reporting.pair_groups import pair_groups
from bodysounds.reporting.plain import eer_interval, plain, plain_interval
from bodysounds.reporting.trial_table import Selection, TrialTable
from bodysounds.types import Array, Floats, Metrics, Table

SYSTEM = "ours"
MIN_PAIRS = 10
"""Targets, and non-targets, below which a group is not rated."""
RATES = ("eer", "far", "frr")


def breakdown(
    joined: TrialTable, chosen: Selection, facts: Table, threshold: float, params: ReportParams
) -> Metrics:
    """Return the rates of `ours` in each group of the headline's pairs.

    `{dimension: {group: {eer, eer_ci95, far, far_ci95, frr, frr_ci95, n_target, n_nontarget,
    n_target_subjects, n_subjects, n_false_accepts, n_false_rejects, why}}}` for each dimension of
    `pair_groups`, and `skipped`, the reason of each that has no groups. far and frr are those at
    the threshold, where every group's errors are counted; pairs or subjects weigh equally, as in
    the headline. A group of fewer than `params.min_subjects` target subjects, 10 targets or 10
    non-targets has no rates, and `why` says so. `chosen` is a selection of `joined`, `facts` a row
    a side as `side_facts` gives.
    """
    found: Metrics = {}
    skipped: dict[str, str] = {}
    conditions = joined.table["condition"].to_numpy(object)[chosen.rows]
    for dimension, groups in pair_groups(chosen, facts, conditions).items():
        if isinstance(groups, str):
            skipped[dimension] = groups
            continue
        found[dimension] = {
            name: group_rates(
                chosen.labels[mask], chosen.scores[SYSTEM][mask], chosen.enrol[mask],
                chosen.test[mask], threshold, params,
            )
            for name, mask in groups.items()
        }  # fmt: skip
    return {**found, "skipped": skipped}


def group_rates(
    labels: Array, scores: Floats, enrol: Array, test: Array, threshold: float, params: ReportParams
) -> Metrics:
    """Return the entry of one group of pairs, at least one; arrays are of shape (n_pairs,)."""
    first, second, _ = subject_codes(enrol, test, labels)
    counts = {
        "n_target": int(labels.sum()),
        "n_nontarget": int((~labels).sum()),
        "n_target_subjects": len(np.unique(first[labels])),
        "n_subjects": len(np.unique(np.concatenate([first, second]))),
    }
    accepted = scores >= threshold
    errors = {
        "n_false_accepts": int((accepted & ~labels).sum()),
        "n_false_rejects": int((~accepted & labels).sum()),
    }
    why = _too_few(counts, params.min_subjects)
    entry: Metrics = dict.fromkeys(key for rate in RATES for key in (rate, f"{rate}_ci95"))
    if why is None:
        weights = subject_weights(labels, enrol, test) if params.weighting == "subject" else None
        rates = rates_at(labels, scores, threshold, weights)
        entry["eer"] = plain(equal_error_rate(labels, scores, weights)[0])
        entry |= {name: plain(rates[name]) for name in ("far", "frr")}
        entry |= counts
        entry |= _intervals(entry, labels, scores, enrol, test, threshold, weights, params)
    entry |= {**counts, **errors, "why": why}
    return entry | _widened(entry, params.level)


def _too_few(counts: dict[str, int], min_subjects: int) -> str | None:
    for name, told, least in (
        ("n_target_subjects", "subjects with target pairs", min_subjects),
        ("n_target", "target pairs", MIN_PAIRS),
        ("n_nontarget", "non-target pairs", MIN_PAIRS),
    ):
        if counts[name] < least:
            return f"too few: {counts[name]} of at least {least} {told}"
    return None


def _intervals(
    entry: Metrics, labels: Array, scores: Floats, enrol: Array, test: Array, threshold: float,
    weights: Floats | None, params: ReportParams,
) -> Metrics:  # fmt: skip
    try:
        sample = resampler(labels, enrol, test, n=params.n_bootstrap, seed=params.seed)
    except TooFewSubjectsError:
        return {}
    draws = sample.rate_draws(scores, threshold, weights)
    found: Metrics = {
        f"{rate}_ci95": plain_interval(draws[rate], params.level) for rate in ("far", "frr")
    }
    eers = sample.draws(scores, "eer", weights)
    return found | {"eer_ci95": eer_interval(entry["eer"], eers, entry, params.level)}


def _widened(entry: Metrics, level: float) -> Metrics:
    """Return the intervals, with a width where no error was seen."""
    targets = entry["n_target_subjects"]
    behind = {"far": entry["n_subjects"], "frr": targets}
    return {
        f"{rate}_ci95": with_extremes(entry[rate], entry[f"{rate}_ci95"], count, level)
        for rate, count in behind.items()
    }
