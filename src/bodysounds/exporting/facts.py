"""What is exported, and what goes with it: the threshold and calibration of its bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder, load_encoder


def model_and_facts(path: str | Path) -> tuple[Encoder | Classifier, dict[str, Any]]:
    """Return the classifier or the encoder of a path, and what is known of it.

    See `classifier_and_facts` and `encoder_and_facts`, which raise ValueError for what is neither.
    """
    from bodysounds.exporting.classifier_facts import classifier_and_facts

    path = Path(path).expanduser()
    return classifier_and_facts(path) or encoder_and_facts(path)


def encoder_and_facts(path: str | Path) -> tuple[Encoder, dict[str, Any]]:
    """Return the encoder of a path that `load_encoder` takes, and what is known of its scores.

    The facts, plain JSON values, are empty but for a verifier's bundle: task, corpus, licence,
    synthetic, score (`cosine` or `normalised`), centred, heard (the parameters that decide a side's
    embedding), threshold and its policy, calibration, and limits, in sentences. Raises ValueError
    as `load_encoder`, and for a bundle that is torn.
    """
    from bodysounds.models.verifier import bundled_encoder, load_verifier

    path = Path(path).expanduser()
    if bundled_encoder(path) is None:
        return load_encoder(path), {}
    bundle = load_verifier(path)
    about, corpus = bundle.about, bundle.about["corpus"]
    facts = {
        "task": about["task"],
        "corpus": corpus.get("name"),
        "licence": corpus.get("licence"),
        "synthetic": corpus.get("synthetic"),
        "score": about["score"],
        "centred": about["centred"],
        "heard": about["heard"],
        "threshold": about["threshold"]["threshold"],
        "policy": about["threshold"].get("policy"),
        "calibration": about["calibration"],
        "limits": [*about["limits"], *_of_cosines(about)],
    }
    return bundle.encoder, facts


def _of_cosines(about: dict[str, Any]) -> list[str]:
    """Return why the threshold is not one of cosines between exported embeddings."""
    if about["score"] == "cosine" and not about["centred"]:
        return []
    done = [
        *(["the mean of its cohort is taken off the embeddings"] if about["centred"] else []),
        *(["scores are normalised by its cohort"] if about["score"] == "normalised" else []),
    ]
    return [
        f"Threshold and calibration are the bundle's, where {' and '.join(done)}: they do not hold "
        "for plain cosines of these embeddings."
    ]
