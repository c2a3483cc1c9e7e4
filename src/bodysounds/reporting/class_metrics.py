"""metrics.json of a classification task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bodysounds.metrics.intervals import normal_interval
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_rating import ClassRating, rating, resampled
from bodysounds.reporting.class_words import TOGETHER, property_label
from bodysounds.reporting.plain import plain
from bodysounds.scoring.classify import ALONE
from bodysounds.types import Metrics, Table

SUBSETS = ("train", "dev", "test")
CONDITIONS = ("across_sessions", "same_session", "unknown")
DEFINITIONS = {
    "accuracy": "Top-1: the share of clips whose class is the most probable.",
    "top5": "The share of clips whose class is among the five most probable.",
    "balanced_accuracy": "The mean over classes of the share of their clips that are right.",
    "macro_f1": "The mean over classes of the harmonic mean of precision and recall, of those "
    "that have clips.",
    "intervals": "Sessions, with all their clips, are drawn with replacement; recordings where "
    "sessions are unknown. The speakers stay the same: nothing is said of others.",
    "across_sessions": "Test clips of a session of which training heard nothing.",
    "same_session": "Test clips of a session of which training heard other clips.",
    "unknown": "Test clips whose session the corpus does not tell.",
    "leak": "Accuracy on heard sessions minus that on unheard ones.",
    "shortcuts": "Logistic regression on one property, and its square, of the recording. Flagged "
    "where it is above chance, the interval widened for the number of properties audited, and "
    "reaches half of ours.",
}


def classification_metrics(
    predictions: Table,
    examples: Table,
    params: ReportClassesParams,
    *,
    synthetic: bool,
    classes_are: str = "classes",
    classes: Sequence[str] | None = None,
) -> Metrics:
    """Return the metrics of every system and condition, and the headline.

    Parameters
    ----------
    predictions : Table
        As `bodysounds.scoring.classes.prediction_table` gives, one system after another.
    examples : Table
        segment_id, recording_id, label, subset, session_id.
    synthetic : bool
        Whether nobody made these sounds.
    classes_are : str
        What the classes are called, such as speakers.
    classes : sequence of str, optional
        What the classifier may name; None: the labels of the examples, and no others.

    Returns
    -------
    metrics : dict
        `{subset: {system: entry}}` for train, dev and test (test: those of the headline), where an
        entry has accuracy, top5 (None of five classes or fewer), balanced_accuracy, macro_f1, each
        with its _ci95, n, n_groups, n_classes, per_class and confusion; `headline`, `subgroups`
        {condition: {system: entry}} of test, `leak`, `comparisons`, `shortcuts`, `classes`,
        `definitions`. Beyond 50 classes, confusion is None, and per_class is that of ours.
    """
    classes = sorted(set(examples["label"]) if classes is None else classes)
    audit = predictions["system"].str.startswith(ALONE)
    main = predictions[~audit]
    condition = _condition(main, params)
    rated = {name: main[main["subset"] == name] for name in SUBSETS}
    if condition != "all":
        rated["test"] = rated["test"][rated["test"]["condition"] == condition]
    parts = {
        name: rating(table, examples, classes, params)
        for name, table in rated.items()
        if len(table)
    }
    found: Metrics = {name: _entries(part) for name, part in parts.items()}
    tested = main[main["subset"] == "test"]
    groups = {
        name: rating(tested[tested["condition"] == name], examples, classes, params)
        for name in CONDITIONS
        if (tested["condition"] == name).any()
    }
    chance = _chance(found["test"], len(classes))
    alone = predictions[audit & predictions["segment_id"].isin(rated["test"]["segment_id"])]
    subgroups = {
        name: found["test"] if name == condition else _entries(part)
        for name, part in groups.items()
    }
    leak = _leak(groups)
    ours, heard = found["test"]["ours"], subgroups.get("same_session", {}).get("ours")
    return {
        **found,
        "headline": {
            "subset": "test",
            "system": "ours",
            "condition": condition,
            "level": params.level,
            "synthetic": synthetic,
            "classes_are": classes_are,
            "n_classes": len(classes),
            "n_classes_tested": ours["n_classes"],
            "chance": chance,
            "resampled": resampled(rated["test"], examples),
            **{
                key: ours[key]
                for key in ("accuracy", "accuracy_ci95", "top5", "top5_ci95", "n", "n_groups")
            },
            "train_accuracy": _accuracy(found, "train"),
            "dev_accuracy": _accuracy(found, "dev"),
            "heard_accuracy": heard["accuracy"] if heard else None,
            "heard_accuracy_ci95": heard["accuracy_ci95"] if heard else None,
        },
        "subgroups": subgroups,
        "leak": leak,
        "comparisons": {
            name: parts["test"].comparison(name) for name in parts["test"].systems if name != "ours"
        },
        "shortcuts": _shortcuts(rating(alone, examples, classes, params), found["test"], chance),
        "classes": classes,
        "definitions": DEFINITIONS,
    }


def _condition(predictions: Table, params: ReportClassesParams) -> str:
    """Return the condition that the headline counts: the strictest that has test clips."""
    there = set(predictions.loc[predictions["subset"] == "test", "condition"])
    if not there:
        raise ValueError("there is no test example to rate: lower train_size or val_size")
    if params.condition == "all":
        return "all"
    if "across_sessions" in there:
        return "across_sessions"
    return next(iter(there)) if len(there) == 1 else "all"


def _entries(part: ClassRating) -> dict[str, Metrics]:
    return {system: part.entry(system) for system in part.systems}


def _accuracy(found: Metrics, subset: str) -> float | None:
    value: float | None = found[subset]["ours"]["accuracy"] if subset in found else None
    return value


def _chance(systems: Mapping[str, Metrics], n_classes: int) -> float:
    """Return what guessing reaches: the most frequent class, or an equal guess if that is more."""
    most = systems.get("most_frequent", {}).get("accuracy")
    return float(max(1 / n_classes, most or 0.0))


def _leak(groups: Mapping[str, ClassRating]) -> dict[str, Metrics]:
    """Return, for each system, accuracy on heard sessions minus unheard, with its interval."""
    heard, unheard = groups.get("same_session"), groups.get("across_sessions")
    if heard is None or unheard is None:
        return {}
    found = {}
    for system in unheard.systems:
        parts = [part.correct(system) for part in (heard, unheard)]
        difference = float(parts[0].mean() - parts[1].mean())
        between = None
        if heard.draws and unheard.draws:
            # sessions of the two are different ones, so their draws must not move together
            first, second = heard.draws.means(parts[0]), unheard.draws.means(parts[1])[::-1]
            ends = normal_interval(difference, first - second, heard.params.level)
            between = [plain(end) for end in np.clip(ends, -1.0, 1.0)]
        found[system] = {"difference": difference, "ci95": between}
    return found


def _shortcuts(alone: ClassRating, systems: Mapping[str, Metrics], chance: float) -> Metrics:
    ours = systems["ours"]["accuracy"]
    found: Metrics = {
        name.removeprefix(ALONE): alone.alone(name, chance, ours, max(1, len(alone.systems)))
        for name in alone.systems
    }
    together = systems.get("recording")
    if together:
        flagged = together["accuracy_ci95"] is not None and (
            together["accuracy_ci95"][0] > chance and together["accuracy"] >= ours / 2
        )
        rates = {key: together[key] for key in ("accuracy", "accuracy_ci95")}
        found[TOGETHER] = {**rates, "flagged": bool(flagged)}
    return {**found, "verdict": verdict(found, chance, ours)}


def verdict(audit: Mapping[str, Any], chance: float, ours: float) -> str:
    """Return a sentence that names the flagged properties, or says that none is."""
    if not audit:
        return "No property of the recordings was audited."
    flagged = {name: entry["accuracy"] for name, entry in audit.items() if entry["flagged"]}
    if not flagged:
        best = max(audit, key=lambda name: audit[name]["accuracy"])
        return (
            f"None of the {len(audit)} audited is both above guessing ({chance:.1%}) and at half "
            f"of ours ({ours:.1%}) or more without listening to the voice; "
            f"{property_label(best)} gets furthest, to {audit[best]['accuracy']:.1%}."
        )
    ranked = sorted(flagged.items(), key=lambda item: -item[1])
    told = " and ".join(f"{property_label(name)} ({rate:.1%})" for name, rate in ranked)
    return (
        f"Warning: {told} alone reach at least half of ours ({ours:.1%}), so part of the result "
        "may rest on how a recording was made rather than on who is heard."
        if ranked[0][1] < ours
        else f"Warning: {told} alone reach as much as ours or more ({ours:.1%}): how a recording "
        "was made tells who is heard as well as the network does."
    )


def confusions(predictions: Table, system: str = "ours") -> Table:
    """Return how often each class was taken for each other one, the most frequent first.

    condition, label, predicted, n, of (test clips of the label in that condition), share.
    """
    tested = predictions[(predictions["subset"] == "test") & (predictions["system"] == system)]
    of = tested.groupby(["condition", "label"]).size().rename("of")
    wrong = tested[tested["predicted"] != tested["label"]]
    table = wrong.groupby(["condition", "label", "predicted"]).size().rename("n").reset_index()
    table = table.merge(of.reset_index(), on=["condition", "label"])
    table["share"] = table["n"] / np.maximum(table["of"], 1)
    order = ["n", "share", "condition", "label", "predicted"]
    ascending = [False, False, True, True, True]
    return table.sort_values(order, ascending=ascending, ignore_index=True)
