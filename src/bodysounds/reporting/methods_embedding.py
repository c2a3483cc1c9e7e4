"""The methods of an encoder as sentences: what it hears, its network, and how it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodysounds.reporting import methods as told
from bodysounds.types import Encoder

FRONT_ENDS = {
    "speechbrain": "log-mel bands as SpeechBrain's Fbank computes them",
    "kaldi": "log-mel bands as Kaldi computes them",
}
MEANS = {"band": ", the mean of each band taken off", "clip": ", one mean taken off"}
DISTANCES = {
    "cosine": "cosine distance", "euclidean": "Euclidean distance",
    "squared_euclidean": "squared Euclidean distance",
}  # fmt: skip


def network_told(encoder: Encoder | None) -> list[str]:
    """Return what an encoder hears, its network, and its backend where it has one."""
    if encoder is None:
        return []
    hears, architecture = encoder.front_end, encoder.architecture
    body = architecture.get("network", architecture)
    over = architecture.get("over", hears.get("mean_over"))
    sentences = [
        told.rate_told(hears),
        f"The network heard {hears.get('n_mels')} {FRONT_ENDS.get(hears['name'], hears['name'])} "
        f"(frames of 25 ms every 10 ms){MEANS.get(str(over), '')}.",
    ]
    if body.get("name") == "ecapa":
        sentences.append(
            f"Embeddings of {body['dim']} numbers came from an ECAPA-TDNN of {body['depth']} "
            f"blocks of {body['channels']} channels ({told.weights_told(encoder)})"
            + ("" if encoder.training.get("parameters") else ", as published, not trained here")
            + "."
        )
    if parts := list(architecture.get("dims", ())):
        where = {"network": "the embeddings", "statistics": "long-term statistics of the features"}
        sentences.append(
            f"A linear discriminant backend on {told.joined([where[part] for part in parts])} was "
            "fitted on the training subjects; the development pairs chose its shrinkage."
        )
    return sentences


def training_told(training: Mapping[str, Any]) -> list[str]:
    """Return how an encoder was trained; nothing where its record has no parameters."""
    own = training.get("parameters")
    if not own:
        return []
    if "crop_s" not in own:
        return ["It was trained as the body of a classifier, by a run that reports how."]
    crops = " to ".join(f"{length:g}" for length in own["crop_s"])
    speeds = [f"{speed:g}" for speed in own.get("speeds", [1.0])]
    sentences = [
        f"It was trained {told.start_told(training)} on "
        f"{told.several(training['n_subjects'], 'subject')} to minimise "
        f"{told.joined([_loss(loss) for loss in own['losses']])}, in batches of "
        f"{own['subjects_per_batch']} subjects with "
        f"{told.several(own['crops_per_subject'], 'crop')} of {crops} s each.",
        *_limits(own),
        told.augment_told(own),
        f"Subjects were heard at speeds of {told.joined(speeds)}, each counted as another subject."
        if len(speeds) > 1
        else "",
        told.optimiser_told(own, training.get("epochs"), training.get("precision", "float32")),
        f"An epoch drew each subject {own['passes_per_epoch']} times."
        if own.get("passes_per_epoch", 1) > 1
        else "",
        _chosen(training, own),
    ]
    if own.get("defects"):
        faults = told.joined([name.replace("_", " ") for name in own["defects"]])
        sentences.append(f"Faults of the published solution were kept on purpose: {faults}.")
    return sentences


def _limits(own: Mapping[str, Any]) -> list[str]:
    """Return which part of train taught, and which part of the network learnt."""
    sentences = []
    if own.get("train_session"):
        sentences.append(f"Only session {own['train_session']} taught.")
    if own.get("validate_session"):
        sentences.append(f"Session {own['validate_session']} of the same subjects validated.")
    if own.get("validation_share"):
        share = f"{own['validation_share']:.0%}"
        sentences.append(f"{share} of the training subjects taught nothing and validated.")
    if own.get("min_seconds_per_subject"):
        least = f"{own['min_seconds_per_subject']:g} s"
        sentences.append(f"Subjects with less than {least} of sound were left out of training.")
    return [*sentences, *told.learnt_told(own)]


def _loss(loss: Mapping[str, Any]) -> str:
    weight = loss.get("weight", 1.0)
    times = "" if weight == 1 else f"{weight:g} times "
    if loss["name"] == "aam":
        more = f", {loss['subcenters']} centres a class" if loss.get("subcenters", 1) > 1 else ""
        if smoothing := loss.get("label_smoothing"):
            more += f", label smoothing {smoothing:g}"
        return (
            f"{times}the additive angular margin softmax (margin {loss.get('margin', 0.2):g}, "
            f"scale {loss.get('scale', 30.0):g}{more})"
        )
    if loss["name"] == "triplet":
        mining = {"hard": "batch-hard", "semi_hard": "semi-hard", "all": "all-triplet"}
        margin = loss.get("margin")
        told_margin = (
            "soft margin" if loss.get("soft") else f"margin {0.3 if margin is None else margin:g}"
        )
        return (
            f"{times}the {mining[loss.get('mining', 'hard')]} triplet loss "
            f"({DISTANCES[loss.get('distance', 'cosine')]}, {told_margin})"
        )
    return f"{times}the supervised contrastive loss (temperature {loss.get('temperature', 0.07):g})"


def _chosen(training: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    several = training.get("averaged_epochs") or []
    by = (
        "the lowest validation loss"
        if "choose_by_loss" in own.get("defects", ())
        else "the lowest equal error rate on the development pairs"
    )
    if several:
        kept = f"The weights of epochs {told.joined([str(n) for n in several])} were averaged,"
    else:
        kept = f"Epoch {training['chosen_epoch']} was kept,"
    sentence = f"{kept} which had {by}."
    if refit := training.get("refit"):
        sentence += (
            f" The network was then trained anew on {told.joined(refit['subsets'])} for as many "
            "epochs."
        )
    return sentence
