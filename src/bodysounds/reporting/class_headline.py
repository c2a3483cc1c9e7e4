"""The headline of a classification in one line."""

from __future__ import annotations

from bodysounds.reporting.class_audit import known_pair
from bodysounds.reporting.class_words import CONDITIONS, rate_label, shown_systems
from bodysounds.reporting.words import interval, percent
from bodysounds.types import Metrics


def class_headline(metrics: Metrics) -> str:
    """Return the headlined rate, what it stands on, and the other systems beside it."""
    head = metrics["headline"]
    rate = head["rate"]
    beside = "" if head["top5"] is None else f", top-5 {percent(head['top5'])}"
    if rate == "score":
        beside += (
            f", sensitivity {percent(head['se'])}, specificity {percent(head['sp'])} "
            f"({percent(head['score_any'])} were any abnormal class right)"
        )
    elif rate != "accuracy":
        beside += f", accuracy {percent(head['accuracy'])}, macro F1 {percent(head['macro_f1'])}"
    where = CONDITIONS[head["condition"]]
    sound = "SYNTHETIC sound" if head["synthetic"] else "real recordings"
    heard = ""
    if head["unheard"] and head[f"heard_{rate}"] is not None:
        pair = known_pair(head["condition"], metrics["subgroups"])
        beyond = CONDITIONS[pair[1]] if pair else f"heard {head['groups_are']}"
        heard = f"{beyond} {percent(head[f'heard_{rate}'])}; "
    return (
        f"{rate_label(rate)} {percent(head[rate])} ({head['level']:.0%} interval "
        f"{interval(head[f'{rate}_ci95'])}){beside}{_chosen(metrics)} on {head['subset']}, "
        f"{where}, {head['n_classes']:,} {head['classes_are']}, {sound}; {heard}{_others(metrics)}"
    )


def _chosen(metrics: Metrics) -> str:
    head = metrics["headline"]
    if not head.get("chosen"):
        return ""
    named = head["chosen"] in metrics[head["subset"]]
    by_subset = head["chosen_by"] in ("dev", "test") and named
    return f" by {head['chosen']}" + (f", which {head['chosen_by']} chose," if by_subset else "")


def _others(metrics: Metrics) -> str:
    """Return the rates of members, ensembles and baselines, as far as they are told apart."""
    head = metrics["headline"]
    parts = {
        "members": head.get("members", []),
        "ensembles": head.get("ensembles", []),
    }
    named = {head["system"], *(name for names in parts.values() for name in names)}
    parts["baselines"] = [name for name in metrics[head["subset"]] if name not in named]
    shown = shown_systems(metrics)
    told = []
    for kind, names in parts.items():
        rates = [
            f"{name} {percent(metrics[head['subset']][name][head['rate']])}"
            for name in names
            if name in shown
        ]
        if rates or kind == "baselines":
            told.append(f"{kind}: {', '.join(rates)}")
    return "; ".join(told)
