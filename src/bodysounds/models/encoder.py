"""An encoder: weights of an embedding network, and all that is needed to use them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bodysounds.models.network import (
    EmbeddingNetwork,
    build_body,
    build_front_end,
    check_pair,
    detached,
)
from bodysounds.models.stored import WITHOUT_NETWORK, newest_version, read_stored, write_stored
from bodysounds.scoring.given import HIGHEST_RATE, LOWEST_RATE

FORMAT = "bodysounds.encoder/1"
RETRAIN = "give an encoder that train_embedding saved"


@dataclass(frozen=True)
class Encoder:
    """Weights with what they belong to."""

    state: dict[str, Tensor]
    """Weights of the network by name, on the CPU."""
    architecture: dict[str, Any]
    """name and the options of `models.network.BODIES`: ecapa n_mels, channels, depth, dim; resnet18
    width, dim."""
    front_end: dict[str, Any]
    """name, sample_rate (Hz), n_mels, mean_over; stft_image has the options of `StftImage`."""
    training: dict[str, Any] = field(default_factory=dict)
    """How it was trained: seed, epochs, chosen epoch, dev EER, parameters. Plain JSON values."""
    best: tuple[Encoder, ...] = ()
    """The best epochs of its training, best first, where several were kept; saved beside it, and
    without a backend."""


def network(encoder: Encoder) -> EmbeddingNetwork:
    """Return the encoder's network in eval mode on the CPU; ValueError where keys do not fit."""
    check_state(encoder, "the encoder")
    module = EmbeddingNetwork(encoder.architecture, encoder.front_end, seed=0)
    module.body.load_state_dict(encoder.state)
    return module.eval()


def untrained(encoder: Encoder, seed: int) -> Encoder:
    """Return an encoder of the same architecture and front end with random weights."""
    body = build_body(encoder.architecture, seed)
    return Encoder(
        state=detached(body),
        architecture=dict(encoder.architecture),
        front_end=dict(encoder.front_end),
        training={"seed": seed, "epochs": 0},
    )


def network_of(encoder: Encoder) -> Encoder:
    """Return the encoder without its backend; one that has none as it is."""
    if encoder.architecture["name"] != "backend":
        return encoder
    prefix = "network."
    return replace(
        encoder,
        state={
            name.removeprefix(prefix): weight
            for name, weight in encoder.state.items()
            if name.startswith(prefix)
        },
        architecture=encoder.architecture["network"],
        front_end=encoder.front_end | {"mean_over": encoder.architecture["over"]},
    )


def backend_part(encoder: Encoder, part: str) -> Encoder | None:
    """Return the encoder without its backend (`plain`), or with one part of it alone.

    None where it has no such part.
    """
    parts = list(encoder.architecture.get("dims", ()))
    if part == "plain" and parts:
        return network_of(encoder)
    if part not in parts:
        return None
    shares = torch.tensor([float(own == part) for own in parts])
    return replace(encoder, state=encoder.state | {"shares": shares})


def state_sha256(state: Mapping[str, Tensor]) -> str:
    """Return the sha256, in hex, of weights and their names."""
    digest = hashlib.sha256()
    for name, weight in sorted(state.items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)} ".encode())
        # as bytes: NumPy has no bfloat16
        digest.update(weight.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_state(encoder: Encoder, where: str, remedy: str = RETRAIN) -> None:
    """Raise ValueError, naming a weight, where the weights are not those of the architecture.

    `where` names the encoder and `remedy` the way out.
    """
    with torch.device("meta"):
        expected = build_body(encoder.architecture, seed=0).state_dict()
    have = encoder.state
    for names, verdict in (
        (sorted(expected.keys() - have.keys()), "lacks"),
        (sorted(have.keys() - expected.keys()), "has the unknown"),
    ):
        if names:
            raise ValueError(
                f"{where} {verdict} weight {names[0]!r} ({len(names)} in all) for its architecture "
                f"{encoder.architecture}: {remedy}"
            )
    for name, weight in expected.items():
        if have[name].shape != weight.shape:
            raise ValueError(
                f"{where} has weight {name!r} of shape {tuple(have[name].shape)} where its "
                f"architecture has {tuple(weight.shape)}: {remedy}"
            )


def save_encoder(path: str | Path, encoder: Encoder) -> None:
    """Write an encoder to a .safetensors file, all or nothing; equal encoders give equal bytes."""
    about = {
        "format": FORMAT,
        "architecture": encoder.architecture,
        "front_end": encoder.front_end,
        "training": encoder.training,
    }
    write_stored(path, encoder.state, about)


def load_encoder(path: str | Path) -> Encoder:
    """Return the encoder of a .safetensors file, or of a folder.

    A folder holds `<version>/<name>`, as a versioned catalog entry writes it, of which the latest
    is taken; or is the bundle of a verifier (see `models.verifier`), or its versions; or is one of
    SpeechBrain's pretrained ones, such as spkrec-ecapa-voxceleb (see `models.pretrained`). Raises
    ValueError that names the path where there is none, or where the file is no encoder of any kind.
    """
    from bodysounds.models.pretrained import is_pretrained, load_pretrained
    from bodysounds.models.verifier import bundled_encoder

    path = Path(path).expanduser()
    if is_pretrained(path):
        return load_pretrained(path)
    file = bundled_encoder(path) or newest_version(path, RETRAIN)
    if file is None:
        raise ValueError(
            f"{path} holds no <version>/<name>.safetensors and no embedding_model.ckpt: {RETRAIN}, "
            "or one of SpeechBrain's pretrained folders"
        )
    state, about = read_stored(file, RETRAIN)
    try:
        if about["format"] != FORMAT:
            raise ValueError(f"{file} has the format {about['format']!r}, not {FORMAT!r}")
        encoder = Encoder(state, about["architecture"], about["front_end"], about["training"])
    except KeyError as error:
        raise ValueError(f"{file} {WITHOUT_NETWORK}: {RETRAIN}") from error
    try:
        _check_front_end(encoder)
        check_state(encoder, str(file))
    except (ArithmeticError, AttributeError, KeyError, RuntimeError, TypeError) as error:
        told = " ".join(str(error).split())
        raise ValueError(
            f"{file} speaks of a network that cannot be built ({type(error).__name__}: {told}): "
            f"{RETRAIN}"
        ) from error
    except ValueError as error:
        if str(file) in str(error):
            raise
        raise ValueError(f"{file}: {error}") from error
    return encoder


def _check_front_end(encoder: Encoder) -> None:
    """Raise where no waveform could be heard; an AttributeError, say, is a file's as much."""
    body, heard = encoder.architecture, encoder.front_end
    rate = heard.get("sample_rate")
    if type(rate) is not int or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise TypeError(f"sample_rate is {rate!r}, and Hz from {LOWEST_RATE} to {HIGHEST_RATE}")
    bands = {told["n_mels"] for told in (body, heard) if "n_mels" in told}
    if len(bands) > 1:
        raise TypeError(f"the front end has other bands than the network reads: {sorted(bands)}")
    check_pair(body, heard)
    build_front_end(heard)
