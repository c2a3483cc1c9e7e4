"""Error rates at a threshold, each with its interval over subjects."""

from __future__ import annotations

from bodysounds.metrics.resampling import TooFewSubjectsError
from bodysounds.metrics.verification import rates_at
from bodysounds.reporting.extremes import with_extremes
from bodysounds.reporting.plain import plain, plain_interval
from bodysounds.reporting.trial_table import Selection
from bodysounds.types import Floats, Metrics

RATES = ("far", "frr", "accuracy", "balanced_accuracy", "precision", "recall")


def rates_with_intervals(
    selection: Selection, scores: Floats, threshold: float, *, n: int, seed: int, level: float
) -> Metrics:
    """Return each rate and its interval (`_ci95`, from `n` resamples) where pairs weigh equally.

    `scores` (n_trials,) are those of the selection. Rates are None where it lacks targets or
    non-targets, intervals also where its subjects are too few.
    """
    found = rates_at(selection.labels, scores, threshold) if selection.rateable else None
    draws = None
    if found:
        try:
            draws = selection.resampler(n, seed).rate_draws(scores, threshold)
        except TooFewSubjectsError:
            draws = None
    entry: Metrics = {}
    for name in RATES:
        entry[name] = plain(found[name]) if found else None
        between = plain_interval(draws[name], level) if draws else None
        behind = _n_subjects(selection, name)
        entry[f"{name}_ci95"] = with_extremes(entry[name], between, behind, level)
    return entry


def _n_subjects(selection: Selection, rate: str) -> int:
    """Return the subjects behind a rate: misses happen to those with target pairs alone."""
    counts = selection.counts
    return counts["n_target_subjects" if rate in ("frr", "recall") else "n_subjects"]
