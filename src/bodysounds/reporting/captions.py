"""What stands below each figure of the page, and what is read out in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bodysounds.figures import style
from bodysounds.reporting.words import percent
from bodysounds.types import Metrics, Table

CAPTIONS = {
    "eer": "Equal error rate of each system with its interval over subjects; filled where pairs "
    "weigh equally, hollow where subjects do.",
    "det": "Detection error trade-off on normal-deviate axes; lower left is better, the marks are "
    "the equal error rates.",
    "histogram": "Scores of same-subject and different-subject pairs, with the threshold of "
    "the operating point.",
    "training": "Loss and equal error rate on dev, epoch by epoch; the star is the epoch kept.",
    "shortcuts": "What each property of a recording reaches without listening to the voice, below "
    "ours; flagged ones are hatched.",
    "breakdown": "Left, the equal error rate of each group with its interval over subjects; right, "
    "the two kinds of error at the threshold.",
    "durations": "Left, both sides cut to the same length, with the interval over subjects; right, "
    "every combination of lengths, darker where there are more errors.",
    "gallery": "Errors by number of people searched, on a logarithmic axis; the bands are "
    "intervals over subjects.",
    "inspection_uses": "How many recordings are named by how many pairs.",
    "inspection_subjects": "Recordings and seconds of sound of each subject, both on logarithmic "
    "axes.",
    "inspection_durations": "Seconds of the recordings, on a logarithmic axis; shares of each "
    "subset.",
    "inspection_levels": "Level (root mean square) and peak of the recordings, shares of each "
    "subset; 0 dBFS is full scale.",
    "inspection_channel": "The microphone's fingerprint: noise floor against bandwidth, a mark a "
    "recording. Clouds that lie apart can be told apart without listening to anyone.",
}

GROUP_TITLES = {
    "sex": "Sex, of both sides",
    "nontarget_sex": "Sexes of the different-subject pairs, against all same-subject pairs",
    "age": "Age, of both sides",
    "domain": "Domain (device or platform) of the two sides",
    "session_gap": "Time between the two sides",
    "duration": "Duration of the shorter side",
    "duration_difference": "Difference between the durations of the two sides",
    "level": "Level of the quieter side",
}
"""Dimensions of `pair_groups`, as headings of a table."""
WIDE = ("breakdown", "durations", "inspection_channel", "inspection_levels")
"""Figures that take the whole width of a page."""


def alt_texts(
    metrics: Metrics,
    point: Metrics,
    curves: Mapping[str, Table | None],
) -> dict[str, str]:
    """Return the text in place of each figure that is known, its numbers included.

    `curves` may hold the tables `durations` and `gallery`.
    """
    systems = metrics[metrics["headline"]["subset"]]
    eers = ", ".join(
        f"{style.label(key)} {percent(entry['eer'])}" for key, entry in systems.items()
    )
    durations = "; ".join(_durations(curves.get("durations")))
    gallery = "; ".join(_gallery(curves.get("gallery")))
    groups = "; ".join(_groups(metrics.get("breakdown", {})))
    return {
        "det": f"Detection error trade-off curves. Equal error rates: {eers}.",
        "eer": f"Equal error rates with intervals: {eers}.",
        "histogram": "Histogram of the scores of same-subject and different-subject pairs; the "
        f"threshold is {point['threshold']:.3f}.",
        "training": "Curves of training loss and dev equal error rate by epoch.",
        "shortcuts": "Bars of the equal error rate of each recording property. "
        f"{metrics['shortcuts']['verdict']}",
        "breakdown": f"Equal error rate by group: {groups or 'no group is rated'}.",
        "durations": f"Equal error rate by length of both sides: {durations or 'none is rated'}.",
        "gallery": f"Errors by size of the gallery: {gallery or 'none could be searched'}.",
    }


def _durations(curve: Table | None) -> Iterator[str]:
    for row in equal_lengths(curve):
        yield f"{row['enrol_s']:g} s {percent(row['eer'])}"


def _gallery(curve: Table | None) -> Iterator[str]:
    for row in [] if curve is None else rows(curve):
        yield (
            f"of {row['gallery_size']:,.0f}, false identification {percent(row['fpir'])}, "
            f"miss {percent(row['fnir'])}"
        )


def _groups(breakdown: Mapping[str, Mapping[str, Metrics]]) -> Iterator[str]:
    for dimension, groups in breakdown.items():
        rated = groups.items() if dimension != "skipped" else ()
        for name, entry in rated:
            if entry["eer"] is not None:
                yield f"{dimension.replace('_', ' ')} {name} {percent(entry['eer'])}"


def rows(table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table by column."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def equal_lengths(curve: Table | None) -> list[dict[str, Any]]:
    """Return the rated rows of a duration curve in which both sides have the same seconds."""
    if curve is None:
        return []
    same = curve[(curve["enrol_s"] == curve["test_s"]) & curve["eer"].notna()]
    return rows(same.sort_values("enrol_s"))
