"""The methods of a run as sentences for a paper: what the families of tasks share.

Past tense, and nothing but what parameters, training records and results say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.types import Encoder

NOT_LEARNT = ("running_mean", "running_var", "num_batches_tracked")
PRECISIONS = {"bf16": "bfloat16 mixed precision", "float32": "single precision"}


def paragraph(sentences: Iterable[str]) -> str:
    """Return the sentences that say something, as one paragraph."""
    return " ".join(sentence.strip() for sentence in sentences if sentence)


def joined(parts: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def several(n: int, word: str) -> str:
    """Return a number with its noun, `2 subjects`."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def corpus_told(corpus: Corpus) -> str:
    """Return what was recorded, and that nobody was where sound is synthetic."""
    if corpus.synthetic:
        return f"All recordings were synthetic (corpus {corpus.name}): nobody made these sounds."
    licence = f" (licence: {corpus.licence})" if corpus.licence else ""
    return f"Recordings were those of {corpus.name}{licence}."


def rate_told(front_end: Mapping[str, Any]) -> str:
    """Return the sample rate of a front end; nothing where it is not known."""
    rate = front_end.get("sample_rate")
    if not rate:
        return ""
    return f"Sound was mixed to one channel and resampled to {rate / 1000:g} kHz."


def weights_told(encoder: Encoder) -> str:
    """Return how many parameters a network learns, without the classes above it."""
    n = sum(
        tensor.numel() for name, tensor in encoder.state.items() if not name.endswith(NOT_LEARNT)
    )
    return f"{n:,} parameters"


def start_told(training: Mapping[str, Any]) -> str:
    """Return what the weights began as."""
    init = training.get("init")
    if not init:
        return "from random weights"
    source = init.get("loaded_from")
    digest = str(init.get("sha256", ""))[:12]
    name = f" {source}" if source else ""
    return f"from pretrained weights{name}" + (f" (sha256 {digest})" if digest else "")


def learnt_told(parameters: Mapping[str, Any]) -> list[str]:
    """Return which stages of a network stayed as they were, and which learnt more slowly."""
    sentences = []
    if frozen := parameters.get("freeze"):
        after = parameters.get("unfreeze_after")
        until = f" for the first {several(after, 'epoch')}" if after else ""
        names = joined([str(name).replace("_", " ") for name in frozen])
        sentences.append(f"Of the network, {names} stayed as they were{until}.")
    if (decay := parameters.get("layer_decay", 1.0)) != 1:
        sentences.append(f"Each stage learnt at {decay:g} times the rate of the one above it.")
    return sentences


def augment_told(parameters: Mapping[str, Any]) -> str:
    """Return the augmentations in order; nothing where there is none."""
    told = [_augmentation(step) for step in parameters.get("augment") or ()]
    return f"Augmentation was by {joined(told)}." if told else "There was no augmentation."


def _augmentation(step: Mapping[str, Any]) -> str:
    name, p = step["name"], step.get("p")
    share = f" (probability {p:g})" if p is not None else ""
    if name == "noise" and "snr_db" in step:
        low, high = step["snr_db"]
        return f"noise at {low:g} to {high:g} dB signal-to-noise ratio{share}"
    if name == "gain" and "gain_db" in step:
        low, high = step["gain_db"]
        return f"gains of {low:g} to {high:g} dB{share}"
    names = {"tilt": "random spectral tilt", "noise": "noise", "gain": "random gains"}
    return {**names, "spec_augment": "SpecAugment"}.get(name, str(name)) + share


def optimiser_told(parameters: Mapping[str, Any], epochs: int | None, precision: str) -> str:
    """Return optimiser, learning rate, schedule, length and precision of a training."""
    names = {"adam": "Adam", "adamw": "AdamW", "sgd": "stochastic gradient descent"}
    decay = parameters.get("weight_decay")
    clip = parameters.get("clip_norm")
    told = [
        f"The optimiser was {names.get(parameters['optimiser'], parameters['optimiser'])}"
        f" (highest learning rate {parameters['learning_rate']:g}"
        + (f", weight decay {decay:g}" if decay else "")
        + (f", gradients clipped to a norm of {clip:g}" if clip else "")
        + ")"
    ]
    told += [_schedule(own) for own in parameters.get("schedule") or ()]
    if epochs:
        told.append(f"for {several(epochs, 'epoch')}")
    if budget := parameters.get("audio_budget_s"):
        told.append(f"or until {budget:g} s of sound were heard")
    if precision in PRECISIONS:
        told.append(f"in {PRECISIONS[precision]}")
    return ", ".join(told) + "."


def _schedule(own: Mapping[str, Any]) -> str:
    kind = own["name"]
    if kind == "warmup_cosine":
        share = own["warmup_share"]
        return f"with linear warm-up over {share:.0%} of the steps and cosine decay"
    if kind == "cyclic":
        return (
            f"with a triangular cyclic rate from {own['base_lr']:g} ({own['step_size']} steps up)"
        )
    if kind == "plateau":
        return (
            f"with the rate multiplied by {own['factor']:g} after {own['patience']} epochs "
            "without improvement"
        )
    if kind == "step":
        return f"with the rate multiplied by {own['factor']:g} every {own['every']} epochs"
    if kind == "cosine":
        return f"with a cosine rate down to {own['min_lr']:g} over {own['t_max']} epochs"
    return "with a constant rate"


def intervals_told(report: Mapping[str, Any], level: float, resampled: str, what: str) -> str:
    """Return how intervals were drawn: what was resampled, how often, at which level."""
    n = report.get("n_bootstrap")
    draws = f"{n:,} bootstrap resamples" if n else "bootstrap resamples"
    return f"Intervals ({level:.0%}) came from {draws} of {resampled}, not of {what}."


def software_told(record: Mapping[str, Any], *names: str) -> str:
    """Return the versions that made the numbers."""
    packages = record.get("packages", {})
    called = {"torch": "PyTorch", "speechbrain": "SpeechBrain", "numpy": "NumPy", "kedro": "Kedro"}
    told = [f"{called.get(name, name)} {packages[name]}" for name in names if name in packages]
    commit = (record.get("git") or {}).get("commit")
    own = f"bodysounds {record['bodysounds']}" + (f" (commit {commit[:10]})" if commit else "")
    return f"Computations used {joined([own, 'Python ' + record['python'], *told])}."


def seeds_told(record: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """Return the seeds of the stages, in one number where all are equal."""
    stages = {
        name: own["seed"]
        for name, own in (record.get("parameters") or {}).items()
        if isinstance(own, Mapping) and "seed" in own
    }
    if "seed" in training:
        own = [name for name in stages if name.startswith("train_")]
        stages = {k: v for k, v in stages.items() if k not in own} | {"training": training["seed"]}
    if not stages:
        return ""
    seeds = set(stages.values())
    if len(seeds) == 1:
        return f"Every random draw had the seed {seeds.pop()}."
    each = [f"{name.replace('_', ' ')} {seed}" for name, seed in stages.items()]
    return f"Seeds: {', '.join(each)}."
