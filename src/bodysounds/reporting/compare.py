"""Two runs of a task beside each other: what they reach on common ground, and what was changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from bodysounds.params import ReportParams
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.compare_changes import changes
from bodysounds.reporting.compare_clips import clip_rates
from bodysounds.reporting.compare_pairs import PairRules, pair_rates
from bodysounds.reporting.rated import CLIP, PAIR, what_was_rated
from bodysounds.reporting.runs_on_disk import Earlier, Run
from bodysounds.types import Metrics, Table

logger = logging.getLogger(__name__)

COSTS = ("p_target", "c_miss", "c_fa")


def compare(first: Run, second: Run) -> Metrics:
    """Return what `compare_verification` or `compare_classes` does, whichever the task is.

    Raises ValueError where the runs are of two tasks.
    """
    if first.task != second.task:
        raise ValueError(
            f"a run of {first.task} and one of {second.task} have nothing to compare: name two "
            "runs of one task"
        )
    classes = "n_classes" in second.metrics["headline"]
    return compare_classes(first, second) if classes else compare_verification(first, second)


def compare_with_earlier(earlier: Earlier, run: Run) -> Metrics:
    """Return the entry `comparison` of a run: it beside the one before it, where there is one.

    `rated` {sha256, n} is what it rated, `subset` of which subset, and `times` how often that has
    been rated here, this run included; `first` is None where there is no run to compare with, or
    one that cannot be compared, which a warning tells. Where runs of other pipelines alone lie
    there, `why_none` says so.
    """
    told: Metrics = {"first": None}
    if earlier.why_none:
        told["why_none"] = earlier.why_none
    if earlier.run is not None:
        try:
            told = compare(earlier.run, run)
        except Exception as error:  # whatever an earlier run left, this one goes on
            logger.warning(
                "the run %s is not compared with: %s: %s",
                earlier.run.version, type(error).__name__, error,
            )  # fmt: skip
    before = looks(run, earlier.tested)
    return told | before | {"times": before["times"] + 1}


def looks(run: Run, tested: Mapping[str, str]) -> Metrics:
    """Return `rated` {sha256, n} of a run, its `subset`, and how many `times` it is in `tested`."""
    rated = None if run.rated is None else what_was_rated(run.rated)
    times = sum(rated is not None and rated["sha256"] == sha256 for sha256 in tested.values())
    return {"rated": rated, "subset": run.metrics["headline"]["subset"], "times": times}


def compare_verification(first: Run, second: Run) -> Metrics:
    """Return two runs beside each other, and their differences on the pairs that both rated.

    `{"first", "second": {version, corpus, command, rate, value, ci95, ...}, "common": {n,
    of_first, of_second, ...}, "rates": [...], "changed": {...}, "warnings": [...]}`: `rates` as
    `bodysounds.reporting.compare_pairs.pair_rates` gives, none where no pair is common, and
    `changed` as `bodysounds.reporting.compare_changes.changes` does. Condition, weighting, costs
    and draws are those of the second run, so that both are rated alike.
    """
    head = second.metrics["headline"]
    threshold = second.record.get("parameters", {}).get("threshold") or {}
    rules = PairRules(
        head["condition"],
        head["weighting"],
        (_threshold(first), _threshold(second)),
        {name: threshold[name] for name in COSTS} if set(COSTS) <= set(threshold) else None,
        ReportParams(**_known(ReportParams, second.record, "report", level=head["level"])),
    )
    common = _common(first, second, PAIR)
    rates, counts = ([], {}) if common is None else pair_rates(common, rules)
    return _told(first, second, common, rates, counts, "pairs", ("score", "weighting"))


def compare_classes(first: Run, second: Run) -> Metrics:
    """Return two runs beside each other, and their differences on the clips that both rated.

    As `compare_verification`, with the rates of `bodysounds.reporting.compare_clips.clip_rates`.
    """
    head = second.metrics["headline"]
    told = _known(ReportClassesParams, second.record, "report_classes", level=head["level"])
    params = ReportClassesParams(**told)
    common = _common(first, second, CLIP)
    rates, counts = (
        ([], {}) if common is None else clip_rates(common, head["condition"], head["rate"], params)
    )
    counts["resampled"] = head["resampled"]
    return _told(first, second, common, rates, counts, "clips", ("rate", "n_classes"))


def _threshold(run: Run) -> float | None:
    head = run.metrics["headline"]
    told = run.metrics[head["subset"]]["ours"].get("at_own_threshold") or {}
    value = told.get("threshold")
    return None if value is None else float(value)


def _known(kind: Any, record: Metrics, stage: str, **given: Any) -> dict[str, Any]:
    """Return the parameters of a stage that this version knows."""
    names = {field.name for field in fields(kind)}
    told = record.get("parameters", {}).get(stage) or {}
    return given | {name: value for name, value in told.items() if name in names}


def _common(first: Run, second: Run, key: Iterable[str]) -> Table | None:
    """Return the rows that both rated, all but what a run says as the second has it."""
    if first.rated is None or second.rated is None or not set(key) <= set(first.rated):
        return None
    # which clips training heard is a matter of the split, so that the condition is the run's, too
    each = ("condition", "score", "llr", "predicted", "rank")
    said = [name for name in each if name in second.rated]
    renamed = {name: f"{name}_second" for name in said}
    other = first.rated[[*key, *said]].rename(columns={name: f"{name}_first" for name in said})
    return second.rated.rename(columns=renamed).merge(other, on=list(key), how="inner")


def _told(
    first: Run,
    second: Run,
    common: Table | None,
    rates: list[Metrics],
    counts: Metrics,
    unit: str,
    alike: tuple[str, ...],
) -> Metrics:
    n = 0 if common is None else len(common)
    of = [None if run.rated is None else len(run.rated) for run in (first, second)]
    told = {"unit": unit, **counts, "n_common": n, "of_first": of[0], "of_second": of[1]}
    return {
        "task": second.task,
        "first": headline_facts(first),
        "second": headline_facts(second),
        "level": second.metrics["headline"]["level"],
        "synthetic": bool(second.metrics["headline"]["synthetic"]),
        "common": told,
        "rates": rates,
        "changed": changes(first.record, second.record),
        "warnings": [
            *_on_common_ground(first, second, told, bool(rates)),
            *_unlike(first, second, ("subset", "condition", "synthetic", *alike)),
            *(
                f"run {run.version} has no record.json, so what was changed is not known: it did "
                "not finish"
                for run in (first, second)
                if not run.record
            ),
        ],
    }


def headline_facts(run: Run) -> Metrics:
    """Return what identifies a run, and its headline as its own report gives it."""
    head = run.metrics["headline"]
    rate = head.get("rate", "eer")
    return {
        "version": run.version,
        "corpus": run.corpus,
        "command": run.record.get("command"),
        "rate": rate,
        "value": head[rate],
        "ci95": head[f"{rate}_ci95"],
        **{name: head[name] for name in ("subset", "condition", "synthetic")},
    }


def _on_common_ground(first: Run, second: Run, common: Metrics, rated: bool) -> list[str]:
    """Return why the runs cannot be compared, or on how little."""
    unit, of = common["unit"], (common["of_first"], common["of_second"])
    for run in (first, second):
        if run.rated is None:
            return [
                f"not comparable pair by pair: run {run.version} left no table of what it rated "
                "(rated.parquet), as runs of older versions did not"
            ]
    if not common["n_common"]:
        return [
            f"not comparable: the two runs rated no {unit[:-1]} of the same recordings and label "
            f"({of[0]:,} {unit} and {of[1]:,}), so that their rates differ by the test set too"
        ]
    if not rated:
        return [
            f"not comparable: the {common['n_common']:,} {unit} that both runs rated do not have "
            "what a rate takes"
        ]
    if of == (common["n_common"],) * 2:
        return []
    return [
        f"not comparable as they stand: the test sets differ. {common['n_common']:,} {unit} are "
        f"common, of {of[0]:,} and {of[1]:,}; the differences are those on common {unit}"
    ]


def _unlike(first: Run, second: Run, names: Iterable[str]) -> list[str]:
    heads = [run.metrics["headline"] for run in (first, second)]
    return [
        f"the headlines differ in {name.replace('_', ' ')}: {heads[0].get(name)} and "
        f"{heads[1].get(name)}; both are rated here as in the second run"
        if name in ("condition", "weighting", "rate")
        else f"the runs differ in {name.replace('_', ' ')}: {heads[0].get(name)} and "
        f"{heads[1].get(name)}"
        for name in names
        if heads[0].get(name) != heads[1].get(name)
    ]
