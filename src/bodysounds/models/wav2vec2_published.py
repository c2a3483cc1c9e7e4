"""Published wav2vec 2.0 weights, from a Hugging Face folder or by a name on its hub."""

from __future__ import annotations

import json
import logging
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bodysounds.audio.waveform import NAME as WAVEFORM
from bodysounds.models.encoder import Encoder, check_state
from bodysounds.models.wav2vec2 import KEYS, build_wav2vec2, complete_config

log = logging.getLogger(__name__)

CONFIG, WEIGHTS = "config.json", "model.safetensors"
OLDER = "pytorch_model.bin"
INDEX = ".index.json"
EXTRACTOR = ("preprocessor_config.json", "processor_config.json")
ELSEWHERE = "give a Hugging Face folder of a wav2vec2, such as facebook/wav2vec2-base"
NETWORK, HEAD = "wav2vec2.", "classifier."
DRAWN = ("projector.", "layer_weights", "wav2vec2.masked_spec_embed")
"""Weights that a checkpoint of pretraining may lack; another that is missing is a fault."""
RENAMED = {
    "pos_conv_embed.conv.weight_g": "pos_conv_embed.conv.parametrizations.weight.original0",
    "pos_conv_embed.conv.weight_v": "pos_conv_embed.conv.parametrizations.weight.original1",
}
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Folder:
    """What a Hugging Face folder of a wav2vec2 holds."""

    settings: dict[str, Any]
    """config.json as it is."""
    config: dict[str, Any]
    """Those of its values that shape the network (`models.wav2vec2.KEYS`)."""
    front_end: dict[str, Any]
    state: dict[str, Tensor]
    """float32, with the names of `Wav2Vec2ForSequenceClassification`, and others as they are."""


def load_published(
    where: str | Path, changes: Mapping[str, Any] | None = None, *, seed: int = 0
) -> Encoder:
    """Return the network of published weights, up to the embedding, ready to be fine-tuned.

    Parameters
    ----------
    where : str or Path
        A Hugging Face folder (safetensors, or a .bin of which nothing but tensors is read) of a
        pretrained or fine-tuned model; or, where there is no such folder, its name on the Hugging
        Face hub, from which it is fetched once.
    changes : mapping, optional
        Values of the config to replace, such as layerdrop or mask_time_prob.
    seed : int
        Of the weights that pretraining has none of: the projector, mostly.

    Returns an Encoder with the complete config; its training record has `loaded_from`, `revision`
    (of the hub, else None), `drawn` and `ignored`, names of weights. Raises ValueError that names
    the folder for another model, and for weights that are cut short or of another shape.
    """
    folder, revision = _local(str(where))
    found = read_folder(folder)
    config = complete_config(found.config | dict(changes or {}))
    own = build_wav2vec2(config, seed=seed).state_dict()
    size = config["classifier_proj_size"]
    state = {name: weight for name, weight in found.state.items() if name in own}
    if changes and len(state.get("projector.bias", torch.empty(size))) != size:
        state = {name: weight for name, weight in state.items() if not name.startswith("projector")}
    drawn = [name for name in own if name not in state and name.startswith(DRAWN)]
    ignored = sorted(found.state.keys() - state.keys())
    state |= {name: own[name] for name in drawn}
    encoder = Encoder(
        {name: state[name] for name in own if name in state},
        {"name": "wav2vec2", "config": config},
        found.front_end,
        {
            "loaded_from": str(where) if revision else folder.resolve().name,
            "revision": revision,
            "drawn": drawn,
            "ignored": ignored,
        },
    )
    check_state(encoder, str(folder), ELSEWHERE)
    log.info(
        "%s: %d weights loaded, drawn anew: %s, ignored: %s", where, len(own) - len(drawn),
        ", ".join(drawn) or "nothing", ", ".join(ignored) or "nothing",
    )  # fmt: skip
    return encoder


