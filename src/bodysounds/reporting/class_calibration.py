"""Whether a classifier's probabilities hold, and what it is worth where it may abstain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bodysounds.metrics.classification import class_codes
from bodysounds.metrics.reliability import (
    at_temperature,
    expected_calibration_error,
    log_loss,
    risk_coverage,
)
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_rating import ClassRating
from bodysounds.types import Floats, Metrics, Table

KEPT = (
    "accuracy", "accuracy_ci95", "balanced_accuracy", "balanced_accuracy_ci95", "macro_f1",
    "macro_f1_ci95", "n", "n_groups", "n_classes", "per_class",
)  # fmt: skip
"""Of an entry, all but the confusion matrix."""
N_CALIBRATED = 200
"""Times that labels are drawn as they would be if a classifier were calibrated."""


def temperature_of(system: str, rule: Mapping[str, Any]) -> float | None:
    name = rule.get("chosen") if system == "ours" else system
    value = rule.get("temperatures", {}).get(name)
    return None if value is None else float(value)


def calibration_of(
    rated: ClassRating, system: str, temperature: float | None, params: ReportClassesParams
) -> Metrics:
    """Return ece, what a calibrated classifier's would be, log_loss, aurc; and before scaling."""
    table = rated.probabilities(system)
    assert table is not None
    own = class_codes("labels", rated.systems[system]["label"].to_numpy(object), rated.classes)
    coverage, risk, _ = risk_coverage(rated.correct(system), table.max(axis=1))
    found = _calibration(own, table, params)
    found["aurc"] = float(np.sum(np.diff(coverage, prepend=0) * risk))
    found["temperature"] = temperature
    found["before"] = (
        _calibration(own, at_temperature(table, temperature), params) if temperature else None
    )
    return found


def _calibration(codes: Any, table: Floats, params: ReportClassesParams) -> Metrics:
    right, sure = table.argmax(axis=1) == codes, table.max(axis=1)
    rng = np.random.default_rng(params.seed)
    # in ascending order, so that no draw depends on that of the rows
    drawn = np.sort(sure)
    as_said = [
        expected_calibration_error(rng.random(len(sure)) < drawn, drawn, params.n_bins)
        for _ in range(N_CALIBRATED)
    ]
    return {
        "ece": expected_calibration_error(right, sure, params.n_bins),
        "ece_if_calibrated": float(np.mean(as_said)),
        "log_loss": log_loss(codes, table),
        "confidence": float(sure.mean()),
    }


def abstention(rated: ClassRating, rows: Table, rule: Mapping[str, Any]) -> Metrics | None:
    """Return how many clips get no answer of ours, and the rates of the others; None of no rule."""
    if "abstained" not in rows or "abstain" not in rule:
        return None
    ours = rows[rows["system"] == "ours"]
    kept = ours[~ours["abstained"].astype(bool)]
    silent = ours[ours["abstained"].astype(bool)]
    entry = None
    if len(kept):
        part = ClassRating(
            {"ours": kept.sort_values("segment_id").reset_index(drop=True)},
            _groups(rated, ours, kept),
            rated.classes,
            rated.params,
        )
        entry = {name: value for name, value in part.entry("ours").items() if name in KEPT}
    return {
        "threshold": float(rule["abstain"]["threshold"]),
        "aim": rule["abstain"].get("aim"),
        "value": rule["abstain"].get("value"),
        "n": len(ours),
        "n_abstained": len(silent),
        "coverage": len(kept) / len(ours),
        "abstained_by_class": {
            name: float(part["abstained"].astype(bool).mean())
            for name, part in ours.groupby("label")
        },
        "error_abstained": float((silent["rank"] > 1).mean()) if len(silent) else None,
        "kept": entry,
    }


def _groups(rated: ClassRating, ours: Table, kept: Table) -> Any:
    by_segment = dict(zip(sorted(ours["segment_id"]), rated.groups, strict=True))
    return np.array([by_segment[name] for name in sorted(kept["segment_id"])], dtype=object)
