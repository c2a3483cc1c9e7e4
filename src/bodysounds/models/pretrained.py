"""Folders of SpeechBrain's pretrained ECAPA-TDNN, such as spkrec-ecapa-voxceleb, as encoders."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bodysounds.models.encoder import Encoder, check_state
from bodysounds.models.hyperparams import (
    ELSEWHERE,
    SAMPLE_RATE,
    check_hyperparams,
    read_hyperparams,
)

WEIGHTS, SETTINGS = "embedding_model.ckpt", "hyperparams.yaml"


def is_pretrained(path: Path) -> bool:
    """Whether the path is a folder with SpeechBrain's embedding_model.ckpt."""
    return (path / WEIGHTS).is_file()


def load_pretrained(folder: Path) -> Encoder:
    """Return the encoder of a folder in the form of SpeechBrain's spkrec-ecapa-voxceleb.

    The folder holds embedding_model.ckpt, the weights, and hyperparams.yaml. The architecture is
    read from the weights' shapes; of the yaml, which may name any Python object, nothing is
    imported or called: it is read as plain text and must describe the one front end that such a
    folder has (16 kHz, SpeechBrain's Fbank, each band's mean over the recording taken off), where
    the weights cannot tell. classifier.ckpt and label_encoder.txt are not read.

    The embeddings equal those of `EncoderClassifier.encode_batch`, whose normalize is False by
    default: the mean of mean_var_norm_emb.ckpt is not taken off. Centring on the mean of one's own
    train recordings is a scoring option instead.

    Returns an Encoder; its training record has `loaded_from` (the folder's name), `published_as`
    (the yaml's pretrained_path, None where there is none) and `sha256` of embedding_model.ckpt.
    Raises ValueError that names the file for weights or settings that are not of this form.
    """
    settings = read_hyperparams(folder / SETTINGS)
    state = _weights(folder / WEIGHTS)
    architecture = _architecture(state, folder / WEIGHTS)
    check_hyperparams(settings, architecture, folder / SETTINGS)
    with open(folder / WEIGHTS, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    published = settings.get("pretrained_path")
    encoder = Encoder(
        state,
        architecture,
        {
            "name": "speechbrain",
            "sample_rate": SAMPLE_RATE,
            "n_mels": architecture["n_mels"],
            "mean_over": "band",
        },
        {
            "loaded_from": folder.resolve().name,
            "published_as": published if isinstance(published, str) else None,
            "sha256": sha256,
        },
    )
    check_state(encoder, str(folder / WEIGHTS), ELSEWHERE)
    return encoder


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is no file of weights, is cut short, or holds more than weights "
            f"({str(error).strip().splitlines()[0] if str(error) else type(error).__name__}): "
            f"{ELSEWHERE}"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(w, Tensor) for w in state.values()):
        raise ValueError(f"{path} holds no weights by name: {ELSEWHERE}")
    return {str(name): weight for name, weight in state.items()}


def _architecture(state: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """Return what `build_body` needs, from the first layer, the blocks and the last layer."""
    first, last = state.get("blocks.0.conv.conv.weight"), state.get("fc.conv.weight")
    blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    if first is None or last is None or first.ndim != 3 or last.ndim != 3 or len(blocks) < 2:
        raise ValueError(f"{path} holds no weights of SpeechBrain's ECAPA_TDNN: {ELSEWHERE}")
    return {
        "name": "ecapa",
        "n_mels": first.shape[1],
        "channels": first.shape[0],
        "depth": len(blocks) - 1,
        "dim": last.shape[0],
    }
