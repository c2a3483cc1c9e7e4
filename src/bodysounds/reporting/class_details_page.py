"""The report of a task of few classes, with members and ensembles: one HTML page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bodysounds.corpora.base import Corpus
from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.models.heard import warning_of
from bodysounds.params.report_classes import HEARD
from bodysounds.reporting import respiratory_page as breath
from bodysounds.reporting.audio import Sounds, audio_told
from bodysounds.reporting.captions import rows
from bodysounds.reporting.cards import data_facts, model_facts, rejected_reasons
from bodysounds.reporting.class_cards import clip_rows, listed, rule_facts, split_told
from bodysounds.reporting.class_rating import CLASS_RATES
from bodysounds.reporting.class_words import (
    property_label,
    rate_label,
    rate_title,
    shown_systems,
    system_label,
)
from bodysounds.reporting.compare_words import shown as comparison_shown
from bodysounds.reporting.html import images, render
from bodysounds.reporting.methods_respiratory import respiratory_methods
from bodysounds.reporting.methods_scream import scream_methods
from bodysounds.reporting.words import percent
from bodysounds.types import Metrics, Table

WIDE = (
    "systems", "confusion", "classes", "roc", "precision_recall", "reliability", "shortcuts",
)  # fmt: skip
CAPTIONS = {
    "systems": "Each system with its interval; filled on what training did not hear, hollow on "
    "what it did.",
    "confusion": "Rows are true, columns what the clips were taken for; below each share its "
    "clips.",
    "classes": "Recall filled, precision hollow, with their intervals.",
    "roc": "One class against the others, at every threshold; upper left is better.",
    "precision_recall": "One class against the others, at every threshold; upper right is better.",
    "reliability": "Share of right clips by confidence; on the dotted line a system is right as "
    "often as it says.",
    "risk_coverage": "Share of errors among the clips answered, the surest first; lower is better.",
    "shortcuts": "What each property reaches without the sound, below ours; flagged ones are "
    "hatched.",
}
CLASS_RATE_LABELS = {"f1": "F1", "auc": "AUC", "average_precision": "Average precision"}
PARTS = (("Members", "members"), ("Ensembles", "ensembles"), ("Baselines", "baselines"))


def details_page(
    *,
    metrics: Metrics,
    confusions: Table,
    figures: Mapping[str, bytes],
    manifest: Table,
    rejected: Table,
    examples: Table,
    split_facts: Metrics,
    classifiers: Mapping[str, Classifier],
    rule: Mapping[str, Any],
    corpus: Corpus,
    record: Mapping[str, Any],
    task: str = "classification",
    comparison: Metrics | None = None,
    audio: int = 0,
    errors: Sequence[Mapping[str, Any]] = (),
    sounds: Sounds | None = None,
) -> str:
    """Return the report of a task of few classes as one self-contained HTML page.

    Parameters
    ----------
    metrics
        As `bodysounds.reporting.class_details.with_details` gives.
    confusions : Table
        Those to list, the most frequent first.
    figures : mapping of str to bytes
        PNG by name (those of `CAPTIONS`, training_<member>).
    manifest, rejected, examples
        The tables of the corpus and of the split, for the data card.
    split_facts
        That entry of the task.
    classifiers
        By member; "" for one that stands alone. Their networks and training records make the model
        card.
    rule
        Of the ensemble; empty where there is none.
    record
        `run_record()`, and the run's `parameters` where they are known.
    comparison
        That entry of the task; its section is left out where there is no earlier run.
    """
    head = metrics["headline"]
    cycles = head.get("unit") == "cycle"
    if cycles:
        examples, split_facts = breath.dealt(metrics, examples, split_facts)
    audit = {name: v for name, v in metrics["shortcuts"].items() if name != "verdict"}
    parameters = record.get("parameters")
    told: dict[str, Any] = {
        "metrics": metrics, "split_facts": split_facts, "classifiers": classifiers, "rule": rule,
        "corpus": corpus, "record": record,
    }  # fmt: skip
    shown = shown_systems(metrics)
    found = metrics["test"]["ours"]["per_class"]
    own = manifest[manifest["recording_id"].isin(examples["recording_id"])]
    return render(
        "class_details.html.j2",
        wide_figures=(*WIDE, *breath.WIDE, *(name for name in figures if "training" in name)),
        class_label=system_label,
        property_label=_property_label,
        rate_label=rate_label,
        rate_title=rate_title,
        plural=lambda n, word: f"{n:,} {word}{'' if n == 1 else 's'}",
        class_rates=CLASS_RATES,
        class_rate_label=lambda name: CLASS_RATE_LABELS.get(name, name.capitalize()),
        task=task.replace("_", " "),
        question=f"Which of {head['n_classes']:,} {head['classes_are']} is heard?",
        corpus=corpus,
        metrics=metrics,
        comparison=comparison_shown(comparison),
        head=head,
        systems=metrics["test"],
        shown=shown,
        tested=[name for name in metrics["classes"] if found[name]["n"]],
        untested=[name for name in metrics["classes"] if not found[name]["n"]],
        parts=[("", ["ours"])]
        + [
            ("Methods" if cycles and key == "members" else told, names)
            for told, key in PARTS
            if (names := _names(head[key], shown))
        ],
        **breath.page_values(metrics, split_facts, rule),
        subsets=[name for name in ("train", "dev", "test") if name in metrics],
        leak=metrics["leak"],
        images=_images(figures, metrics),
        confusions=rows(confusions),
        errors=errors,
        sounds=sounds or {},
        audio_told=audio_told(sounds or {}, audio, corpus, "report_classes"),
        audit=audit,
        files={f"file_{k}": v for k, v in metrics["file_shortcuts"].items()},
        verdict=metrics["shortcuts"]["verdict"],
        flagged=any(entry["flagged"] for entry in audit.values()),
        quiet=rule.get("events", {}).get("quiet"),
        most_of_none=-math.log((1 - head["level"]) / 2),
        event_rules=listed(rule.get("events", {})),
        clip_rows=clip_rows(examples),
        split_told=split_told(split_facts),
        data_facts=breath.breath_facts(own) if cycles else data_facts(own),
        n_rejected=len(rejected),
        rejected=rejected_reasons(rejected),
        heard_before=heard_before(classifiers, manifest, examples, rule),
        model_facts={
            **({"The rule": rule_facts(rule)} if rule and not cycles else {}),
            **{name: model_facts(one.encoder) for name, one in classifiers.items()},
        },
        intended=breath.INTENDED
        if cycles
        else f"To tell the {head['n_classes']:,} {head['classes_are']} above apart in "
        "recordings like those above, in research, with the error rates given.",
        limits=breath.LIMITS
        if cycles
        else f"Whatever is none of these {head['classes_are']} is named as one of them all the "
        "same, unless it is too unsure to be answered. Other microphones, rooms, ages and sources "
        "than those above are untested.",
        record=record,
        parameters=json.dumps(parameters, indent=2, default=str) if parameters else "",
        methods=respiratory_methods(examples=examples, **told)
        if cycles
        else scream_methods(**told),
    )


def _names(names: list[str], shown: Mapping[str, str]) -> list[str]:
    return [name for name in names if name in shown]


def _property_label(name: str) -> str:
    if name.startswith("file_"):
        from bodysounds.figures.class_rates import file_label

        return file_label(name.removeprefix("file_"))
    return property_label(name)


def heard_before(
    classifiers: Mapping[str, Classifier],
    manifest: Table,
    examples: Table,
    rule: Mapping[str, Any],
) -> list[str]:
    """Return a sentence for each classifier that has heard recordings of unheard sources.

    Of runs, which leave a rule alone, for the weights that they all start from.
    """
    tested = examples[(examples["subset"] == "test") & examples["condition"].isin(list(HEARD))]
    subsets = pd.DataFrame({"recording_id": tested["recording_id"].unique()}).assign(subset="test")
    encoders = {name: one.encoder for name, one in classifiers.items()}
    if rule.get("heard"):
        encoders["The weights to start from"] = Encoder({}, {}, {}, {"heard": rule["heard"]})
    warnings = {name: warning_of(one, manifest, subsets) for name, one in encoders.items()}
    return [
        f"{system_label(name)}: {told}" if name else told for name, told in warnings.items() if told
    ]


def _images(figures: Mapping[str, bytes], metrics: Metrics) -> dict[str, dict[str, str]]:
    found = images(figures, {**_alt_texts(metrics), **breath.alt_texts(metrics)})
    captions = {**CAPTIONS, **breath.CAPTIONS}
    if metrics["headline"].get("unit") == "cycle":
        captions = {name: told.replace("clip", "cycle") for name, told in captions.items()}
    if metrics["file_shortcuts"]:
        captions["shortcuts"] += " Dots: those of the original files."
    return {
        name: {
            **image,
            **({"caption": captions[name]} if name in captions else {}),
            **(
                {"caption": "Loss and accuracy by epoch; the star is the epoch kept."}
                if name.startswith("training")
                else {}
            ),
        }
        for name, image in found.items()
    }


def _alt_texts(metrics: Metrics) -> dict[str, str]:
    """Return the text in place of each figure, its numbers included."""
    rate = metrics["headline"]["rate"]
    shown = shown_systems(metrics)
    rates = ", ".join(f"{shown[k]} {percent(metrics['test'][k][rate])}" for k in shown)
    ours = metrics["test"]["ours"]["per_class"]
    by_class = "; ".join(
        f"{name}: precision {percent(e['precision'])}, recall {percent(e['recall'])}, area under "
        f"ROC {percent(e['auc'])}, average precision {percent(e['average_precision'])}"
        for name, e in ours.items()
    )
    ece = ", ".join(
        f"{shown[k]} {percent(e['ece'])}" for k, e in metrics["calibration"].items() if k in shown
    )
    return {
        "systems": f"{rate_title(rate)} with intervals: {rates}.",
        "confusion": f"Confusion matrices of the systems. Ours: {by_class}.",
        "classes": f"Recall and precision by class and system. Ours: {by_class}.",
        "roc": f"Receiver operating characteristics. Ours: {by_class}.",
        "precision_recall": f"Curves of precision over recall. Ours: {by_class}.",
        "reliability": f"Reliability diagrams. Expected calibration errors: {ece}.",
        "risk_coverage": "Share of errors among the clips answered, by share answered.",
        "shortcuts": f"Bars of what each property reaches. {metrics['shortcuts']['verdict']}",
    }
