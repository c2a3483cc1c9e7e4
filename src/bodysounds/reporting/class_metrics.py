"""metrics.json of a classification task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bodysounds.metrics.respiratory import SCORE_RATES
from bodysounds.params.report_classes import HEARD, ReportClassesParams
from bodysounds.reporting.class_audit import RANDOM_CYCLE, audited, known_pair, leak_of
from bodysounds.reporting.class_definitions import definitions
from bodysounds.reporting.class_groups import NAMED_WITHIN_CLASS, resampled
from bodysounds.reporting.class_rating import ClassRating, rating
from bodysounds.scoring.classify import ALONE
from bodysounds.types import Metrics, Table

SUBSETS = ("train", "dev", "test")
CONDITIONS = (*(name for pair in HEARD.items() for name in pair), "unknown", RANDOM_CYCLE)
RATES = ("accuracy", "balanced_accuracy", "macro_f1")


def classification_metrics(
    predictions: Table,
    examples: Table,
    params: ReportClassesParams,
    *,
    synthetic: bool,
    classes_are: str = "classes",
    groups_are: str = NAMED_WITHIN_CLASS,
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
    groups_are : str
        What session_id names and intervals resample: sessions, each of one class, or other groups,
        such as sources, that may be of several.
    classes : sequence of str, optional
        What the classifier may name; None: the labels of the examples, and no others.

    Returns
    -------
    metrics : dict
        `{subset: {system: entry}}` for train, dev and test (test: those of the headline), where an
        entry has accuracy, top5 (None of five classes or fewer), balanced_accuracy, macro_f1, each
        with its _ci95, n, n_groups, n_classes, per_class (of 12 classes or fewer, with intervals)
        and confusion; `headline`, `subgroups` {condition: {system: entry}} of test, `leak`,
        `comparisons`, `shortcuts`, `classes`, `definitions`. Beyond 50 classes, confusion is None,
        and per_class is that of ours. With a `negative` class, entries also have
        `bodysounds.metrics.respiratory.SCORE_RATES`, and subgroups `all` where there are several.

    Rows of the condition random_cycle, the same examples as a split by example would deal them,
    stand in subgroups and leak, and nowhere else. Raises ValueError where nothing is test, and
    where the headlined rate is undefined.
    """
    classes = sorted(set(examples["label"]) if classes is None else classes)
    audit = predictions["system"].str.startswith(ALONE)
    main = predictions[~audit]
    dealt = main[main["condition"] != RANDOM_CYCLE]
    condition = _condition(dealt, params)
    rated = {name: dealt[dealt["subset"] == name] for name in SUBSETS}
    if condition != "all":
        rated["test"] = rated["test"][rated["test"]["condition"] == condition]
    parts = {
        name: rating(table, examples, classes, params, groups_are)
        for name, table in rated.items()
        if len(table)
    }
    found: Metrics = {name: _entries(part) for name, part in parts.items()}
    ours = found["test"]["ours"]
    check_negative(classes, ours, params)
    tested = main[main["subset"] == "test"]
    chosen = {name: tested[tested["condition"] == name] for name in CONDITIONS}
    everyone = dealt[dealt["subset"] == "test"]
    if params.negative is not None and everyone["condition"].nunique() > 1:
        chosen["all"] = everyone
    groups = {
        name: rating(table, examples, classes, params, groups_are)
        for name, table in chosen.items()
        if len(table)
    }
    chance = _chance(found["test"], len(classes), params.headline)
    alone = predictions[audit & predictions["segment_id"].isin(rated["test"]["segment_id"])]
    subgroups = {
        name: found["test"] if name == condition else _entries(part)
        for name, part in groups.items()
    }
    rates = RATES if params.negative is None else (*RATES, *SCORE_RATES)
    pair = known_pair(params.condition, groups)
    heard = subgroups[pair[1]]["ours"] if pair else None
    return {
        **found,
        "headline": {
            "subset": "test",
            "system": "ours",
            "rate": params.headline,
            "condition": condition,
            "unheard": condition in HEARD,
            "level": params.level,
            "synthetic": synthetic,
            "classes_are": classes_are,
            "groups_are": groups_are,
            "n_classes": len(classes),
            "n_classes_tested": ours["n_classes"],
            "chance": chance,
            "resampled": resampled(rated["test"], examples, groups_are),
            **{key: ours[key] for rate in (*rates, "top5") for key in (rate, f"{rate}_ci95")},
            "n": ours["n"],
            "n_groups": ours["n_groups"],
            **{
                f"{name}_{rate}": found[name]["ours"][rate] if name in found else None
                for name in ("train", "dev")
                for rate in rates
            },
            **{
                f"heard_{key}": heard[key] if heard else None
                for rate in rates
                for key in (rate, f"{rate}_ci95")
            },
        },
        "subgroups": subgroups,
        "leak": leak_of(groups, params),
        "comparisons": {
            name: parts["test"].comparison(name, params.headline)
            for name in parts["test"].systems
            if name != "ours"
        },
        "shortcuts": audited(
            rating(alone, examples, classes, params, groups_are),
            found["test"],
            chance,
            who=groups_are == NAMED_WITHIN_CLASS,
        ),
        "classes": classes,
        "definitions": definitions(params.headline, groups_are),
    }


