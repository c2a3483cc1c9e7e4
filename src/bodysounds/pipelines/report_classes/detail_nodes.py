"""Nodes of `report_classes` for a task of few classes, of one classifier or an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodysounds.params.plain import plain
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.types import Classifier, Corpus, Figure, Metrics, Packed, Picture, Table


def measure(
    predictions: Table,
    examples: Table,
    manifest: Table,
    model: Any,
    raw: Corpus,
    params: ReportClassesParams,
    *,
    classes_are: str,
    groups_are: str,
    **more: Any,
) -> tuple[Metrics, Table]:
    """Return rates with intervals, calibration, corpora, audits, false alarms; the confusions.

    `more` are the tables that `bodysounds.reporting.respiratory_metrics.with_respiratory` takes.
    """
    from bodysounds.reporting.class_details import with_details
    from bodysounds.reporting.class_metrics import classification_metrics, confusions

    metrics = classification_metrics(
        predictions, examples, params, synthetic=raw.synthetic, classes_are=classes_are,
        groups_are=groups_are, classes=labels_of(model),
    )  # fmt: skip
    detailed = with_details(
        metrics, predictions, examples, manifest, params,
        members=names_of(model), rule=rule_of(model),
    )  # fmt: skip
    if params.negative is not None:
        from bodysounds.reporting.respiratory_metrics import with_respiratory

        detailed = with_respiratory(detailed, predictions, examples, params, **more)
    return detailed, confusions(predictions)


def draw(predictions: Table, metrics: Metrics, params: ReportClassesParams) -> tuple[Figure, ...]:
    """Return the figures of `DETAIL_FIGURES`, in that order."""
    from bodysounds.figures.class_curves import precision_recall_figure, roc_figure
    from bodysounds.figures.class_dots import class_dots_figure
    from bodysounds.figures.class_rates import audit_figure, systems_figure
    from bodysounds.figures.confusions import confusions_figure
    from bodysounds.figures.reliability import reliability_figure, risk_coverage_figure
    from bodysounds.reporting.class_details import headline_rows

    rows = headline_rows(predictions, metrics)
    return (
        systems_figure(metrics),
        confusions_figure(metrics),
        class_dots_figure(metrics),
        roc_figure(rows, metrics),
        precision_recall_figure(rows, metrics),
        reliability_figure(rows, metrics, params.n_bins),
        risk_coverage_figure(rows, metrics),
        audit_figure(metrics),
    )


def draw_groups(metrics: Metrics) -> Figure:
    """Return the ICBHI Score by device, location, age group and sex."""
    from bodysounds.figures.breath_groups import breath_groups_figure

    return breath_groups_figure(metrics)


def draw_runs(metrics: Metrics) -> Figure:
    """Return each run of each method, with their mean."""
    from bodysounds.figures.runs import runs_figure

    return runs_figure(metrics)


def write_page(
    metrics: Metrics,
    confusions: Table,
    manifest: Table,
    rejected: Table,
    examples: Table,
    split_facts: Metrics,
    model: Any,
    raw: Corpus,
    params: ReportClassesParams,
    parameters: Metrics,
    *,
    task: str,
    comparison: Metrics | None = None,
    predictions: Table | None = None,
    waveforms: Packed | None = None,
    **figures: Picture,
) -> str:
    """Return the report as one self-contained HTML page."""
    from bodysounds.reporting.audio import clip_sounds, surest_errors
    from bodysounds.reporting.class_details_page import details_page
    from bodysounds.reporting.record import run_record

    errors: list[dict[str, Any]] = []
    sounds: dict[str, dict[str, str]] = {}
    if params.audio and predictions is not None and waveforms is not None:
        errors = surest_errors(predictions, metrics, params.audio)
        sounds = clip_sounds(errors, waveforms, raw)
    return details_page(
        audio=params.audio,
        errors=errors,
        sounds=sounds,
        metrics=metrics,
        confusions=confusions.head(params.n_confusions),
        figures={picture.name: picture.png for picture in figures.values()},
        manifest=manifest,
        rejected=rejected,
        examples=examples,
        split_facts=split_facts,
        classifiers=members_of(model),
        rule=rule_of(model),
        corpus=raw,
        record={**run_record(), "parameters": plain(parameters.get(task, {}))},
        task=task,
        comparison=comparison,
    )


def write_card(
    metrics: Metrics,
    manifest: Table,
    rejected: Table,
    examples: Table,
    split_facts: Metrics,
    model: Any,
    raw: Corpus,
    *,
    task: str,
) -> str:
    """Return the model card of a classifier or of an ensemble, in Markdown."""
    from bodysounds.reporting.model_card_classes import class_card
    from bodysounds.reporting.record import data_hashes, run_record

    return class_card(
        metrics=metrics,
        manifest=manifest,
        rejected=rejected,
        examples=examples,
        split_facts=split_facts,
        classifiers=members_of(model),
        rule=rule_of(model),
        corpus=raw,
        record={**run_record(), "data": data_hashes(manifest)},
        task=task,
    )


def members_of(model: Any) -> dict[str, Classifier]:
    """Return the classifiers of an ensemble by name, or a lone one under an empty name.

    Of a rule alone, as runs over folds or seeds leave it, none is left.
    """
    return {} if isinstance(model, Mapping) else dict(getattr(model, "members", {"": model}))


def names_of(model: Any) -> list[str]:
    """Return the names of the members, or of the methods that a rule lists."""
    if isinstance(model, Mapping):
        return list(model["members"])
    return [name for name in members_of(model) if name]


def labels_of(model: Any) -> list[str]:
    """Return the classes that a model or a rule may name."""
    return list(model["labels"] if isinstance(model, Mapping) else model.labels)


def rule_of(model: Any) -> Metrics:
    """Return the rule of an ensemble, nothing of a classifier."""
    return dict(model if isinstance(model, Mapping) else getattr(model, "rule", {}))
