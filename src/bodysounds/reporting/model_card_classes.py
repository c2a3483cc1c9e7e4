"""The model card of a classifier or of an ensemble, from its run alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.models.classifier import Classifier
from bodysounds.models.heard import warning_of
from bodysounds.reporting import respiratory_page as breath
from bodysounds.reporting.class_cards import clip_rows, listed, rule_facts, split_told
from bodysounds.reporting.class_details_page import heard_before
from bodysounds.reporting.class_headline import class_headline
from bodysounds.reporting.class_words import (
    CONDITIONS,
    property_label,
    rate_label,
    rate_title,
    shown_systems,
    system_label,
)
from bodysounds.reporting.model_card_facts import corpus_values, made_values
from bodysounds.reporting.model_card_front import front_matter
from bodysounds.reporting.model_card_markdown import render_card
from bodysounds.reporting.respiratory_groups import COLUMNS
from bodysounds.types import Metrics, Table

MOST_CLASSES = 20
"""Above it the classes recognised least are listed."""
N_WEAKEST = 10


def class_card(
    *,
    metrics: Metrics,
    manifest: Table,
    rejected: Table,
    examples: Table,
    split_facts: Metrics,
    classifiers: Mapping[str, Classifier],
    rule: Mapping[str, Any],
    corpus: Corpus,
    record: Mapping[str, Any],
    task: str = "classification",
) -> str:
    """Return the model card of a classification, Markdown with YAML front matter.

    The arguments are those of `bodysounds.reporting.class_details_page.details_page`; `record` may
    have `data`, as `bodysounds.reporting.record.data_hashes` gives. Equal ones give equal text.
    """
    head = metrics["headline"]
    kind = "breath" if head.get("unit") == "cycle" else "ensemble" if rule else "closed"
    own = manifest[manifest["recording_id"].isin(examples["recording_id"])]
    audit = {name: v for name, v in metrics["shortcuts"].items() if name != "verdict"}
    if kind == "breath":
        examples, split_facts = breath.dealt(metrics, examples, split_facts)
    facts = corpus_values(corpus, own, rejected)
    if kind == "breath":
        facts["data_facts"] = breath.breath_facts(own)
    told = breath.page_values(metrics, split_facts, rule)
    networks = {system_label(n) if n else "": one.encoder for n, one in classifiers.items()}
    subsets = examples[["recording_id", "subset"]].drop_duplicates()
    # a closed set's test has no recording of train, heard session or not
    warnings = (
        [warning_of(one, manifest, subsets) for one in networks.values()]
        if kind == "closed"
        else heard_before(classifiers, manifest, examples, rule)
    )
    return render_card(
        "model_card_classes.md.j2",
        front_matter(
            corpus,
            task,
            pipeline_tag="audio-classification",
            tags=[task_tag(kind)],
            subset=head["subset"],
            rates={rate: (_named(rate, head), head) for rate in _rates(head)},
            level=head["level"],
        ),
        task=task,
        kind=kind,
        head=head,
        headline=class_headline(metrics),
        clip=head.get("unit", "clip"),
        conditions=told["conditions"],
        heard_claim=told["heard_claim"],
        rate_title=rate_title,
        rate_label=rate_label,
        class_label=system_label,
        property_label=property_label,
        shown=shown_systems(metrics),
        systems=metrics["test"],
        comparisons=metrics["comparisons"],
        subgroups={name: rated["ours"] for name, rated in metrics["subgroups"].items()},
        leak=metrics["leak"].get("ours") if metrics["leak"] else None,
        protocol=metrics.get("protocol") or {"warnings": []},
        per_class=_per_class(metrics),
        n_classes=head["n_classes"],
        calibration=(metrics.get("calibration") or {}).get("ours"),
        abstention=metrics.get("abstention"),
        false_alarms=(metrics.get("false_alarms") or {}).get("ours"),
        event_rules=listed(rule.get("events", {})),
        quiet=rule.get("events", {}).get("quiet"),
        domains=metrics.get("domains") or {},
        groups=metrics.get("groups") or {},
        group_columns=COLUMNS,
        audit=dict(sorted(audit.items(), key=lambda item: not item[1]["flagged"])),
        verdict=metrics["shortcuts"]["verdict"],
        warnings=[told for told in warnings if told],
        clip_rows=_rows(examples, by_class=kind != "closed"),
        split_told=split_told(split_facts),
        rule_facts=rule_facts(rule) if rule else {},
        intended=breath.INTENDED,
        limits=breath.LIMITS,
        definitions=metrics["definitions"],
        **facts,
        **made_values(networks, record, manifest, subsets),
    )


def task_tag(kind: str) -> str:
    """Return the tag of a kind of task."""
    return {
        "breath": "respiratory-sound",
        "ensemble": "sound-event-detection",
        "closed": "speaker-identification",
    }[kind]


def _rates(head: Metrics) -> list[str]:
    breath = ["score", "se", "sp", "score_any", "se_any"] if head["rate"] == "score" else []
    return [*breath, "accuracy", "top5", "balanced_accuracy", "macro_f1"]


def _named(rate: str, head: Metrics) -> str:
    title = "Top-5" if rate == "top5" else rate_title(rate)
    return f"{title}, {CONDITIONS[head['condition']]}"


def _rows(examples: Table, by_class: bool) -> list[dict[str, Any]]:
    """Return a row for all classes of each part, and behind it those of its classes."""
    together = clip_rows(examples.assign(label="all"))
    parts = [row["part"] for row in together]
    of_classes = clip_rows(examples) if by_class else []
    return sorted([*together, *of_classes], key=lambda row: parts.index(row["part"]))


def _per_class(metrics: Metrics) -> dict[str, Metrics]:
    """Return the rates of ours by class, of the weakest where there are many classes."""
    found = metrics["test"]["ours"]["per_class"] or {}
    if len(found) <= MOST_CLASSES:
        return dict(found)
    tested = [item for item in found.items() if item[1]["recall"] is not None]
    return dict(sorted(tested, key=lambda item: (item[1]["recall"], item[0]))[:N_WEAKEST])
