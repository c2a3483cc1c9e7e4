"""Nodes of `inspect`."""

from __future__ import annotations

from bodysounds.types import Corpus, Figure, Metrics, Picture, Table


def draw_inspection(
    manifest: Table,
    subsets: Table,
    sides: Table,
    trials: Table,
    segments: Table,
    descriptors: Table,
    raw: Corpus,
) -> tuple[Figure, Figure, Figure, Figure, Figure]:
    """Return pairs a recording, subjects, durations, levels and the microphone's fingerprint."""
    from bodysounds.figures import inspection as drawn
    from bodysounds.reporting.inspection import recording_table

    table = recording_table(manifest, subsets, sides, trials, segments, descriptors)
    about = f"{raw.name}{' · SYNTHETIC sound' if raw.synthetic else ''}"
    return (
        drawn.uses_figure(table, about),
        drawn.subjects_figure(table, about),
        drawn.seconds_figure(table, about),
        drawn.levels_figure(table, about),
        drawn.channel_figure(table, about),
    )


def write_inspection(
    manifest: Table,
    rejected: Table,
    subsets: Table,
    sides: Table,
    trials: Table,
    segments: Table,
    descriptors: Table,
    metrics: Metrics,
    operating_point: Metrics,
    failures: Table,
    raw: Corpus,
    *,
    task: str,
    **figures: Picture,
) -> str:
    """Return the data inspection as one self-contained HTML page."""
    from bodysounds import __version__
    from bodysounds.reporting.inspection_page import inspection_page

    return inspection_page(
        manifest=manifest,
        rejected=rejected,
        subsets=subsets,
        sides=sides,
        trials=trials,
        segments=segments,
        descriptors=descriptors,
        metrics=metrics,
        operating_point=operating_point,
        failures=failures,
        figures={picture.name: picture.png for picture in figures.values()},
        corpus=raw,
        version=__version__,
        task=task,
    )
