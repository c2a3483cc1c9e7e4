"""Nodes of `report`."""

from __future__ import annotations

from bodysounds.params import ReportParams, plain
from bodysounds.types import Corpus, Encoder, Figure, Metrics, Packed, Picture, Table

SILENT = ReportParams()


def measure(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    descriptors: Table,
    segments: Table,
    operating_point: Metrics,
    llrs: Table,
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
        llrs=llrs,
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


def draw_breakdown(metrics: Metrics) -> Figure:
    """Return the error rates of each group of pairs."""
    from bodysounds.figures.breakdown import breakdown_figure

    return breakdown_figure(metrics)


def list_failures(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    segments: Table,
    metrics: Metrics,
    operating_point: Metrics,
    params: ReportParams,
) -> Table:
    """Return the worst errors among the headline's pairs, with their recordings."""
    from bodysounds.reporting.failures import worst_errors

    tables = (scores, trials, sides, manifest, segments)
    return worst_errors(*tables, metrics, operating_point, params.n_failures)


def search_gallery(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    metrics: Metrics,
    operating_point: Metrics,
    params: ReportParams,
) -> tuple[Table, Figure]:
    """Return the errors of searching galleries of growing size, and their figure."""
    from bodysounds.figures.gallery import gallery_figure
    from bodysounds.reporting.gallery import gallery_curve

    curve = gallery_curve(
        scores,
        trials,
        sides,
        manifest,
        metrics,
        operating_point,
        params.level,
    )
    return curve, gallery_figure(curve, metrics)


def draw_durations(duration_curve: Table, metrics: Metrics) -> Figure:
    """Return the EER by seconds of enrolment and of test."""
    from bodysounds.figures.durations import durations_figure

    return durations_figure(duration_curve, metrics)


def submit(scores: Table, trials: Table, operating_point: Metrics, raw: Corpus) -> Table:
    """Return the scores, or the decisions, of the test trials in the challenge's format."""
    from bodysounds.corpora.registry import list_recordings
    from bodysounds.reporting.submission import submission

    listing = list_recordings(raw)
    score, threshold = operating_point["score"], operating_point["threshold"]
    left_out = set(listing.listed_trials["trial_id"]) - set(trials["trial_id"])
    return submission(scores, trials, listing.submission_format, score, threshold, left_out)


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
    failures: Table | None = None,
    gallery_curve: Table | None = None,
    duration_curve: Table | None = None,
    comparison: Metrics | None = None,
    params: ReportParams = SILENT,
    trials: Table | None = None,
    segments: Table | None = None,
    waveforms: Packed | None = None,
    **figures: Picture,
) -> str:
    """Return the report as one self-contained HTML page."""
    from bodysounds.reporting.audio import pair_sounds
    from bodysounds.reporting.page import report_page
    from bodysounds.reporting.record import run_record

    sounds = {}
    if (
        params.audio
        and failures is not None
        and trials is not None
        and segments is not None
        and waveforms is not None
    ):
        sounds = pair_sounds(failures, trials, sides, segments, waveforms, raw, params.audio)
    return report_page(
        metrics=metrics,
        operating_point=operating_point,
        figures={picture.name: picture.png for picture in figures.values()},
        manifest=manifest,
        rejected=rejected,
        subsets=subsets,
        sides=sides,
        failures=failures,
        audio=params.audio,
        sounds=sounds,
        gallery_curve=gallery_curve,
        duration_curve=duration_curve,
        comparison=comparison,
        encoder=encoder,
        corpus=raw,
        record={**run_record(), "parameters": plain(parameters.get(task, {}))},
        task=task,
    )


def write_card(
    metrics: Metrics,
    operating_point: Metrics,
    manifest: Table,
    rejected: Table,
    subsets: Table,
    sides: Table,
    gallery_curve: Table,
    encoder: Encoder,
    raw: Corpus,
    *,
    task: str,
) -> str:
    """Return the model card of an encoder, in Markdown."""
    from bodysounds.reporting.model_card import model_card
    from bodysounds.reporting.record import data_hashes, run_record

    return model_card(
        metrics=metrics,
        operating_point=operating_point,
        manifest=manifest,
        rejected=rejected,
        subsets=subsets,
        sides=sides,
        gallery_curve=gallery_curve,
        encoder=encoder,
        corpus=raw,
        record={**run_record(), "data": data_hashes(manifest)},
        task=task,
    )
