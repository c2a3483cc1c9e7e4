"""The methods of an ensemble of sound classifiers as a paragraph to paste."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.models.classifier import Classifier
from bodysounds.reporting import methods as told
from bodysounds.reporting import methods_classes as classes
from bodysounds.reporting.cited import corpus_names, encoder_names, references, software_names
from bodysounds.reporting.class_words import rate_label, system_label
from bodysounds.types import Metrics

PARTS = {
    "train": "for training", "dev": "for development", "unseen_source": "for testing",
    "heard_source": "of training sources held out beside them",
}  # fmt: skip
WINDOWS = {"loudest": "the loudest", "spread": "evenly spread", "first": "the first"}
AIMS = {
    "fixed": "fixed beforehand",
    "coverage": "so that {value:.0%} of the development clips were answered",
    "selective_error": "so that {value:.0%} of the answers on the development set were wrong",
}


def scream_methods(
    *,
    metrics: Metrics,
    split_facts: Metrics,
    classifiers: Mapping[str, Classifier],
    rule: Mapping[str, Any],
    corpus: Corpus,
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """Return `text`, the paragraph, and `references` as `bodysounds.reporting.cited` gives them."""
    head = metrics["headline"]
    parameters = record.get("parameters") or {}
    encoders = {name: one.encoder for name, one in classifiers.items()}
    rates = {told.rate_told(one.front_end) for one in encoders.values()}
    where = f"{told.several(head['n_groups'], 'source')}"
    where = f"{where} that training had not heard" if head["unheard"] else where
    text = told.paragraph(
        [
            told.corpus_told(corpus),
            _split(split_facts, head),
            *sorted(rates),
            *(sentence for name, one in encoders.items() for sentence in _member(name, one)),
            *_rule(rule, head),
            classes.baselines_told(list(metrics["test"])),
            classes.rates_told(metrics, where, rate_label(head["rate"])),
            told.intervals_told(
                parameters.get("report_classes", {}), head["level"], head["resampled"], "clips"
            ),
            told.software_told(record, "torch", "scikit-learn", "numpy", "kedro"),
            told.seeds_told(record, {}),
        ]
    )
    names = corpus_names(corpus) | software_names(record, "torch", "scikit-learn", "kedro")
    names |= {name for one in encoders.values() for name in encoder_names(one)}
    names |= {"temperature"} if metrics["calibration"] else set()
    return {"text": text, "references": references(names, corpus)}


def _split(facts: Metrics, head: Mapping[str, Any]) -> str:
    counts = facts.get("counts", {})
    parts = []
    for part, where in PARTS.items():
        own = [by_part[part] for by_part in counts.values() if part in by_part]
        sums = {k: sum(one[k] for one in own) for k in ("sources", "windows")} if own else {}
        if sums.get("windows"):
            parts.append(
                f"{sums['windows']:,} windows of {told.several(sums['sources'], 'source')} {where}"
            )
    if not parts:
        return ""
    at_most = f", at most {facts['at_most']} a recording" if facts.get("at_most") else ""
    return (
        f"Recordings of {head['n_classes']:,} {head['classes_are']} were cut into windows of "
        f"{facts['window_s']:g} s, {facts['hop_s']:g} s apart or more "
        f"({WINDOWS.get(facts['choose'], facts['choose'])}{at_most}). They were dealt by source "
        f"(seed {facts['seed']}): {told.joined(parts)}."
    )


def _member(name: str, encoder: Any) -> list[str]:
    architecture = encoder.architecture
    what = system_label(name) if name else str(architecture["name"])
    width = architecture.get("width")
    narrow = f" of {width:g} times the published width" if width not in (None, 1, 1.0) else ""
    sentences = [
        f"{what}{narrow} ({told.weights_told(encoder)}) heard {classes.hears_told(encoder)}.",
        *classes.training_told(encoder.training, "the cross-entropy", "clip"),
    ]
    own = encoder.training.get("parameters") or {}
    for beneath in own.get("background", ()):
        low, high = beneath["snr_db"]
        sentences.append(
            f"With probability {beneath['p']:g} a window had one of {beneath['label']} under it, "
            f"at {low:g} to {high:g} dB."
        )
    return sentences


def _rule(rule: Mapping[str, Any], head: Mapping[str, Any]) -> list[str]:
    if not rule.get("chosen"):
        return []
    by_dev = ", which did best on the development set," if head.get("chosen_by") == "dev" else ""
    sentences = []
    if rule.get("temperatures"):
        sentences.append(
            "The members' logits were divided by temperatures fitted on training clips that they "
            "had not heard (cross-validated)."
        )
    sentences.append(f"The {system_label(rule['chosen'])}{by_dev} gave the answer.")
    abstain = rule.get("abstain") or {}
    if abstain.get("threshold") and abstain.get("aim") in AIMS:
        sentences.append(
            f"It abstained below a confidence of {abstain['threshold']:.3f}, "
            f"{AIMS[abstain['aim']].format(**abstain)}; the rates count every clip all the same."
        )
    return sentences
