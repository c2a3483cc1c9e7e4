"""The headline of a run in one line."""

from __future__ import annotations

from bodysounds.reporting.words import interval, percent
from bodysounds.types import Metrics


def eer_name(metrics: Metrics) -> str:
    """Return `EER`, and of which scores where it is not that of the cosines."""
    normalised = metrics["headline"].get("score", "cosine") == "normalised"
    return "EER after AS-norm" if normalised else "EER"


def headline(metrics: Metrics) -> str:
    """Return the EER with its interval, what it stands on, the baselines' EERs, and the sound."""
    head = metrics["headline"]
    systems = dict(metrics[head["subset"]])
    ours = systems.pop(head["system"])
    by_subject = head["weighting"] == "subject"
    systems.pop("averaged", None)  # ours too
    rated = {name: row["by_subject"] if by_subject else row for name, row in systems.items()}
    baselines = ", ".join(f"{name} {percent(row['eer'])}" for name, row in rated.items())
    sound = "SYNTHETIC cries" if head["synthetic"] else "real recordings"
    between = interval(head["eer_ci95"])
    return (
        f"{eer_name(metrics)} {percent(head['eer'])} ({head['level']:.0%} interval {between}) "
        f"on {head['subset']}, {ours['n_target_subjects']} subjects, {sound}; "
        f"baselines: {baselines}"
    )
