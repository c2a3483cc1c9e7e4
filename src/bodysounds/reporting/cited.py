"""Which of the citations a run used: what its parameters and its training records name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.reporting.citations import CITATIONS, bibtex, plain_list
from bodysounds.types import Encoder, Metrics

CORPORA = {
    "cryceleb": ("cryceleb",),
    "voxceleb": ("voxceleb", "voxceleb2"),
    "icbhi": ("icbhi",),
}
"""Entries of each reader; identification reads VoxCeleb1 alone."""
NETWORKS = {
    "ecapa": ("ecapa",),
    "resnet18": ("resnet",),
    "yamnet": ("yamnet", "mobilenet"),
    "wav2vec2": ("wav2vec2",),
    "cnn6": ("panns",),
    "cnn10": ("panns",),
    "cnn14": ("panns",),
}


def references(names: Iterable[str], corpus: Corpus) -> dict[str, Any]:
    """Return `bibtex` and `plain` of these names, in the order of `CITATIONS`.

    The corpus's own citation stands in the plain list where no entry is about it.
    """
    chosen = set(names)
    ordered = [name for name in CITATIONS if name in chosen]
    lines = plain_list(ordered)
    about_corpus = chosen & {name for own in CORPORA.values() for name in own}
    if corpus.citation and not about_corpus and not corpus.synthetic:
        lines.insert(0, f"Corpus: {corpus.citation}")
    return {"bibtex": bibtex(ordered), "plain": lines}


def corpus_names(corpus: Corpus) -> set[str]:
    """Return what is cited of the recordings; of synthetic ones nothing."""
    if corpus.synthetic:
        return set()
    names = CORPORA.get(corpus.reader, ())
    return set(names[:1] if corpus.options.get("identification") else names)


def encoder_names(encoder: Encoder) -> set[str]:
    """Return what is cited of a network, of how it hears, and of how it was trained."""
    architecture = encoder.architecture
    body = architecture.get("network", architecture)
    names = set(NETWORKS.get(str(body.get("name")), ()))
    if encoder.front_end.get("name") == "speechbrain" or encoder.training.get("loaded_from"):
        names.add("speechbrain")
    return names | training_names(encoder.training.get("parameters", {}))


def training_names(parameters: Mapping[str, Any]) -> set[str]:
    """Return what is cited of losses and augmentations of a training's parameters."""
    names = {step["name"] for step in parameters.get("augment", ())} & {"spec_augment"}
    for loss in parameters.get("losses", ()):
        hard = loss.get("mining", "hard") != "semi_hard"
        names.add(loss["name"] if loss["name"] != "triplet" or hard else "semi_hard")
    if parameters.get("ccl_reg"):
        names.add("contrastive_center")
    if parameters.get("method") in ("scl", "mscl", "hybrid"):
        names.add("supcon")
        names.add("metadata")
    return names


def software_names(record: Mapping[str, Any], *used: str) -> set[str]:
    """Return those of `used` whose version the record tells."""
    return {name for name in used if name in record.get("packages", {})}


def score_names(metrics: Metrics, normalised: bool) -> set[str]:
    """Return what is cited of how verification is scored and rated."""
    ours = metrics[metrics["headline"]["subset"]]["ours"]
    names = {"subsets_bootstrap"}
    if normalised:
        names.add("as_norm")
    return names | ({"cllr"} if ours.get("cllr") is not None else set())
