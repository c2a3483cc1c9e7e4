"""A closed-set classifier: an encoder, and a linear layer that names the classes it knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from bodysounds.audio.clips import clips, places
from bodysounds.audio.packed import Packed
from bodysounds.devices import choose_device
from bodysounds.models.encoder import Encoder, check_state, network
from bodysounds.models.network import EmbeddingNetwork, embedding_dim
from bodysounds.models.stored import WITHOUT_NETWORK, newest_version, read_stored, write_stored

FORMAT = "bodysounds.classifier/1"
BODY, HEAD = "body.", "head."
RETRAIN = "give a classifier that train_classifier saved"
BATCH = 64
# their first layers make gigabytes of more
OF_LARGE = {"wav2vec2": 8}

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Classifier:
    """Weights with what they belong to."""

    encoder: Encoder
    """The network up to the embedding; its front end says the clips that are heard, by clip_s."""
    head: dict[str, Tensor]
    """weight (n_classes, dim) and bias (n_classes,), on the CPU."""
    labels: list[str]
    """The name of each class, sorted."""
    training: dict[str, Any] = field(default_factory=dict)
    """How it was trained: seed, epochs, chosen epoch, dev accuracy, parameters. Plain JSON."""


def predict(
    classifier: Classifier,
    packed: Packed,
    segment_ids: Sequence[str],
    device: str = "auto",
) -> Float32s:
    """Return log-probabilities, float32 (n, n_classes), of the start of each segment.

    The first `clip_s` of the front end are heard; columns follow `classifier.labels`. What a
    segment becomes does not depend on the others but for rounding. Raises ValueError for an unknown
    segment, another sample rate, and probabilities that are not finite.
    """
    return predictor(classifier, device)(packed, segment_ids)


def predictor(
    classifier: Classifier, device: str = "auto"
) -> Callable[[Packed, Sequence[str]], Float32s]:
    """Return `predict` for one who asks often: a function of packed and segment_ids.

    The network is built once, here.
    """
    place = choose_device(device)
    module = network(classifier.encoder).to(place)
    head = {name: weight.to(place) for name, weight in classifier.head.items()}
    size = batch_size(classifier.encoder.architecture)

    def predicted(packed: Packed, segment_ids: Sequence[str]) -> Float32s:
        check_rate(module, packed)
        spans = places(packed, segment_ids)
        found = np.zeros((len(spans), len(classifier.labels)), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(spans), size):
                own = slice(start, start + size)
                waveforms = first_clips(module, packed, spans[own]).to(place)
                logits = functional.linear(module(waveforms), head["weight"], head["bias"])
                found[own] = logits.float().log_softmax(dim=1).cpu().numpy()
        if not np.isfinite(found).all():
            raise ValueError(
                "the classifier gives probabilities that are not finite: its training diverged, "
                "lower the learning_rate"
            )
        return found

    return predicted


def first_clips(
    module: EmbeddingNetwork, packed: Packed, spans: npt.NDArray[np.integer[Any]]
) -> Tensor:
    """Return the clips that the network hears where nothing is drawn, float32 (n, samples)."""
    if module.clip_samples is None:
        raise ValueError(
            "the front end does not say the clip_s that a classifier hears: " + RETRAIN
        )
    return clips(packed.samples, spans, module.clip_samples, module.fill)


def batch_size(architecture: Mapping[str, Any]) -> int:
    """Return how many clips are heard at once where nothing is learnt."""
    return OF_LARGE.get(architecture["name"], BATCH)


def check_rate(module: EmbeddingNetwork, packed: Packed) -> None:
    """Raise ValueError where the waveforms have another rate than the network."""
    if packed.sample_rate != module.sample_rate:
        raise ValueError(
            f"the classifier was made for {module.sample_rate} Hz and the waveforms have "
            f"{packed.sample_rate} Hz: set featurize.sample_rate to {module.sample_rate}"
        )


def save_classifier(path: str | Path, classifier: Classifier) -> None:
    """Write a classifier to a .safetensors file, all or nothing; equal ones give equal bytes."""
    encoder = classifier.encoder
    about = {
        "format": FORMAT,
        "architecture": encoder.architecture,
        "front_end": encoder.front_end,
        "encoder_training": encoder.training,
        "labels": classifier.labels,
        "training": classifier.training,
    }
    state = {BODY + name: weight for name, weight in encoder.state.items()}
    state |= {HEAD + name: weight for name, weight in classifier.head.items()}
    write_stored(path, state, about)


def load_classifier(path: str | Path) -> Classifier:
    """Return the classifier of a .safetensors file, or the latest version of a folder.

    Raises ValueError that names the path where there is none, or where the file is no classifier.
    """
    path = Path(path).expanduser()
    file = newest_version(path, RETRAIN)
    if file is None:
        raise ValueError(f"{path} holds no <version>/<name>.safetensors: {RETRAIN}")
    state, about = read_stored(file, RETRAIN)
    return classifier_of(file, state, about)


def classifier_of(file: Path, state: Mapping[str, Tensor], about: Mapping[str, Any]) -> Classifier:
    """Return the classifier of what a file holds; ValueError where it is another thing."""
    if about.get("format") != FORMAT:
        raise ValueError(f"{file} has the format {about.get('format')!r}, not {FORMAT!r}")
    try:
        encoder = Encoder(
            _below(state, BODY), about["architecture"], about["front_end"],
            about["encoder_training"],
        )  # fmt: skip
        labels, training = about["labels"], about["training"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} {WITHOUT_NETWORK}: {RETRAIN}") from error
    named = isinstance(labels, list) and all(isinstance(name, str) for name in labels)
    if not named or len(set(labels)) < len(labels):
        raise ValueError(f"{file} does not name each of its classes once: {RETRAIN}")
    check_state(encoder, str(file), RETRAIN)
    head = _below(state, HEAD)
    wanted = {"weight": (len(labels), embedding_dim(encoder.architecture)), "bias": (len(labels),)}
    have = {name: tuple(weight.shape) for name, weight in head.items()}
    if have != wanted:
        raise ValueError(
            f"{file} has a head of shapes {have} where its {len(labels)} labels and its encoder "
            f"need {wanted}: {RETRAIN}"
        )
    return Classifier(encoder, head, labels, training)


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): weight
        for name, weight in state.items()
        if name.startswith(prefix)
    }
