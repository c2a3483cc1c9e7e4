"""The entry `metrics` of a verification task: every number of the report, with its interval."""

from __future__ import annotations

from bodysounds.params import ReportParams
from bodysounds.reporting.breakdown import breakdown
from bodysounds.reporting.rating import Rating
from bodysounds.reporting.shortcuts import shortcut_audit
from bodysounds.reporting.side_facts import side_facts
from bodysounds.reporting.trial_table import CONDITIONS, Selection, TrialTable, trial_table
from bodysounds.scoring.threshold import choose_threshold
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
    llrs: Table | None = None,
) -> Metrics:
    """Return the numbers of a task, plain and finite or None, the same ones for the same input.

    `{"dev": {system: {...}}, "test": {...}, "headline": {...}, "subgroups": {...},
    "breakdown": {dimension: {group: {...}}}, "shortcuts": {...}, "comparisons": {...} (headline),
    "subgroup_comparisons": {...}, "definitions": {...}}`; `definitions` says what each
    word means. The headline is test; where no test trial is labelled it is dev, and says that this
    is optimistic. `subsets` names the train sides that the shortcut audit scales by; all sides
    otherwise. `llrs` (system, trial_id, llr) gives actDCF and Cllr; without it they are None.
    """
    score = str(operating_point["score"])
    costs = operating_point["costs"]
    joined = trial_table(scores, trials, sides, manifest, score, llrs)
    ratings: dict[int, Rating] = {}

    def rating(subset: str, condition: str) -> Rating:
        selection = joined.select(subset, condition)
        return ratings.setdefault(id(selection), Rating(selection, params, costs))

    subset = _headline_subset(joined)
    condition = joined.condition_of(subset, params.condition)
    threshold = float(operating_point["threshold"])
    headline = rating(subset, condition)
    dev = rating("dev", joined.condition_of("dev", condition))
    thresholds = _thresholds(joined, dev.selection, operating_point)
    facts = side_facts(sides, manifest, segments, descriptors)
    return {
        "dev": dev.entries(thresholds),
        "test": rating("test", joined.condition_of("test", condition)).entries(thresholds),
        "headline": {
            "subset": subset,
            "system": "ours",
            "score": score,
            "condition": condition,
            "weighting": params.weighting,
            **_headline_numbers(headline, params.weighting, threshold),
            "threshold_chosen_on": str(operating_point["chosen_on"]),
            "level": params.level,
            "optimistic": subset == "dev",
            "synthetic": bool(synthetic),
        },
        "subgroups": {name: rating(subset, name).entries() for name in CONDITIONS},
        "comparisons": headline.comparisons(),
        "subgroup_comparisons": {name: rating(subset, name).comparisons() for name in CONDITIONS},
        "breakdown": breakdown(joined, headline.selection, facts, threshold, params),
        "shortcuts": shortcut_audit(headline, sides, manifest, descriptors, segments, subsets),
        "definitions": _definitions(subset, condition, headline.selection, params, operating_point),
    }


def _thresholds(joined: TrialTable, dev: Selection, point: Metrics) -> dict[str, float]:
    """Return each system's threshold: the operating point's, or what its policy would choose."""
    policy, options = str(point["policy"]), point["options"]
    found = {}
    tested = (joined.table["subset"] == "test").to_numpy(bool)
    for system, scores in joined.scores.items():
        if policy == "prior" and tested.any():
            found[system] = choose_threshold(policy, scores[tested], **options)
        else:
            found[system] = choose_threshold(policy, dev.scores[system], dev.labels, **options)
    return found | {"ours": float(point["threshold"])}


def _headline_subset(joined: TrialTable) -> str:
    return "test" if joined.select("test", "all").rateable else "dev"


def _headline_numbers(headline: Rating, weighting: str, threshold: float) -> Metrics:
    entry = headline.entry("ours", threshold)
    rates = entry["at_threshold"] or {}
    if weighting == "subject":
        entry = entry["by_subject"]
    accuracies = ("accuracy", "accuracy_ci95", "balanced_accuracy", "balanced_accuracy_ci95")
    return {
        "eer": entry["eer"],
        "eer_ci95": entry["eer_ci95"],
        **{name: rates.get(name) for name in accuracies},
    }


