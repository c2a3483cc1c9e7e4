"""The threshold that dev chooses, its error rates there and on test, and the decisions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.metrics.resampling import TooFewSubjectsError
from bodysounds.metrics.verification import rates_at
from bodysounds.params import ThresholdParams
from bodysounds.reporting.plain import plain, plain_interval
from bodysounds.reporting.trial_table import Selection, trial_table
from bodysounds.scoring.threshold import choose_threshold
from bodysounds.types import Metrics, Table

SYSTEM = "ours"
RATES = ("far", "frr", "accuracy", "precision", "recall")


def operating_point(
    scores: Table, trials: Table, sides: Table, manifest: Table, params: ThresholdParams
) -> Metrics:
    """Choose the threshold of `ours` on dev, and rate it on dev and on test.

    Targets across sessions choose it where dev has any, since that is how it will be used;
    otherwise all do. Returns policy, threshold, score, system, chosen_on, condition, prior (share
    of targets among the trials that chose), level, calibration (None: no calibration yet), and for
    `dev` and `test` each rate with its interval over subjects (`_ci95`), n_target and n_nontarget;
    the rates are None where a subset lacks known targets or non-targets. Raises ValueError where
    dev has no target pair, naming dev.
    """
    joined = trial_table(scores, trials, sides, manifest)
    condition = joined.condition_of("dev", "across_sessions")
    dev = joined.select("dev", condition)
    for name, count in (("target", dev.n_target), ("non-target", dev.n_nontarget)):
        if not count:
            raise ValueError(
                f"no {name} pair among the {len(dev.labels):,} labelled dev trials, so no "
                "threshold can be chosen: give dev more subjects, and subjects with at least two "
                "recordings (split.dev_share, or the column split of the table)"
            )
    options = {"far": params.far} if params.policy == "far" else {}
    threshold = choose_threshold(params.policy, dev.scores[SYSTEM], dev.labels, **options)
    test = joined.select("test", joined.condition_of("test", condition))
    return {
        "policy": params.policy,
        "options": options,
        "threshold": threshold,
        "score": "cosine",
        "system": SYSTEM,
        "chosen_on": "dev",
        "condition": condition,
        "prior": dev.n_target / len(dev.labels),
        "level": params.level,
        "dev": _rates(dev, threshold, params),
        "test": _rates(test, threshold, params),
        "calibration": None,
    }


def _rates(selection: Selection, threshold: float, params: ThresholdParams) -> Metrics:
    entry: Metrics = {}
    found = draws = None
    if selection.rateable:
        scores = selection.scores[SYSTEM]
        found = rates_at(selection.labels, scores, threshold)
        try:
            sample = selection.resampler(params.n_bootstrap, params.seed)
            draws = sample.rate_draws(scores, threshold)
        except TooFewSubjectsError:
            draws = None
    for name in RATES:
        entry[name] = plain(found[name]) if found else None
        entry[f"{name}_ci95"] = plain_interval(draws[name], params.level) if draws else None
    return entry | {"n_target": selection.n_target, "n_nontarget": selection.n_nontarget}


def decisions(scores: Table, trials: Table, operating_point: Metrics) -> Table:
    """Return trial_id, llr (NaN: no calibration yet) and decision (1: same) of the test trials.

    The decision of the operating point's system: 1 where its score is at or above the threshold.
    """
    tested = trials.loc[trials["subset"] == "test", ["trial_id"]]
    system, score = str(operating_point["system"]), str(operating_point["score"])
    chosen = scores.loc[scores["system"] == system, ["trial_id", score]]
    joined = tested.merge(chosen, on="trial_id", how="left", validate="one_to_one")
    missing = joined.loc[joined[score].isna(), "trial_id"]
    if len(missing):
        raise ValueError(
            f"system {system} has no {score} for {len(missing)} test trials, such as "
            f"{missing.iloc[0]!r}: score all trials with it again"
        )
    accepted = joined[score].to_numpy(np.float64) >= operating_point["threshold"]
    return pd.DataFrame(
        {"trial_id": joined["trial_id"], "llr": np.nan, "decision": accepted.astype(np.int64)}
    )
