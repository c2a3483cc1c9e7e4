"""Nodes of `report`."""

from __future__ import annotations

from bodysounds.params import ReportParams, plain
from bodysounds.types import Corpus, Encoder, Figure, Metrics, Picture, Table


def measure(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    descriptors: Table,
    segments: Table,
    operating_point: Metrics,
    subsets: Table,
    raw: Corpus,
    params: ReportParams,
) -> Metrics:
    """Return error rates with intervals over subjects, subgroups, comparisons and shortcuts."""
    from bodysounds.reporting.metrics import verification_metrics

    return verification_metrics(
        scores,
        trials,
        sides,
        manifest,
        descriptors,
        segments,
        operating_point,
        params,
        synthetic=raw.synthetic,
        subsets=subsets,
    )


def draw(
    scores: Table, trials: Table, metrics: Metrics, operating_point: Metrics
) -> tuple[Figure, Figure, Figure, Figure]:
    """Return the DET curves, the score histogram, the systems' EERs and the shortcut audit."""
    from bodysounds.figures.det import det_figure
    from bodysounds.figures.eer import eer_figure
    from bodysounds.figures.histogram import histogram_figure
    from bodysounds.figures.shortcuts import shortcuts_figure

    return (
        det_figure(scores, trials, metrics),
        histogram_figure(scores, trials, metrics, operating_point),
        eer_figure(metrics),
        shortcuts_figure(metrics),
    )


def submit(scores: Table, trials: Table, raw: Corpus) -> Table:
    """Return the scores of the test trials in the challenge's format."""
    from bodysounds.corpora.registry import list_recordings
    from bodysounds.reporting.submission import submission

    return submission(scores, trials, list_recordings(raw).submission_format)


def write_page(
    metrics: Metrics,
    operating_point: Metrics,
    manifest: Table,
    rejected: Table,
    subsets: Table,
    sides: Table,
    encoder: Encoder,
    raw: Corpus,
    parameters: Metrics,
    *,
    task: str,
    **figures: Picture,
) -> str:
    """Return the report as one self-contained HTML page."""
    from bodysounds.reporting.page import report_page
    from bodysounds.reporting.record import run_record

    return report_page(
        metrics=metrics,
        operating_point=operating_point,
        figures={picture.name: picture.png for picture in figures.values()},
        manifest=manifest,
        rejected=rejected,
        subsets=subsets,
        sides=sides,
        encoder=encoder,
        corpus=raw,
        record={**run_record(), "parameters": plain(parameters.get(task, {}))},
        task=task,
    )