def _condition(predictions: Table, params: ReportClassesParams) -> str:
    """Return the condition that the headline counts: the strictest that has test clips."""
    there = set(predictions.loc[predictions["subset"] == "test", "condition"])
    if not there:
        raise ValueError("there is no test example to rate: lower train_size or val_size")
    if params.condition in (there | {"all"}):
        return params.condition
    return next(iter(there)) if len(there) == 1 else "all"


def check_negative(classes: Sequence[str], entry: Metrics, params: ReportClassesParams) -> None:
    """Raise ValueError where the negative class is none, or the headlined Score undefined."""
    if params.negative is None:
        return
    if params.negative not in classes:
        raise ValueError(
            f"report_classes.negative is {params.negative!r}, which is none of the classes: name "
            f"one of {', '.join(classes)}"
        )
    if params.headline == "score" and entry["score"] is None:
        raise ValueError(
            f"the ICBHI Score needs test cycles that are {params.negative!r} and others, and these "
            f"{entry['n']} are of one kind: deal the patients with another seed, or set "
            "report_classes.headline to accuracy"
        )


def _entries(part: ClassRating) -> dict[str, Metrics]:
    return {system: part.entry(system) for system in part.systems}


def _chance(systems: Mapping[str, Metrics], n_classes: int, rate: str) -> float:
    """Return what guessing reaches: the most frequent class, or an equal guess if that is more.

    Of the ICBHI Score it is 0.5, what naming every cycle normal reaches.
    """
    if rate == "score":
        return 0.5
    most = systems.get("most_frequent", {}).get(rate)
    return float(max(1 / n_classes, most or 0.0))


def confusions(predictions: Table, system: str = "ours") -> Table:
    """Return how often each class was taken for each other one, the most frequent first.

    condition, label, predicted, n, of (test clips of the label in that condition), share.
    """
    tested = predictions[(predictions["subset"] == "test") & (predictions["system"] == system)]
    tested = tested[tested["condition"] != RANDOM_CYCLE]
    of = tested.groupby(["condition", "label"]).size().rename("of")
    wrong = tested[tested["predicted"] != tested["label"]]
    table = wrong.groupby(["condition", "label", "predicted"]).size().rename("n").reset_index()
    table = table.merge(of.reset_index(), on=["condition", "label"])
    table["share"] = table["n"] / np.maximum(table["of"], 1)
    order = ["n", "share", "condition", "label", "predicted"]
    ascending = [False, False, True, True, True]
    return table.sort_values(order, ascending=ascending, ignore_index=True)
