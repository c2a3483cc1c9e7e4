"""The data inspection: one HTML page of what was recorded, what is paired, and where it fails."""

from __future__ import annotations

from collections.abc import Mapping

from bodysounds.corpora.base import Corpus
from bodysounds.reporting import inspection
from bodysounds.reporting.cards import data_facts, rejected_reasons, subset_rows
from bodysounds.reporting.html import any_rated, failures_of, groups_of, images, render
from bodysounds.reporting.words import percent
from bodysounds.types import Metrics, Table

WHERE = ("duration", "level", "duration_difference", "sex", "nontarget_sex")
"""Dimensions of the breakdown in which a recording may be at fault, in this order."""
CHANNEL = ("noise_floor", "bandwidth", "channel")


def inspection_page(
    *,
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
    figures: Mapping[str, bytes],
    corpus: Corpus,
    version: str,
    task: str = "verification",
) -> str:
    """Return the data inspection of a verification task as one self-contained HTML page.

    The tables, metrics and operating_point are those entries of the task; `figures` is PNG by name.
    Errors are those of ours on the headline's pairs: dev's, where test is not labelled.
    """
    tables = (manifest, subsets, sides, trials, segments, descriptors)
    recordings = inspection.recording_table(*tables)
    groups = groups_of(metrics)
    skipped = metrics["breakdown"].get("skipped", {})
    shown = {
        name: png
        for name, png in figures.items()
        if any_rated(groups) or not name.endswith("breakdown")
    }
    return render(
        "inspection.html.j2",
        task=task.replace("_", " "),
        corpus=corpus,
        version=version,
        head=metrics["headline"],
        point=operating_point,
        subset_rows=subset_rows(manifest, subsets, sides),
        data_facts=data_facts(manifest),
        n_rejected=len(rejected),
        rejected=rejected_reasons(rejected),
        uses=inspection.uses(recordings),
        most_used=inspection.most_used(recordings),
        subjects=inspection.subject_rows(recordings),
        sound=inspection.sound_rows(recordings),
        quiet_dbfs=inspection.QUIET_DBFS,
        clipped_share=inspection.CLIPPED_SHARE,
        copies=inspection.duplicates(recordings, rejected),
        pairs=inspection.trial_rows(trials, sides, manifest, segments),
        channel={name: metrics["shortcuts"][name] for name in CHANNEL},
        breakdown={name: groups[name] for name in WHERE if name in groups},
        left_out={name: skipped[name] for name in WHERE if name in skipped},
        failures=failures_of(failures),
        images=images(shown, alts(metrics)),
    )


def alts(metrics: Metrics) -> dict[str, str]:
    """Return the text in place of each figure, with its numbers where it has a few."""
    told = ", ".join(
        f"{name.replace('_', ' ')} {percent(metrics['shortcuts'][name]['eer'])}" for name in CHANNEL
    )
    return {
        "inspection_uses": "Histogram of the number of pairs that name a recording.",
        "inspection_subjects": "Recordings and seconds of each subject.",
        "inspection_durations": "Histograms of the durations of the recordings, by subset.",
        "inspection_levels": "Histograms of level and peak of the recordings, by subset.",
        "inspection_channel": "Noise floor against bandwidth, a dot a recording. Equal error rates "
        f"without listening: {told}.",
    }
