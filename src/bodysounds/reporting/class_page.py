"""The report of a classification: one HTML page that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.corpora.base import Corpus, some
from bodysounds.figures.class_rates import recalls
from bodysounds.models.classifier import Classifier
from bodysounds.models.heard import warning_of
from bodysounds.reporting.audio import Sounds, audio_told
from bodysounds.reporting.captions import rows
from bodysounds.reporting.cards import data_facts, model_facts, rejected_reasons, subset_rows
from bodysounds.reporting.class_words import CONDITIONS, property_label, system_label
from bodysounds.reporting.compare_words import shown as comparison_shown
from bodysounds.reporting.html import images, render
from bodysounds.reporting.methods_identification import identification_methods
from bodysounds.reporting.words import percent
from bodysounds.types import Metrics, Table

N_WEAKEST = 8
"""Classes listed as recognised least."""
CAPTIONS = {
    "systems": "Top-1 accuracy of each system with its interval; filled where the session was not "
    "heard in training, hollow where it was.",
    "confusion": "Rows are true, columns what the clips were taken for; classes that are taken for "
    "each other stand together, and the diagonal is right.",
    "classes": "How many of them reach which share of right clips.",
    "training": "Each loss on its own axes, since their sizes differ; the star is the epoch kept.",
    "shortcuts": "What each property of a recording reaches without the voice, below ours; flagged "
    "ones are hatched.",
}


def class_page(
    *,
    metrics: Metrics,
    confusions: Table,
    figures: Mapping[str, bytes],
    manifest: Table,
    rejected: Table,
    subsets: Table,
    split_facts: Metrics,
    classifier: Classifier,
    corpus: Corpus,
    record: Mapping[str, Any],
    task: str = "classification",
    comparison: Metrics | None = None,
    audio: int = 0,
    errors: Sequence[Mapping[str, Any]] = (),
    sounds: Sounds | None = None,
) -> str:
    """Return the report of a classification task as one self-contained HTML page.

    Parameters
    ----------
    metrics
        As `bodysounds.reporting.class_metrics.classification_metrics` gives.
    confusions : Table
        Those to list, the most frequent first.
    figures : mapping of str to bytes
        PNG by name (systems, confusion, classes, shortcuts, training, or any other).
    manifest, rejected, subsets
        The tables of the corpus, for the data card.
    split_facts
        That entry of the task.
    classifier
        Its network and training record make the model card.
    record
        `run_record()`, and the run's `parameters` where they are known.
    comparison
        That entry of the task; its section is left out where there is no earlier run.
    """
    head = metrics["headline"]
    audit = {name: v for name, v in metrics["shortcuts"].items() if name != "verdict"}
    parameters = record.get("parameters")
    no_sides = pd.DataFrame({"recording_id": [], "side_id": []})
    counted = subset_rows(manifest, subsets, no_sides)
    who = head["classes_are"]
    return render(
        "classes.html.j2",
        wide_figures=("training",),
        class_label=system_label,
        property_label=property_label,
        task=task.replace("_", " "),
        question=f"Which of {head['n_classes']:,} known {who} is heard?",
        corpus=corpus,
        metrics=metrics,
        comparison=comparison_shown(comparison),
        head=head,
        systems=metrics["test"],
        leak=metrics["leak"],
        conditions=CONDITIONS,
        images=_images(figures, metrics),
        weakest=_weakest(metrics["test"]["ours"]),
        confusions=rows(confusions),
        errors=errors,
        sounds=sounds or {},
        audio_told=audio_told(sounds or {}, audio, corpus, "report_classes"),
        audit=audit,
        verdict=metrics["shortcuts"]["verdict"],
        flagged=any(entry["flagged"] for entry in audit.values()),
        subset_rows=counted,
        split_told=_split_told(split_facts),
        data_facts=data_facts(manifest[manifest["recording_id"].isin(subsets["recording_id"])]),
        n_rejected=len(rejected),
        rejected=rejected_reasons(rejected),
        heard_before=warning_of(classifier.encoder, manifest, subsets),
        model_facts=model_facts(classifier.encoder),
        intended=f"To tell which of the {head['n_classes']:,} {who} above made a recording like "
        "those above, in research, with the error rates given.",
        limits=f"Whoever is none of these {who} is named as one of them all the same: that is what "
        "a closed set means, and an open one needs verification with a threshold.",
        record=record,
        parameters=json.dumps(parameters, indent=2, default=str) if parameters else "",
        methods=identification_methods(
            metrics=metrics,
            subset_rows=counted,
            split_facts=split_facts,
            encoder=classifier.encoder,
            corpus=corpus,
            record=record,
        ),
    )


def _images(figures: Mapping[str, bytes], metrics: Metrics) -> dict[str, dict[str, str]]:
    found = images(figures, _alt_texts(metrics))
    return {name: {**image, **_caption(name)} for name, image in found.items()}


def _caption(name: str) -> dict[str, str]:
    return {"caption": CAPTIONS[name]} if name in CAPTIONS else {}


def _alt_texts(metrics: Metrics) -> dict[str, str]:
    """Return the text in place of each figure, its numbers included."""
    systems = ", ".join(
        f"{system_label(name)} {percent(entry['accuracy'])}"
        for name, entry in metrics["test"].items()
    )
    shares = recalls(metrics["test"]["ours"])
    middle = f"{np.median(shares):.0f}%" if shares else "unknown"
    return {
        "systems": f"Top-1 accuracies with intervals: {systems}.",
        "confusion": "Confusion matrix; the most frequent confusions are listed below.",
        "classes": f"Histogram of the share of right clips of each; the median is {middle}.",
        "training": "Curves of the losses and of train and dev accuracy by epoch.",
        "shortcuts": "Bars of the accuracy of each recording property. "
        + metrics["shortcuts"]["verdict"],
    }


def _weakest(entry: Metrics) -> list[tuple[str, Metrics]]:
    rated = {
        name: part
        for name, part in (entry["per_class"] or {}).items()
        if part["recall"] is not None and part["recall"] < 1
    }
    return sorted(rated.items(), key=lambda item: (item[1]["recall"], -item[1]["n"], item[0]))[
        :N_WEAKEST
    ]


def _split_told(facts: Metrics) -> dict[str, str]:
    """Return what the split decided, as text by name."""
    if not facts:
        return {}
    told = {
        "Split": f"by {facts['by']}, seed {facts['seed']}"
        + (", drawn for this run" if facts["resplit"] else ""),
        "Test clips": ", ".join(
            f"{CONDITIONS[name]} {count:,}" for name, count in facts["test_clips"].items() if count
        ),
        "Several sessions": f"{facts['n_several_sessions']:,} of {facts['n_speakers']:,}",
    }
    for reason, names in facts["left_out"].items():
        told[f"Left out ({len(names):,})"] = f"{reason}: {some(names, 10)}"
    return told
