"""What the metrics of few classes add: calibration, abstaining, corpora, files, false alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bodysounds.params.predict import BASELINES
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_audit import RANDOM_CYCLE
from bodysounds.reporting.class_calibration import abstention, calibration_of, temperature_of
from bodysounds.reporting.class_rating import rating
from bodysounds.reporting.class_within import alarms, domains, files
from bodysounds.scoring.classify import ALONE
from bodysounds.types import Metrics, Table

DEFINITIONS = {
    "precision": "Of the clips taken for a class, the share that are of it.",
    "recall": "Of a class's clips, the share taken for it.",
    "auc": "The area under the curve of true against false positive rate: the probability that a "
    "clip of the class scores above one of another.",
    "average_precision": "The mean precision over the steps of recall, not interpolated.",
    "ece": "Expected calibration error: the mean gap between confidence and accuracy over equally "
    "wide bins of confidence. Few clips make it too large: beside it stands what a perfectly "
    "calibrated classifier of the same confidences has on average.",
    "temperature": "What a member's logits are divided by, fitted on predictions of train clips by "
    "members that did not hear them.",
    "abstention": "Ours gives no answer below a confidence that dev chose; the rates above count "
    "its most probable class all the same.",
    "aurc": "The area under risk against coverage: the mean share of errors over all shares of "
    "clips answered, the surest first. Lower is better.",
    "domains": "Rates within one corpus, whose recordings were made alike: what tells the corpora "
    "apart does not help there. The mean is over the classes the corpus has.",
    "file_shortcuts": "Decision trees on properties of the original files, fitted on train: what "
    "would be told without listening if clips were not all cut alike.",
    "false_alarms": "Events that a system hears in the test clips in which there is nothing to be "
    "heard, set end to end; the interval is exact for a Poisson count, which takes the events to "
    "be independent.",
}


def headline_rows(predictions: Table, metrics: Metrics) -> Table:
    """Return the predictions that the headline counts."""
    rows = predictions[predictions["subset"] == "test"]
    rows = rows[rows["condition"] != RANDOM_CYCLE]
    condition = metrics["headline"]["condition"]
    return rows if condition == "all" else rows[rows["condition"] == condition]


def with_details(
    metrics: Metrics,
    predictions: Table,
    examples: Table,
    manifest: Table,
    params: ReportClassesParams,
    *,
    members: Sequence[str] = (),
    rule: Mapping[str, Any] | None = None,
) -> Metrics:
    """Return the metrics with what a task of few classes tells besides.

    Parameters
    ----------
    metrics : dict
        Of `bodysounds.reporting.class_metrics.classification_metrics`.
    predictions, examples, manifest : Table
        Those of the task; predictions may have `abstained`, examples `domain`.
    members : sequence of str
        Systems that the ensembles are made of.
    rule : mapping, optional
        Of the ensemble: temperatures {member: number}, chosen, abstain {threshold, ...}, events.

    Returns
    -------
    metrics : dict
        And `calibration` {system: {ece, ece_if_calibrated, log_loss, confidence, temperature,
        before {ece, ece_if_calibrated, log_loss, confidence}, aurc}}, `abstention`, `domains`
        {corpus: {classes, systems, shortcuts}}, `file_shortcuts` {property: rates}, `false_alarms`
        {system: counts}, `out_of_fold` {system: rates on train, by fold}; of the headline:
        members, ensembles, baselines, chosen, chosen_by (dev, test or parameter).
    """
    rule = rule or {}
    head = metrics["headline"]
    classes, groups_are = metrics["classes"], head["groups_are"]
    rows = headline_rows(predictions, metrics)
    audit = rows["system"].str.startswith(ALONE)
    main = rating(rows[~audit], examples, classes, params, groups_are)
    scored = params.negative is not None
    kinds = system_kinds(list(main.systems), members)
    return {
        **metrics,
        "headline": {
            **head,
            **kinds,
            "chosen": rule.get("chosen"),
            "chosen_by": rule.get("chosen_by", "dev"),
        },
        "calibration": {
            name: calibration_of(main, name, temperature_of(name, rule), params)
            for name in main.systems
            if name not in kinds["baselines"] and main.probabilities(name) is not None
        },
        "abstention": abstention(main, rows, rule),
        # where one class is the negative, devices, not corpora, are told of apart, and audited
        "domains": {} if scored else domains(rows, examples, classes, params, groups_are),
        "file_shortcuts": {}
        if scored
        else files(examples, rows, manifest, classes, params, groups_are),
        "out_of_fold": dict(rule.get("out_of_fold", {})),
        "false_alarms": alarms(rows, examples, params, rule),
        "definitions": {**metrics["definitions"], **DEFINITIONS},
    }


def system_kinds(systems: Sequence[str], members: Sequence[str]) -> dict[str, list[str]]:
    """Return which systems are members, which ensembles of them, and which baselines."""
    rest = [name for name in systems if name != "ours" and name not in members]
    return {
        "members": [name for name in members if name in systems],
        "ensembles": [name for name in rest if members and name not in BASELINES],
        "baselines": [name for name in rest if not members or name in BASELINES],
    }
