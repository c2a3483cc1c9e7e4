"""The methods of a closed-set identification as a paragraph to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.reporting import methods as told
from bodysounds.reporting import methods_classes as classes
from bodysounds.reporting.cited import corpus_names, encoder_names, references, software_names
from bodysounds.types import Encoder, Metrics

SPLITS = {
    "session": "Whole sessions were held out, so that no test session was heard in training",
    "utterance": "Single clips were dealt",
    "listed": "The corpus's own split was taken",
}


def identification_methods(
    *,
    metrics: Metrics,
    subset_rows: Sequence[Mapping[str, Any]],
    split_facts: Metrics,
    encoder: Encoder,
    corpus: Corpus,
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """Return `text`, the paragraph, and `references` as `bodysounds.reporting.cited` gives them."""
    head = metrics["headline"]
    parameters = record.get("parameters") or {}
    body = encoder.architecture
    text = told.paragraph(
        [
            told.corpus_told(corpus),
            _split(subset_rows, split_facts, head),
            told.rate_told(encoder.front_end),
            f"The network, a ResNet-18 of {body.get('width')} channels in its first layer "
            f"({told.weights_told(encoder)}), heard {classes.hears_told(encoder)}.",
            *classes.training_told(encoder.training, _losses(encoder.training), "clip"),
            classes.baselines_told(list(metrics["test"])),
            _rated(head),
            told.intervals_told(
                parameters.get("report_classes", {}), head["level"], head["resampled"], "clips"
            ),
            told.software_told(record, "torch", "scikit-learn", "numpy", "kedro"),
            told.seeds_told(record, encoder.training),
        ]
    )
    names = corpus_names(corpus) | encoder_names(encoder)
    names |= software_names(record, "torch", "scikit-learn", "kedro")
    return {"text": text, "references": references(names, corpus)}


def _split(rows: Sequence[Mapping[str, Any]], facts: Metrics, head: Mapping[str, Any]) -> str:
    parts = [
        f"{row['recordings']:,} recordings ({row['hours']:.2f} h) {where}"
        for row in rows
        for name, where in (("train", "for training"), ("dev", "for development"),
                            ("test", "for testing"))
        if row["subset"] == name
    ]  # fmt: skip
    how = SPLITS.get(str(facts.get("by")), "The recordings were dealt")
    seed = f" (seed {facts['seed']})" if facts.get("by") != "listed" and "seed" in facts else ""
    return (
        f"The same {head['n_classes']:,} {head['classes_are']} were in all subsets, with "
        f"{told.joined(parts)}. {how}{seed}."
    )


def _losses(training: Mapping[str, Any]) -> str:
    own = training.get("parameters") or {}
    if not own.get("ccl_reg"):
        return "the cross-entropy"
    return f"the cross-entropy and {own['ccl_reg']:g} times the contrastive-center loss"


def _rated(head: Mapping[str, Any]) -> str:
    conditions = {
        "across_sessions": "from sessions that training had not heard",
        "same_session": "from heard sessions",
    }
    return (
        f"Top-1 accuracy was taken on {told.several(head['n'], 'test clip')} "
        f"{conditions.get(head['condition'], 'of all conditions')}."
    )
