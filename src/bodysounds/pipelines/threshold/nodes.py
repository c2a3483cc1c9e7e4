"""Nodes of `threshold`."""

from __future__ import annotations

from bodysounds.params import ThresholdParams
from bodysounds.types import Metrics, Table


def choose_operating_point(
    scores: Table, trials: Table, sides: Table, manifest: Table, params: ThresholdParams
) -> Metrics:
    """Return the threshold that dev chooses, with its error rates on dev and test."""
    from bodysounds.reporting.operating_point import operating_point

    return operating_point(scores, trials, sides, manifest, params)


def decide(scores: Table, trials: Table, operating_point: Metrics) -> Table:
    """Return accept or reject for each test trial."""
    from bodysounds.reporting.operating_point import decisions

    return decisions(scores, trials, operating_point)
