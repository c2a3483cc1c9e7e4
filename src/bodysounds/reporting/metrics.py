"""The entry `metrics` of a verification task: every number of the report, with its interval."""

from __future__ import annotations

from bodysounds.params import ReportParams
from bodysounds.reporting.rating import Rating
from bodysounds.reporting.shortcuts import shortcut_audit
from bodysounds.reporting.trial_table import CONDITIONS, Selection, TrialTable, trial_table
from bodysounds.types import Metrics, Table


def verification_metrics(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    descriptors: Table,
    segments: Table,
    operating_point: Metrics,
    params: ReportParams,
    synthetic: bool,
    subsets: Table | None = None,
) -> Metrics:
    """Return the numbers of a task, plain and finite or None, the same ones for the same input.

    `{"dev": {system: {...}}, "test": {...}, "headline": {...}, "subgroups": {...},
    "shortcuts": {...}, "comparisons": {...} (headline), "subgroup_comparisons": {...},
    "definitions": {...}}`; `definitions` says what each
    word means. The headline is test; where no test trial is labelled it is dev, and says that this
    is optimistic. `subsets` names the train sides that the shortcut audit scales by; all sides
    otherwise.
    """
    joined = trial_table(scores, trials, sides, manifest)
    ratings: dict[int, Rating] = {}

    def rating(subset: str, condition: str) -> Rating:
        selection = joined.select(subset, condition)
        return ratings.setdefault(id(selection), Rating(selection, params))

    subset = _headline_subset(joined)
    condition = joined.condition_of(subset, params.condition)
    threshold = float(operating_point["threshold"])
    headline = rating(subset, condition)
    return {
        "dev": rating("dev", joined.condition_of("dev", condition)).entries(threshold),
        "test": rating("test", joined.condition_of("test", condition)).entries(threshold),
        "headline": {
            "subset": subset,
            "system": "ours",
            "condition": condition,
            "weighting": params.weighting,
            **_headline_numbers(headline, params.weighting),
            "level": params.level,
            "optimistic": subset == "dev",
            "synthetic": bool(synthetic),
        },
        "subgroups": {name: rating(subset, name).entries() for name in CONDITIONS},
        "comparisons": headline.comparisons(),
        "subgroup_comparisons": {name: rating(subset, name).comparisons() for name in CONDITIONS},
        "shortcuts": shortcut_audit(headline, sides, manifest, descriptors, segments, subsets),
        "definitions": _definitions(subset, condition, headline.selection, params),
    }


def _headline_subset(joined: TrialTable) -> str:
    return "test" if joined.select("test", "all").rateable else "dev"


def _headline_numbers(headline: Rating, weighting: str) -> Metrics:
    entry = headline.entry("ours")
    if weighting == "subject":
        entry = entry["by_subject"]
    return {"eer": entry["eer"], "eer_ci95": entry["eer_ci95"]}


def _definitions(
    subset: str, condition: str, selection: Selection, params: ReportParams
) -> dict[str, str]:
    targets = {
        "all": "all labelled target pairs count",
        "across_sessions": "only target pairs recorded in different sessions count",
        "same_session": "only target pairs recorded in one session count",
    }[condition]
    asked = (
        ""
        if condition == params.condition
        else f"; {params.condition} was asked for, but {subset} has no such target pair"
    )
    return {
        "eer": "Equal error rate: the detection error curve, its points joined by straight lines, "
        "where false acceptances and false rejections are equally frequent; tied scores are one "
        "point; 0.5 is chance.",
        "eer_ci95": f"Percentile interval at level {params.level:g} of {params.n_bootstrap:,} "
        "resamples of the subjects: a drawn subject brings its target pairs w times and its "
        "non-target pairs w_i * w_j times.",
        "auc": "Probability that a target pair scores above a non-target pair, ties counted by "
        "half.",
        "target": "A pair of sides of the same subject; a non-target is a pair of different ones.",
        "trial": "Weighting in which every pair counts once.",
        "by_subject": "Weighting in which the target pairs of each subject weigh equally in sum, "
        "and the non-target pairs of each pair of subjects do.",
        "condition": f"{condition}: {targets}, against all non-target pairs{asked}.",
        "at_threshold": "Rates of ours where scores at or above the operating point's threshold, "
        "chosen on dev, are accepted; precision is null where none is.",
        "subset": {
            "test": "test: subjects that neither training nor any choice has seen.",
            "dev": "dev: test has no known labels, so these are the subjects that chose the epoch "
            "and the threshold; the numbers are optimistic.",
        }[subset],
        "comparisons": f"EER of ours minus the system's, on {subset}, with the interval of that "
        "difference over the same resamples; below 0 favours ours.",
        "subgroups": f"The same systems on {subset} by condition of the target pairs, each against "
        "all non-target pairs.",
        "shortcuts": "EER of one property of the recordings alone, without listening to the voice; "
        "flagged where the whole interval lies below 0.5 and the EER is at most 0.4.",
        "n_subjects": f"{selection.counts['n_subjects']} subjects stand behind the headline, "
        f"{selection.counts['n_target_subjects']} of them with target pairs.",
    }
