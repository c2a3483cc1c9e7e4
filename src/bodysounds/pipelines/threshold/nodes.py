"""Nodes of `threshold`."""

from __future__ import annotations

from bodysounds.params import ThresholdParams
from bodysounds.types import Metrics, Table


def calibrate(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    segments: Table,
    params: ThresholdParams,
) -> tuple[Table, Metrics]:
    """Return the log-likelihood ratio of each trial, and the calibrations that dev taught."""
    from bodysounds.reporting.llrs import calibrated

    return calibrated(scores, trials, sides, manifest, segments, params)


def choose_operating_point(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    calibration: Metrics,
    params: ThresholdParams,
) -> Metrics:
    """Return the threshold that dev chooses, with its error rates on dev and test."""
    from bodysounds.reporting.operating_point import operating_point

    return operating_point(scores, trials, sides, manifest, params, calibration)


def decide(scores: Table, trials: Table, operating_point: Metrics, llrs: Table) -> Table:
    """Return accept or reject, and the log-likelihood ratio, of each test trial."""
    from bodysounds.reporting.operating_point import decisions

    return decisions(scores, trials, operating_point, llrs)
