"""What readers call the systems, conditions and properties of a classification."""

from __future__ import annotations

from bodysounds.types import Metrics

CONDITIONS = {
    "across_sessions": "sessions not heard",
    "same_session": "heard sessions",
    "unseen_source": "sources not heard",
    "heard_source": "heard sources",
    "unseen_patient": "patients not heard",
    "heard_patient": "heard patients",
    "random_cycle": "cycles dealt at random",
    "unknown": "sessions unknown",
    "all": "all test clips",
}
RATES = {
    "accuracy": "top-1",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "score": "ICBHI Score",
    "se": "sensitivity",
    "sp": "specificity",
    "score_any": "Score, any abnormality",
    "se_any": "sensitivity, any abnormality",
}
SYSTEMS = {
    "log_mel": "log-mel + logistic regression",
    "sl": "cross-entropy (sl)",
    "scl": "supervised contrastive (scl)",
    "hybrid": "both losses (hybrid)",
    "mscl": "contrastive with metadata (mscl)",
    "mfcc": "MFCC + logistic regression",
    "recording": "level, noise, bandwidth, duration",
    "most_frequent": "most frequent class",
    "yamnet": "YAMNet",
    "wav2vec2": "Wav2Vec2",
    "average": "average of probabilities",
    "weighted": "weighted average",
    "vote": "majority vote",
    "meta": "meta-classifier",
}
TOGETHER = "together"
"""The property of the shortcut audit that stands for the system `recording`."""


def system_label(system: str) -> str:
    """Return a system's name."""
    return SYSTEMS.get(system, system.replace("_", " "))


def rate_label(rate: str) -> str:
    """Return a rate's name, as within a sentence."""
    return RATES.get(rate, rate.replace("_", " "))


def rate_title(rate: str) -> str:
    """Return a rate's name, as at the start of a sentence."""
    label = rate_label(rate)
    return label[:1].upper() + label[1:]


def shown_systems(metrics: Metrics) -> dict[str, str]:
    """Return the systems of test and their names; what dev chose stands once, as ours."""
    chosen = metrics["headline"].get("chosen")
    named = {name: system_label(name) for name in metrics["test"] if name != chosen}
    if chosen and "ours" in named:
        named["ours"] = f"ours: {system_label(chosen)}" if chosen in metrics["test"] else "ours"
    return named


def property_label(name: str) -> str:
    """Return the name of a recording's property, without its unit."""
    if name == TOGETHER:
        return SYSTEMS["recording"]
    for unit in ("_s", "_dbfs", "_hz"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")
