"""Scores as log-likelihood ratios: a logistic calibration that dev learns, one a system."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from bodysounds.params import ThresholdParams
from bodysounds.reporting.side_facts import side_seconds
from bodysounds.reporting.trial_table import TrialTable, trial_table
from bodysounds.scoring.calibration import cross_fitted_llrs, fit_calibration, trial_features
from bodysounds.types import Floats, Metrics, Table

log = logging.getLogger(__name__)


def calibrated(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    segments: Table,
    params: ThresholdParams,
) -> tuple[Table, Metrics]:
    """Return the log-likelihood ratio of every trial by every system, and the calibrations.

    Labelled dev trials, across sessions where there are such targets, teach. Each of them gets
    what trials of other subjects taught (cross-fitting), every other trial what all of them did.

    Returns
    -------
    llrs : Table
        system, trial_id, llr (float64, natural log; NaN for a system that cannot be calibrated).
    calibrations : dict
        By system: the calibration as plain values, or `{"why_not": reason}`.
    """
    joined = trial_table(scores, trials, sides, manifest, params.score)
    seconds = side_seconds(sides, segments) if params.calibrate_durations else None
    tables, calibrations = [], {}
    for system in joined.scores:
        try:
            values, calibrations[system] = _system(joined, system, seconds, params)
        except ValueError as error:
            log.warning("%s is not calibrated: %s", system, error)
            values = np.full(len(joined.table), np.nan)
            calibrations[system] = {"why_not": str(error)}
        tables.append(
            pd.DataFrame(
                {
                    "system": pd.Series([system] * len(values), dtype="str"),
                    "trial_id": joined.table["trial_id"].to_numpy(),
                    "llr": values,
                }
            )
        )
    return pd.concat(tables, ignore_index=True), calibrations


def _system(
    joined: TrialTable, system: str, seconds: pd.Series[float] | None, params: ThresholdParams
) -> tuple[Floats, Metrics]:
    table = joined.table
    durations = (
        [seconds.reindex(table[name]).to_numpy(np.float64) for name in ("enrol_id", "test_id")]
        if seconds is not None
        else []
    )
    features, names = trial_features(joined.scores[system], *durations)
    dev = joined.select("dev", joined.condition_of("dev", "across_sessions"))
    subsets = table["subset"].to_numpy(object)[dev.rows]
    learnt = fit_calibration(features[dev.rows], dev.labels, subsets, names=names)
    llrs = learnt.llrs(features)
    llrs[dev.rows] = cross_fitted_llrs(
        features[dev.rows],
        dev.labels,
        subsets,
        dev.enrol,
        dev.test,
        n_folds=params.calibration_folds,
        seed=params.seed,
    )
    return llrs, learnt.to_dict()
