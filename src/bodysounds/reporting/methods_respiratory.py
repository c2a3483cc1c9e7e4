"""The methods of a breath sound classification as a paragraph to paste."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.models.classifier import Classifier
from bodysounds.params.train_respiratory import TWO_STAGES
from bodysounds.reporting import methods as told
from bodysounds.reporting import methods_classes as classes
from bodysounds.reporting.cited import (
    corpus_names,
    encoder_names,
    references,
    software_names,
    training_names,
)
from bodysounds.reporting.class_words import rate_label, system_label
from bodysounds.types import Encoder, Metrics, Table

PARTS = {"train": "for training", "dev": "for development", "test": "for testing"}
PROTOCOLS = {
    "official": "The halves were the corpus's own; development patients were drawn from the first",
    "published": "The halves were the corpus's own, and the test half chose the epoch",
    "patients": "Patients were dealt at random",
}
TWICE = "A cycle stood in a batch twice, each changed by itself."


def respiratory_methods(
    *,
    metrics: Metrics,
    examples: Table,
    split_facts: Metrics,
    classifiers: Mapping[str, Classifier],
    rule: Mapping[str, Any],
    corpus: Corpus,
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """Return `text`, the paragraph, and `references` as `bodysounds.reporting.cited` gives them.

    Of folds and seeds, which leave no one network, the parameters of the training are told.
    """
    head = metrics["headline"]
    parameters = record.get("parameters") or {}
    chosen_on = "test half" if head.get("chosen_by") == "test" else "development set"
    encoders = [one.encoder for one in classifiers.values()]
    where = told.several(head["n_groups"], "patient")
    where = f"{where} of whom training had heard nothing" if head["unheard"] else where
    text = told.paragraph(
        [
            told.corpus_told(corpus),
            _split(metrics, examples, split_facts),
            *(
                sentence.replace("development set", chosen_on)
                for one in encoders
                for sentence in _network(one)
            ),
            *(_runs(metrics, rule, parameters) if not encoders else ()),
            classes.baselines_told(list(metrics["test"])),
            classes.rates_told(metrics, where, rate_label(head["rate"])),
            "The Score is the mean of the specificity and of the sensitivity to the very class."
            if head["rate"] == "score"
            else "",
            told.intervals_told(
                parameters.get("report_classes", {}), head["level"], head["resampled"], "cycles"
            ),
            told.software_told(record, "torch", "scikit-learn", "numpy", "kedro"),
            told.seeds_told(record, encoders[0].training if encoders else {}),
        ]
    )
    names = corpus_names(corpus) | software_names(record, "torch", "scikit-learn", "kedro")
    names |= {name for one in encoders for name in encoder_names(one)}
    names |= {"temperature"} if metrics["calibration"] else set()
    if not encoders:
        names |= {"panns"} | training_names(parameters.get("train_respiratory", {}))
        if {"scl", "hybrid", "mscl"} & set(metrics["test"]):
            names |= {"supcon", "metadata"}
    return {"text": text, "references": references(names, corpus)}


def _split(metrics: Metrics, examples: Table, facts: Metrics) -> str:
    def counted(own: Table) -> str:
        patients = int(own["session_id"].nunique())
        cycles = told.several(len(own), "breath cycle")
        return f"{cycles} of {told.several(patients, 'patient')}"

    folds = metrics.get("protocol", {}).get("folds")
    if folds:
        return (
            f"{counted(examples)} were dealt by patient into {folds} folds: each patient was "
            "tested once, by networks that had never heard it."
        )
    parts = [
        f"{counted(examples[examples['subset'] == subset])} {where}"
        for subset, where in PARTS.items()
        if (examples["subset"] == subset).any()
    ]
    how = PROTOCOLS.get(str(facts.get("protocol")), "They were dealt by patient")
    heard = examples[(examples["subset"] == "test") & (examples["condition"] == "heard_patient")]
    both = int(heard["session_id"].nunique())
    apart = f"; {told.several(both, 'patient')} in both halves stood apart" if both else ""
    return f"There were {told.joined(parts)}. {how}{apart}."


def _network(encoder: Encoder) -> list[str]:
    architecture, training = encoder.architecture, encoder.training
    width = architecture.get("width")
    narrow = f" of {width:g} times the published width" if width not in (None, 1, 1.0) else ""
    sentences = [
        told.rate_told(encoder.front_end),
        f"The network, a {str(architecture['name']).upper()} of the PANNs{narrow} "
        f"({told.weights_told(encoder)}), heard {classes.hears_told(encoder, 'cycle')}.",
    ]
    own = training.get("parameters") or {}
    method = str(training.get("method", own.get("method", "sl")))
    if method in TWO_STAGES and own:
        return [*sentences, *_two_stages(training, _losses(method, own))]
    sentences += classes.training_told(training, _losses(method, own), "cycle")
    return [*sentences, TWICE if own.get("two_views") and method != "sl" else ""]


def _two_stages(training: Mapping[str, Any], losses: str) -> list[str]:
    """Return a contrastive training, and the linear one whose record `training` is."""
    own = dict(training["parameters"])
    of_classes = ("label_smoothing", "dropout", "class_weights")
    first = {name: value for name, value in own.items() if name not in of_classes}
    epochs = training.get("contrastive", {}).get("epochs", own["n_epochs"])
    network = {"init": training.get("init"), "n_train": training.get("n_train"),
               "precision": training.get("precision"), "epochs": epochs,
               "parameters": first}  # fmt: skip
    linear = told.optimiser_told(
        {
            "optimiser": own["head_optimiser"], "learning_rate": own["head_learning_rate"],
            "weight_decay": own.get("weight_decay"), "clip_norm": own.get("clip_norm"),
            "schedule": [{"name": "constant"}],
        },
        training.get("epochs"), "",
    )  # fmt: skip
    by = classes.CHOSEN_BY.get(str(own.get("choose")), "the best result")
    return [
        *classes.training_told(network, losses, "cycle"),
        TWICE if own.get("two_views") else "",
        "A linear layer was then trained on the network as it stood, by the cross-entropy.",
        linear,
        f"Its epoch {training['chosen_epoch']} was kept, which had {by}.",
    ]


def _losses(method: str, own: Mapping[str, Any]) -> str:
    contrastive = f"the supervised contrastive loss (temperature {own.get('temperature', 0.06):g})"
    if method == "hybrid":
        weight = own.get("hybrid_alpha", 0.5)
        return f"{1 - weight:g} times the cross-entropy and {weight:g} times {contrastive}"
    if method == "scl":
        return contrastive
    if method == "mscl":
        share = own.get("metadata_weight", 0.25)
        groups = told.joined([str(name).replace("_", " ") for name in own.get("metadata", ())])
        return (
            f"{1 - share:g} times {contrastive} on the classes and {share:g} times the same on "
            f"groups by {groups}"
        )
    return "the cross-entropy"


def _runs(metrics: Metrics, rule: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """Return what was trained where folds or seeds leave no one network."""
    own = parameters.get("train_respiratory") or {}
    names = [system_label(name) for name in rule.get("members", [])]
    sentences = []
    if own:
        sentences = [
            f"Networks were a {str(own.get('network')).upper()} of the PANNs hearing "
            f"{own.get('clip_s'):g} s as {own.get('n_mels')} log-mel bands, trained by "
            f"{told.joined(names)}." if names else "",
            told.augment_told(own),
            told.optimiser_told(own, own.get("n_epochs"), str(own.get("precision", "auto"))),
        ]  # fmt: skip
    runs = (metrics.get("runs") or {}).get("methods", {})
    most = max((entry["n"] for entry in runs.values()), default=1)
    if most > 1:
        sentences.append(
            f"Each method was trained {most} times, by the seed alone; the mean of the runs' "
            "probabilities gave the answer."
        )
    return sentences
