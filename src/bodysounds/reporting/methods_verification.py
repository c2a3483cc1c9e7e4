"""The methods of a verification as a paragraph to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.reporting import methods as told
from bodysounds.reporting.cited import (
    corpus_names,
    encoder_names,
    references,
    score_names,
    software_names,
)
from bodysounds.reporting.methods_embedding import network_told, training_told
from bodysounds.types import Encoder, Metrics

SUBSETS = {"train": "for training", "dev": "for development", "test": "for testing"}
SETS = {"dev": "development", "test": "test"}
MODES = {
    "windows": "the embeddings of windows of {window_s:g} s every {hop_s:g} s were averaged",
    "loud": "the loudest {loud_share:.0%} of the frames were embedded at once",
    "first": "the first {first_s:g} s were embedded at once",
}
POLICIES = {
    "eer": "where false acceptances and false rejections are equally frequent",
    "max_accuracy": "with the highest accuracy",
    "min_dcf": "with the lowest detection cost (prior {p_target:g})",
    "far": "with at most {far:.2%} false acceptances",
    "balanced": "where precision equals recall",
    "prior": "that accepts {prior:.0%} of the test pairs, whose labels were not looked at",
}


def verification_methods(
    *,
    metrics: Metrics,
    point: Metrics,
    subset_rows: Sequence[Mapping[str, Any]],
    hinted: float,
    encoder: Encoder | None,
    corpus: Corpus,
    record: Mapping[str, Any],
    n_folds: int,
) -> dict[str, Any]:
    """Return `text`, the paragraph, and `references` as `bodysounds.reporting.cited` gives them.

    `hinted` is the share of recordings whose subset the corpus names itself.
    """
    head = metrics["headline"]
    parameters = record.get("parameters") or {}
    training = encoder.training if encoder else {}
    text = told.paragraph(
        [
            told.corpus_told(corpus),
            _subsets(subset_rows, hinted, parameters.get("split", {}), n_folds),
            *network_told(encoder),
            *training_told(training),
            *_scoring(head, point, parameters.get("score_pairs", {})),
            *_rates(metrics),
            _threshold(point),
            told.intervals_told(parameters.get("report", {}), head["level"], "subjects", "pairs"),
            told.software_told(record, "torch", "speechbrain", "numpy", "kedro"),
            told.seeds_told(record, training),
        ]
    )
    names = corpus_names(corpus) | score_names(metrics, point["score"] == "normalised")
    names |= encoder_names(encoder) if encoder else set()
    names |= software_names(record, "torch", "kedro")
    if parameters.get("score_pairs", {}).get("sex_filter") == "classifier":
        names |= software_names(record, "scikit-learn")
    return {"text": text, "references": references(names, corpus)}


def _subsets(
    rows: Sequence[Mapping[str, Any]], hinted: float, split: Mapping[str, Any], n_folds: int
) -> str:
    every = rows[-1]
    if n_folds:
        return (
            f"{every['recordings']:,} recordings of {told.several(every['subjects'], 'subject')} "
            f"({every['hours']:.2f} h) were dealt by subject into {n_folds} folds: each subject "
            "was tested once, by an encoder that had heard none of its recordings."
        )
    parts = [
        f"{told.several(row['recordings'], 'recording')} of "
        f"{told.several(row['subjects'], 'subject')} "
        f"({row['hours']:.2f} h) {SUBSETS[row['subset']]}"
        for row in rows
        if row["subset"] in SUBSETS
    ]
    if hinted == 1:
        how = "the corpus's own"
    else:
        shares = [
            f"{split[name]:.0%} {SUBSETS[subset]}"
            for subset, name in (("dev", "dev_share"), ("test", "test_share"))
            if split.get(name)
        ]
        how = f"drawn by subject ({told.joined(shares)})" if shares else "drawn by subject"
        if hinted:
            how = f"the corpus's own where it has them, otherwise {how}"
    return (
        f"There were {told.joined(parts)}. The subsets were {how}; no subject and no file was in "
        "two of them."
    )


def _scoring(head: Mapping[str, Any], point: Metrics, own: Mapping[str, Any]) -> list[str]:
    mode = MODES.get(str(own.get("embed")))
    what = mode.format(**own) if mode else "they were embedded at once"
    longest = f" (up to {own['max_side_s']:g} s)" if own.get("max_side_s") else ""
    sentences = [
        f"The segments of each side of a pair were joined{longest}, {what}, and the pair scored "
        "the cosine of the two embeddings."
    ]
    if "ours" in own.get("centre", ()):
        sentences.append("The mean of the training subjects was taken off the embeddings.")
    if point["score"] == "normalised":
        cohort, top = own.get("cohort_subjects"), own.get("cohort_top_k")
        sizes = f" (at most {cohort} subjects, the {top} nearest)" if cohort else ""
        sentences.append(
            f"Scores were normalised by AS-norm against a cohort of training subjects{sizes}."
        )
    if own.get("sex_filter"):
        how = {"known": "known", "classifier": "classified"}[own["sex_filter"]]
        sentences.append(f"Pairs of two sexes, as {how}, got the lowest score.")
    return sentences


def _rates(metrics: Metrics) -> list[str]:
    head = metrics["headline"]
    ours = metrics[head["subset"]]["ours"]
    weighed = "subjects" if head["weighting"] == "subject" else "pairs"
    which = {"across_sessions": " recorded in different sessions"}.get(head["condition"], "")
    return [
        f"The equal error rate was taken on {ours['n_target']:,} pairs of one subject{which} "
        f"({told.several(ours['n_target_subjects'], 'subject')}) and {ours['n_nontarget']:,} pairs "
        f"of different subjects of the {SETS[head['subset']]} set, {weighed} weighed equally."
    ]


def _threshold(point: Metrics) -> str:
    options = {**(point.get("costs") or {}), **(point.get("options") or {})}
    policy = POLICIES.get(point["policy"], f"by the policy {point['policy']}").format(**options)
    on = "" if point["policy"] == "prior" else " of the development pairs"
    sentence = f"The decision threshold was that{on} {policy}"
    calibrated = point.get("calibration") and not (
        point["calibration"].get("ours", {}).get("why_not")
    )
    if point["policy"] != "prior":
        sentence += ", and was applied to the test pairs as it was"
    return sentence + (
        "; log-likelihood ratios came from logistic calibration on the development pairs."
        if calibrated
        else "."
    )