def _definitions(
    subset: str, condition: str, selection: Selection, params: ReportParams, point: Metrics
) -> dict[str, str]:
    costs = point["costs"]
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
        "eer_ci95": f"Interval at level {params.level:g} from {params.n_bootstrap:,} resamples of "
        "the subjects (a drawn subject brings its target pairs w times and its non-target pairs "
        "w_i * w_j times): that of a share with the standard deviation of the resamples, since "
        "their percentiles end too low where few targets are wrong.",
        "min_dcf": "Lowest expected cost over all thresholds, divided by that of the better of "
        f"accepting all and rejecting all; p_target {costs['p_target']:g}, cost of a miss "
        f"{costs['c_miss']:g}, of a false acceptance {costs['c_fa']:g}.",
        "act_dcf": "The same cost where the calibrated log-likelihood ratio decides at the "
        "threshold that those costs give.",
        "cllr": "Cost of the calibrated log-likelihood ratios in bits; 1 is no information. "
        "Calibration is logistic, learnt on dev; dev's own ratios come from other subjects.",
        "min_cllr": "Cllr after the best monotone map of the scores (PAV). What Cllr lies above "
        "it, and act_dcf above min_dcf, is lost by calibration, where one calibration of the score "
        "alone serves all trials: not with durations, and not over pooled folds.",
        "normalised": "AS-norm: each score relative to both sides' nearest cohort of train "
        "subjects (top_k means).",
        "score": f"The {point['score']} of a pair decides; a system that has none is rated by its "
        "cosine.",
        "auc": "Probability that a target pair scores above a non-target pair, ties counted by "
        "half.",
        "target": "A pair of sides of the same subject; a non-target is a pair of different ones.",
        "trial": "Weighting in which every pair counts once.",
        "by_subject": "Weighting in which the target pairs of each subject weigh equally in sum, "
        "and the non-target pairs of each pair of subjects do.",
        "condition": f"{condition}: {targets}, against all non-target pairs{asked}.",
        "at_threshold": "Rates of ours where scores at or above the operating point's threshold, "
        f"chosen on {point['chosen_on']}, are accepted, pairs weighed equally; precision is null "
        "where none is.",
        "at_own_threshold": "The same rates of each system at the threshold that the same policy "
        "chooses from its own scores; for ours it is the operating point's.",
        "accuracy": "Share of the pairs that are judged right at that threshold. It depends on the "
        f"share of targets, here {_share(selection)}: where half of the pairs are targets it is "
        "what such challenges rank by; in a list of all pairs, nearly all of them non-targets, "
        "refusing everything scores high.",
        "balanced_accuracy": "Mean of 1 - FAR and 1 - FRR at that threshold: the accuracy where "
        "half of the pairs are targets.",
        "subset": {
            "test": _of_test(point),
            "dev": "dev: test lacks labelled target or non-target pairs, so these are the subjects "
            "that chose the epoch"
            + (" and the threshold" if not str(point["chosen_on"]).startswith("test") else "")
            + "; the numbers are optimistic.",
        }[subset],
        "comparisons": f"EER of ours minus the system's, on {subset}, with the interval of that "
        "difference: plus and minus its standard deviation over the same resamples, times the "
        "normal quantile; below 0 favours ours.",
        "subgroups": f"The same systems on {subset} by condition of the target pairs, each against "
        "all non-target pairs.",
        "breakdown": f"Ours on {subset} by sex and age (both sides in the group), sexes of "
        "non-target pairs (against all target pairs), domain (same or across), time between the "
        "sides of target pairs (against all non-target pairs), duration of the shorter side, "
        "difference of the durations and level of the quieter side; rates at the operating point's "
        "threshold; weighed as the headline; not rated below "
        f"{params.min_subjects} subjects with target pairs, 10 target pairs and 10 non-target "
        "pairs.",
        "shortcuts": "EER of one property of the recordings alone, without listening to the voice; "
        "flagged where the EER is at most 0.4 and the whole interval, widened for the number of "
        "properties, lies below 0.5.",
        "n_subjects": f"{selection.counts['n_subjects']} subjects stand behind the headline, "
        f"{selection.counts['n_target_subjects']} of them with target pairs.",
    }


def _share(selection: Selection) -> str:
    return f"{selection.n_target / max(len(selection.labels), 1):.1%}"


def _of_test(point: Metrics) -> str:
    if "fold" not in point["policies"]["eer"]["chosen_on"]:
        return "test: subjects that neither training nor any choice has seen."
    return (
        "test: each subject once, by an encoder and a calibration that never saw it. The threshold "
        "is one for all folds, chosen on their pooled dev trials, in which the subjects of test "
        "stand too, heard by other encoders: the rates at it are slightly optimistic."
    )
