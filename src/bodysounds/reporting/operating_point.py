"""The threshold that dev chooses, its error rates there and on test, and the decisions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.params import ThresholdParams
from bodysounds.reporting.rates import rates_with_intervals
from bodysounds.reporting.trial_table import Selection, TrialTable, trial_table
from bodysounds.scoring.threshold import POLICIES, choose_threshold, far_doubles_at
from bodysounds.types import Metrics, Table

SYSTEM = "ours"


def operating_point(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    params: ThresholdParams,
    calibration: Metrics | None = None,
) -> Metrics:
    """Choose the threshold of `ours` on dev, and rate it on dev and on test.

    Targets across sessions choose it where dev has any, since that is how it will be used;
    otherwise all do. Returns policy, options, threshold, score, system, chosen_on, condition, prior
    (share of targets among the trials that chose), costs, level, calibration, and for `dev` and
    `test` each rate with its interval over subjects (`_ci95`), n_target, n_nontarget and
    n_target_subjects; the rates are None where a subset lacks known targets or non-targets. `drift`
    says at which threshold FAR on dev would double. `policies` has the same for every policy.
    Raises ValueError where dev has no target pair, naming dev.
    """
    joined = trial_table(scores, trials, sides, manifest, params.score)
    if params.score == "normalised" and SYSTEM not in joined.normalised:
        raise ValueError(
            "threshold.score is normalised, and ours has no normalised scores: AS-norm needs at "
            "least two known subjects in train and score_pairs.cohort_subjects above 0; or set "
            "threshold.score to cosine"
        )
    condition = joined.condition_of("dev", "across_sessions")
    dev = joined.select("dev", condition)
    for name, count in (("target", dev.n_target), ("non-target", dev.n_nontarget)):
        if not count:
            raise ValueError(
                f"no {name} pair among the {len(dev.labels):,} labelled dev trials, so no "
                "threshold can be chosen: give dev more subjects, and subjects with at least two "
                "recordings (split.dev_share, or the column split of the table)"
            )
    test = joined.select("test", joined.condition_of("test", condition))
    folds = [name for name in calibration or {} if name.startswith("fold_")]
    on_dev = "the pooled dev of all folds" if folds else "dev"
    policies = {name: _chosen(name, joined, dev, test, params, on_dev) for name in POLICIES}
    return {
        "policy": params.policy,
        **policies[params.policy],
        "score": params.score,
        "system": SYSTEM,
        "condition": condition,
        "prior": dev.n_target / len(dev.labels),
        "costs": {"p_target": params.p_target, "c_miss": params.c_miss, "c_fa": params.c_fa},
        "level": params.level,
        "policies": policies,
        "calibration": calibration,
    }


def _chosen(
    policy: str,
    joined: TrialTable,
    dev: Selection,
    test: Selection,
    params: ThresholdParams,
    on_dev: str,
) -> Metrics:
    options = {name: getattr(params, name) for name in POLICIES[policy][1]}
    if policy == "prior":
        # every test trial, labelled or not: nothing but the scores is looked at
        rows = (joined.table["subset"] == "test").to_numpy(bool)
        chosen_on = "test, without its labels" if rows.any() else on_dev
        scores = joined.scores[SYSTEM][rows] if rows.any() else dev.scores[SYSTEM]
        threshold = choose_threshold(policy, scores, **options)
    else:
        chosen_on = on_dev
        threshold = choose_threshold(policy, dev.scores[SYSTEM], dev.labels, **options)
    doubles = far_doubles_at(dev.labels, dev.scores[SYSTEM], threshold)
    drift = None if doubles is None else {"scores": threshold - doubles, "far_doubles_at": doubles}
    return {
        "options": options,
        "threshold": threshold,
        "chosen_on": chosen_on,
        "dev": _rates(dev, threshold, params),
        "test": _rates(test, threshold, params),
        "drift": drift,
    }


def _rates(selection: Selection, threshold: float, params: ThresholdParams) -> Metrics:
    scores = selection.scores[SYSTEM]
    entry = rates_with_intervals(
        selection,
        scores,
        threshold,
        n=params.n_bootstrap,
        seed=params.seed,
        level=params.level,
    )
    names = ("n_target", "n_nontarget", "n_target_subjects")
    return entry | {name: selection.counts[name] for name in names}


def decisions(
    scores: Table, trials: Table, operating_point: Metrics, llrs: Table | None = None
) -> Table:
    """Return trial_id, llr and decision (1: same) of the test trials.

    The decision of the operating point's system: 1 where its score is at or above the threshold.
    llr is its calibrated log-likelihood ratio (natural log), NaN where there is no calibration.
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
    llr = np.full(len(joined), np.nan)
    if llrs is not None:
        own = llrs[llrs["system"] == system].set_index("trial_id")["llr"]
        llr = own.reindex(joined["trial_id"]).to_numpy(np.float64)
    return pd.DataFrame(
        {"trial_id": joined["trial_id"], "llr": llr, "decision": accepted.astype(np.int64)}
    )
