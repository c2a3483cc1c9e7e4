"""Nodes of `report_classes`."""

from __future__ import annotations

from typing import Any

from bodysounds.params.plain import plain
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.types import Classifier, Corpus, Figure, Metrics, Packed, Picture, Table


def measure(
    predictions: Table,
    examples: Table,
    classifier: Classifier,
    raw: Corpus,
    params: ReportClassesParams,
    *,
    classes_are: str = "classes",
) -> tuple[Metrics, Table]:
    """Return rates with intervals over sessions, the shortcut audit, and the confusions."""
    from bodysounds.reporting.class_metrics import classification_metrics, confusions

    metrics = classification_metrics(
        predictions, examples, params, synthetic=raw.synthetic, classes_are=classes_are,
        classes=classifier.labels,
    )  # fmt: skip
    return metrics, confusions(predictions)


def draw(
    predictions: Table, metrics: Metrics, params: ReportClassesParams
) -> tuple[Figure, Figure, Figure, Figure]:
    """Return the systems' accuracies, the confusion matrix, the classes' spread, and the audit."""
    from bodysounds.figures.class_rates import audit_figure, classes_figure, systems_figure
    from bodysounds.figures.confusion import confusion_figure

    return (
        systems_figure(metrics),
        confusion_figure(predictions, metrics, params.most_matrix),
        classes_figure(metrics),
        audit_figure(metrics),
    )


def write_page(
    metrics: Metrics,
    confusions: Table,
    manifest: Table,
    rejected: Table,
    subsets: Table,
    split_facts: Metrics,
    classifier: Classifier,
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
    from bodysounds.reporting.class_page import class_page
    from bodysounds.reporting.record import run_record

    errors: list[dict[str, Any]] = []
    sounds: dict[str, dict[str, str]] = {}
    if params.audio and predictions is not None and waveforms is not None:
        errors = surest_errors(predictions, metrics, params.audio)
        sounds = clip_sounds(errors, waveforms, raw)
    return class_page(
        audio=params.audio,
        errors=errors,
        sounds=sounds,
        metrics=metrics,
        confusions=confusions.head(params.n_confusions),
        figures={picture.name: picture.png for picture in figures.values()},
        manifest=manifest,
        rejected=rejected,
        subsets=subsets,
        split_facts=split_facts,
        classifier=classifier,
        corpus=raw,
        record={**run_record(), "parameters": plain(parameters.get(task, {}))},
        task=task,
        comparison=comparison,
    )
