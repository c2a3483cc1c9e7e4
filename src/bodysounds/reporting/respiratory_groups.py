"""The ICBHI Score by device, place on the chest, age group and sex."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bodysounds.metrics.respiratory import SCORE_RATES
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_rating import rating
from bodysounds.types import Metrics, Table

COLUMNS = {"domain": "device", "location": "location", "age_group": "age group", "sex": "sex"}
"""Columns of examples that the Score is told by, and what they are called."""
SYSTEMS = ("ours", "most_frequent")
UNKNOWN = "unknown"


def group_scores(
    rows: Table,
    examples: Table,
    classes: Sequence[str],
    params: ReportClassesParams,
    groups_are: str = "patients",
) -> dict[str, dict[str, Metrics]]:
    """Return the rates of the ICBHI Score for each value of each of `COLUMNS`.

    Parameters
    ----------
    rows : Table
        Predictions that the headline counts.
    examples : Table
        segment_id, recording_id, session_id, and any of `COLUMNS`; a missing value is `unknown`.

    Returns
    -------
    groups : dict
        {column: {value: {n, n_negative, n_groups, ours, most_frequent}}}: cycles, those of the
        negative class, patients, and of each system score, se, sp, score_any, se_any with their
        _ci95 by patient. Rates that a value leaves undefined are None: score of a value whose
        cycles are all of the negative class, or none.
    """
    found: dict[str, dict[str, Metrics]] = {}
    for column in COLUMNS:
        if column not in examples or examples[column].isna().all():
            continue
        values = examples.set_index("segment_id")[column].astype(object).fillna(UNKNOWN)
        own = rows["segment_id"].map(values)
        found[column] = {
            str(value): _entry(part, examples, classes, params, groups_are)
            for value, part in rows[rows["system"].isin(SYSTEMS)].groupby(own, sort=True)
        }
    return found


def _entry(
    rows: Table,
    examples: Table,
    classes: Sequence[str],
    params: ReportClassesParams,
    groups_are: str,
) -> Metrics:
    rated = rating(rows, examples, classes, params, groups_are)
    labels: pd.Series[str] = next(iter(rated.systems.values()))["label"]
    keys = [key for rate in SCORE_RATES for key in (rate, f"{rate}_ci95")]
    return {
        "n": rated.n,
        "n_negative": int((labels == params.negative).sum()),
        "n_groups": len(set(rated.groups)),
        **{
            system: {key: entry[key] for key in keys}
            for system in rated.systems
            for entry in [rated.entry(system)]
        },
    }
