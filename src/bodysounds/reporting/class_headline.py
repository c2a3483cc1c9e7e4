"""The headline of a classification in one line."""

from __future__ import annotations

from bodysounds.reporting.class_words import CONDITIONS
from bodysounds.reporting.words import interval, percent
from bodysounds.types import Metrics


def class_headline(metrics: Metrics) -> str:
    """Return top-1 and top-5, what they stand on, heard sessions, and the baselines."""
    head = metrics["headline"]
    top5 = "" if head["top5"] is None else f", top-5 {percent(head['top5'])}"
    where = CONDITIONS[head["condition"]]
    sound = "SYNTHETIC sound" if head["synthetic"] else "real recordings"
    heard = ""
    if head["condition"] == "across_sessions" and head["heard_accuracy"] is not None:
        heard = f"heard sessions {percent(head['heard_accuracy'])}; "
    baselines = ", ".join(
        f"{name} {percent(entry['accuracy'])}"
        for name, entry in metrics[head["subset"]].items()
        if name != head["system"]
    )
    return (
        f"top-1 {percent(head['accuracy'])} ({head['level']:.0%} interval "
        f"{interval(head['accuracy_ci95'])}){top5} on {head['subset']}, {where}, "
        f"{head['n_classes']:,} {head['classes_are']}, {sound}; {heard}baselines: {baselines}"
    )
