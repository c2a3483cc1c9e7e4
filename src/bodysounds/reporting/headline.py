"""The headline of a run in one line."""

from __future__ import annotations

from bodysounds.params.report import ReportParams
from bodysounds.params.score_pairs import VARIANTS
from bodysounds.reporting.words import interval, percent
from bodysounds.types import Metrics

FEWEST = ReportParams.min_subjects
"""A headline of fewer subjects says so, whatever `report.min_subjects` a run's groups have."""


def eer_name(metrics: Metrics) -> str:
    """Return `EER`, and of which scores where it is not that of the cosines."""
    normalised = metrics["headline"].get("score", "cosine") == "normalised"
    return "EER after AS-norm" if normalised else "EER"


def headline(metrics: Metrics) -> str:
    """Return EER and accuracy with intervals, what they stand on, and the baselines' EERs."""
    head = metrics["headline"]
    if "n_classes" in head:
        from bodysounds.reporting.class_headline import class_headline

        return class_headline(metrics)
    systems = dict(metrics[head["subset"]])
    ours = systems.pop(head["system"])
    by_subject = head["weighting"] == "subject"
    rated = {
        name: row["by_subject"] if by_subject else row
        for name, row in systems.items()
        if name not in VARIANTS  # ours too
    }
    baselines = ", ".join(f"{name} {percent(row['eer'])}" for name, row in rated.items())
    sound = "SYNTHETIC sound" if head["synthetic"] else "real recordings"
    between = (
        f"{head['level']:.0%} interval {interval(head['eer_ci95'])}"
        if head["eer_ci95"]
        else "no interval: too few subjects"
    )
    few = " (too few to rely on)" if ours["n_target_subjects"] < FEWEST else ""
    return (
        f"{eer_name(metrics)} {percent(head['eer'])} ({between})"
        f"{_accuracy(head)} "
        f"on {head['subset']}, {ours['n_target_subjects']} subjects{few}, {sound}; "
        f"baselines: {baselines}"
    )


def threshold_told(head: Metrics) -> str:
    """Return which threshold the accuracy is that of."""
    chosen_on = str(head["threshold_chosen_on"])
    if chosen_on.startswith("test"):  # the policy `prior` looks at scores alone
        return "at the threshold that the unlabelled test chose"
    return f"at the threshold that {chosen_on} chose"


def _accuracy(head: Metrics) -> str:
    if head.get("accuracy") is None:
        return ""
    accuracy, balanced = percent(head["accuracy"]), percent(head["balanced_accuracy"])
    between = interval(head["accuracy_ci95"])
    return f", accuracy {accuracy} ({between}; balanced {balanced}) {threshold_told(head)},"
