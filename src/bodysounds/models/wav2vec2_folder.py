"""A wav2vec 2.0 classifier as a Hugging Face folder, which `transformers` reads as it stands."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save

from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder, check_state
from bodysounds.models.wav2vec2 import complete_config
from bodysounds.models.wav2vec2_published import (
    CONFIG,
    EXTRACTOR,
    HEAD,
    WEIGHTS,
    read_folder,
    read_json,
)

FORMAT = "bodysounds.wav2vec2/1"
ABOUT = "bodysounds.json"
"""What `transformers` has no place for: the training record, and the whole front end."""
RETRAIN = "give a Hugging Face folder of a wav2vec2 classifier, such as train_wav2vec2 saves"


def classifier_to_hf(classifier: Classifier, folder: str | Path) -> None:
    """Write a wav2vec2 classifier as a Hugging Face folder, all or nothing.

    `transformers.AutoModelForAudioClassification` and `AutoFeatureExtractor` load it, and give the
    same logits; id2label has the classes in the classifier's order. Equal classifiers give equal
    bytes. Raises ValueError for another network, and where the folder has files already.
    """
    folder, encoder = Path(folder), classifier.encoder
    if encoder.architecture.get("name") != "wav2vec2":
        raise ValueError(
            f"only a wav2vec2 is saved as a Hugging Face folder, got {encoder.architecture}"
        )
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ValueError(f"{folder} is there already: give a folder that is not, or is empty")
    weights = dict(encoder.state) | {HEAD + name: w for name, w in classifier.head.items()}
    content = {
        CONFIG: _json(_settings(encoder.architecture["config"], classifier.labels)),
        EXTRACTOR[0]: _json(_extractor(encoder)),
        ABOUT: _json(
            {
                "format": FORMAT,
                "front_end": encoder.front_end,
                "encoder_training": encoder.training,
                "training": classifier.training,
            }
        ),
        # what transformers asks for; one key only, several come in random order
        WEIGHTS: save({name: w.contiguous() for name, w in weights.items()}, {"format": "pt"}),
    }
    _write(folder, content)


def classifier_from_hf(path: str | Path) -> Classifier:
    """Return the classifier of a Hugging Face folder, or of the latest version in a folder.

    One that was fine-tuned elsewhere is read as well; its classes are put in the order of their
    names. Raises ValueError that names the folder where it holds no wav2vec2 classifier, or one
    whose weights are cut short or of another shape.
    """
    folder = newest_folder(Path(path).expanduser())
    found = read_folder(folder)
    labels = _labels(found.settings, folder)
    head = {
        name.removeprefix(HEAD): weight
        for name, weight in found.state.items()
        if name.startswith(HEAD)
    }
    if not head or "projector.weight" not in found.state:
        raise ValueError(
            f"{folder} has no classifier, as after pretraining: give it to train_wav2vec2.published"
        )
    about = read_about(folder)
    told = about.get("front_end", {})
    if not isinstance(told, Mapping):
        raise ValueError(f"{folder / ABOUT} has the front end {told!r}: {RETRAIN}")
    front_end = dict(told) | found.front_end
    encoder = Encoder(
        {name: weight for name, weight in found.state.items() if not name.startswith(HEAD)},
        {"name": "wav2vec2", "config": found.config},
        front_end,
        about.get("encoder_training", {"loaded_from": folder.resolve().name}),
    )
    check_state(encoder, str(folder), RETRAIN)
    size = found.config["classifier_proj_size"]
    wanted = {"weight": (len(labels), size), "bias": (len(labels),)}
    have = {name: tuple(weight.shape) for name, weight in head.items()}
    if have != wanted:
        raise ValueError(
            f"{folder} has a head of shapes {have} where its {len(labels)} labels and its "
            f"projector need {wanted}: {RETRAIN}"
        )
    order = sorted(range(len(labels)), key=labels.__getitem__)
    return Classifier(
        encoder,
        {name: weight[order] for name, weight in head.items()},
        [labels[k] for k in order],
        about.get("training", {}),
    )


def newest_folder(path: Path) -> Path:
    """Return the path where it has a config.json, else the latest `<version>/<name>` below it.

    The path itself where there is none; ValueError where it does not exist.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist: {RETRAIN}")
    if (path / CONFIG).is_file():
        return path
    versions = sorted(path.glob(f"*/*/{CONFIG}")) or sorted(path.glob(f"*/{CONFIG}"))
    return versions[-1].parent if versions else path


def read_about(folder: Path) -> dict[str, Any]:
    """Return what this package wrote beside the model, {} where another wrote it."""
    if not (folder / ABOUT).exists():
        return {}
    about = read_json(folder / ABOUT)
    if about.get("format") != FORMAT:
        raise ValueError(f"{folder / ABOUT} has the format {about.get('format')!r}, not {FORMAT!r}")
    return about


def _settings(config: Mapping[str, Any], labels: list[str]) -> dict[str, Any]:
    return complete_config(config) | {
        "model_type": "wav2vec2",
        "architectures": ["Wav2Vec2ForSequenceClassification"],
        "dtype": "float32",
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def _extractor(encoder: Encoder) -> dict[str, Any]:
    config, heard = complete_config(encoder.architecture["config"]), encoder.front_end
    return {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": heard["sample_rate"],
        "do_normalize": heard.get("normalise", True),
        "padding_side": "right",
        "padding_value": 0.0,
        # a mask helps only where padding can be undone: see models.wav2vec2_lengths
        "return_attention_mask": config["feat_extract_norm"] == "layer",
    }


def _labels(settings: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the class names in the order of their numbers."""
    named = settings.get("id2label")
    try:
        numbered = {int(number): str(label) for number, label in dict(named or {}).items()}
    except (TypeError, ValueError):
        numbered = {}
    labels = [numbered[number] for number in sorted(numbered)]
    if sorted(numbered) != list(range(len(labels))) or len(set(labels)) < max(len(labels), 1):
        raise ValueError(
            f"{folder / CONFIG} does not name each of its classes once (id2label): {RETRAIN}"
        )
    return labels


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _write(folder: Path, content: Mapping[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    partial.mkdir(exist_ok=True)
    try:
        for name, own in content.items():
            with open(partial / name, "wb") as file:
                file.write(own)
                file.flush()
                os.fsync(file.fileno())
        # also takes the place of a folder that is empty
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
