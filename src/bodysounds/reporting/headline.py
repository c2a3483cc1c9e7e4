"""The headline of a run in one line."""

from __future__ import annotations

from bodysounds.reporting.words import interval, percent
from bodysounds.types import Metrics


def headline(metrics: Metrics) -> str:
    """Return the EER with its interval, what it stands on, the baselines' EERs, and the sound."""
    head = metrics["headline"]
    systems = dict(metrics[head["subset"]])
    ours = systems.pop(head["system"])
    by_subject = head["weighting"] == "subject"
    rated = {name: row["by_subject"] if by_subject else row for name, row in systems.items()}
    baselines = ", ".join(f"{name} {percent(row['eer'])}" for name, row in rated.items())
    sound = "SYNTHETIC cries" if head["synthetic"] else "real recordings"
    return (
        f"EER {percent(head['eer'])} ({head['level']:.0%} interval {interval(head['eer_ci95'])}) "
        f"on {head['subset']}, {ours['n_target_subjects']} subjects, {sound}; "
        f"baselines: {baselines}"
    )
