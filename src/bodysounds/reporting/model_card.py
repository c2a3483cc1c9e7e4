"""The model card of an encoder that verifies, from its run alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.models.heard import warning_of
from bodysounds.params.score_pairs import VARIANTS
from bodysounds.reporting.captions import rows
from bodysounds.reporting.cards import subset_rows
from bodysounds.reporting.gallery import why_no_gallery
from bodysounds.reporting.headline import eer_name, headline, threshold_told
from bodysounds.reporting.html import groups_of
from bodysounds.reporting.model_card_facts import corpus_values, made_values
from bodysounds.reporting.model_card_front import front_matter
from bodysounds.reporting.model_card_markdown import render_card
from bodysounds.types import Encoder, Metrics, Table


def model_card(
    *,
    metrics: Metrics,
    operating_point: Metrics,
    manifest: Table,
    rejected: Table,
    subsets: Table,
    sides: Table,
    encoder: Encoder,
    corpus: Corpus,
    record: Mapping[str, Any],
    gallery_curve: Table | None = None,
    task: str = "verification",
) -> str:
    """Return the model card of a verification task, Markdown with YAML front matter.

    The arguments are those of `bodysounds.reporting.page.report_page`; `record` may have `data`, as
    `bodysounds.reporting.record.data_hashes` gives. Equal ones give equal text.
    """
    head = metrics["headline"]
    by_subject = head["weighting"] == "subject"
    systems = metrics[head["subset"]]
    ours = systems[head["system"]]
    shortcuts = {name: v for name, v in metrics["shortcuts"].items() if name != "verdict"}
    why_not = ((operating_point.get("calibration") or {}).get("ours") or {}).get("why_not")
    told = {
        "eer": (f"{eer_name(metrics)}, {head['condition'].replace('_', ' ')}", head),
        "accuracy": (f"Accuracy {_at(head)}", head),
        "balanced_accuracy": (f"Balanced accuracy {_at(head)}", head),
        "min_dcf": ("minDCF", ours),
        "cllr": ("Cllr, bits", ours),
    }
    return render_card(
        "model_card.md.j2",
        front_matter(
            corpus,
            task,
            pipeline_tag="feature-extraction",
            tags=["audio-verification", "speaker-verification", "embeddings"],
            subset=head["subset"],
            rates=told,
            level=head["level"],
        ),
        task=task,
        head=head,
        headline=headline(metrics),
        eer=eer_name(metrics),
        systems={
            name: _weighed(entry, by_subject)
            for name, entry in systems.items()
            if name == head["system"] or name not in VARIANTS
        },
        ours=ours,
        comparisons={
            name: versus[head["weighting"]] for name, versus in metrics["comparisons"].items()
        },
        conditions={
            name: _weighed(rated["ours"], by_subject)
            for name, rated in metrics["subgroups"].items()
        },
        point=operating_point,
        threshold_told=_at(head),
        why_not_calibrated=why_not,
        breakdown=groups_of(metrics),
        left_out=metrics.get("breakdown", {}).get("skipped", {}),
        gallery=[] if gallery_curve is None else rows(gallery_curve),
        why_no_gallery=why_no_gallery(metrics),
        shortcuts=dict(sorted(shortcuts.items(), key=lambda item: not item[1]["flagged"])),
        verdict=metrics["shortcuts"]["verdict"],
        heard_before=warning_of(encoder, manifest, subsets),
        subset_rows=subset_rows(manifest, subsets, sides),
        definitions=metrics["definitions"],
        **corpus_values(corpus, manifest, rejected),
        **made_values({"": encoder}, record, manifest, subsets),
    )


def _at(head: Metrics) -> str:
    return threshold_told(head) if head.get("accuracy") is not None else ""


def _weighed(entry: Metrics, by_subject: bool) -> Metrics:
    """Return the rates of a system, weighed as the headline's are."""
    return {**entry, **(entry["by_subject"] if by_subject else {})}