def read_folder(folder: Path) -> Folder:
    """Return what a folder holds; ValueError that names it where it is of another model."""
    settings = read_json(folder / CONFIG)
    kind = settings.get("model_type")
    if kind != "wav2vec2":
        raise ValueError(f"{folder / CONFIG} is of a model of type {kind!r}: {ELSEWHERE}")
    if settings.get("add_adapter"):
        raise ValueError(f"{folder / CONFIG} has adapters (add_adapter): {ELSEWHERE}")
    given = {key: settings[key] for key in KEYS if key in settings}
    try:
        config = complete_config(given)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: {error}") from error
    heard = _extractor(folder)
    rate = heard.get("sampling_rate", 16_000)
    if not isinstance(rate, int) or rate < 1:
        raise ValueError(f"{folder} says sampling_rate: {rate!r}, which is no rate in Hz")
    front_end = {
        "name": WAVEFORM,
        "sample_rate": rate,
        "normalise": bool(heard.get("do_normalize", True)),
    }
    return Folder(settings, config, front_end, _named(read_weights(folder), folder))


def read_json(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file; ValueError that names it where there is none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ValueError(f"{path.parent} holds no {path.name}: {ELSEWHERE}") from error
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON ({error}): {ELSEWHERE}") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights of a folder as they are named there, of one file or of several."""
    for name in (WEIGHTS, OLDER):
        if (folder / name).is_file():
            return _read(folder / name)
        if (folder / (name + INDEX)).is_file():
            parts = read_json(folder / (name + INDEX)).get("weight_map", {}).values()
            # a name with a folder in it could lead elsewhere
            files = sorted({Path(str(part)).name for part in parts})
            return {k: v for file in files for k, v in _read(folder / file).items()}
    raise ValueError(f"{folder} holds no {WEIGHTS} and no {OLDER}: {ELSEWHERE}")


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError,
        KeyError,
    ) as error:  # fmt: skip
        reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} is no file of weights, or cut short ({reason}): {ELSEWHERE}"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(w, Tensor) for w in state.values()):
        raise ValueError(f"{path} holds no weights by name: {ELSEWHERE}")
    return {str(name): weight for name, weight in state.items()}


def _named(state: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Return weights by the names of today; a bare `Wav2Vec2Model` has them without the prefix."""
    bare = any(name.startswith("feature_extractor.") for name in state)
    named = {}
    for given, weight in state.items():
        name = NETWORK + given if bare else given
        for older, newer in RENAMED.items():
            name = name.replace(older, newer)
        named[name] = weight.float()
    if not any(name.startswith(NETWORK) for name in named):
        raise ValueError(f"{folder} holds no weights of a wav2vec2 by name: {ELSEWHERE}")
    return named


def _extractor(folder: Path) -> dict[str, Any]:
    for name in EXTRACTOR:
        if (folder / name).is_file():
            found = read_json(folder / name)
            return dict(found.get("feature_extractor", found))
    log.info("%s does not say what it hears: taken to be 16 kHz, normalised", folder)
    return {}


def _local(where: str) -> tuple[Path, str | None]:
    """Return the folder, fetched from the hub where `where` is a name there, and its revision."""
    path = Path(where).expanduser()
    if path.exists():
        return path, None
    if not HUB_NAME.fullmatch(where):
        raise ValueError(f"{where} does not exist: {ELSEWHERE}")
    folder = fetch(where)
    return folder, folder.name


def fetch(name: str) -> Path:
    """Return the folder of a model of the Hugging Face hub, fetched unless it is there already.

    Raises ValueError where the hub has no such model or cannot be reached.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    def get(files: tuple[str, ...], needed: bool) -> Path | None:
        for file in files:
            try:
                return Path(hf_hub_download(name, file))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                continue
        if needed:
            raise ValueError(f"{name} has no {' or '.join(files)} on the hub: {ELSEWHERE}")
        return None

    log.info("%s is no folder here: looked for on the Hugging Face hub", name)
    try:
        config = get((CONFIG,), needed=True)
        get((WEIGHTS, OLDER), needed=True)
        get(EXTRACTOR[:1], needed=False)
    except (OSError, HfHubHTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{name} is no folder here, and the Hugging Face hub does not give it ({reason}): "
            "give its folder, or connect to the network"
        ) from error
    assert config is not None
    return config.parent
