"""Start a classifier's network from other weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bodysounds.models.classifier import FORMAT, classifier_of
from bodysounds.models.encoder import RETRAIN, Encoder, load_encoder, state_sha256
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.models.panns_weights import load_panns
from bodysounds.models.resnet import read_torchvision
from bodysounds.models.stored import newest_version, read_stored
from bodysounds.models.transfer import load_weights
from bodysounds.models.wav2vec2_published import load_published
from bodysounds.models.yamnet_weights import FORMAT as YAMNET_FORMAT
from bodysounds.models.yamnet_weights import load_yamnet
from bodysounds.params import TrainRespiratoryParams, TrainWav2vec2Params, TrainYamnetParams
from bodysounds.params.train_base import TrainBaseParams

log = logging.getLogger(__name__)

OF_TORCH = (".pth", ".pt")


def load_start(path: str | Path) -> Encoder:
    """Return the network of a classifier, an encoder, or of torchvision's resnet18 file.

    The last knows no front end (it is {}); its training record says what was loaded and what was
    ignored, the 1000 classes of ImageNet (fc.weight, fc.bias). Raises ValueError that names the
    path where it is none of these.
    """
    path = Path(path).expanduser()
    if path.suffix in OF_TORCH:
        state, ignored = read_torchvision(path)
        log.info("init_from: %s is ignored: %s", path.name, ", ".join(ignored) or "nothing")
        built = {"name": "resnet18", "width": len(state["conv1.weight"])}
        return Encoder(state, built, {}, {"loaded_from": path.name, "ignored": list(ignored)})
    file = newest_version(path, RETRAIN)
    if file is not None:
        state, about = read_stored(file, RETRAIN)
        if about.get("format") == FORMAT:
            return classifier_of(file, state, about).encoder
    return load_encoder(path)


def start_of(params: TrainBaseParams) -> Encoder | None:
    """Return the network whose weights a training starts from; None for random ones.

    Raises ValueError that names the parameter and the path where there is no such network.
    """
    if params.start is None:
        return None
    if isinstance(params, TrainYamnetParams):
        return load_yamnet_start(params.start)
    if isinstance(params, TrainWav2vec2Params):
        return load_published(params.start, params.changes, seed=params.seed)
    if isinstance(params, TrainRespiratoryParams) and Path(params.start).suffix in OF_TORCH:
        return load_panns(params.start, params.rows, params.input_norm, params.block_dropout)
    return load_start(params.start)


def heard_at_start(params: TrainBaseParams) -> list[str]:
    """Return the recordings that the weights to start from have heard, as those remember them."""
    init = start_of(params)
    return [] if init is None else list(init.training.get("heard", ()))


def load_yamnet_start(path: str | Path) -> Encoder:
    """Return the network of published YAMNet weights, or of a classifier or encoder of ours."""
    path = Path(path).expanduser()
    if path.is_dir() or (path.is_file() and not _is_yamnet(path)):
        return load_start(path)
    published = load_yamnet(path)
    return Encoder(published.state, published.architecture, {}, dict(published.about))


def _is_yamnet(path: Path) -> bool:
    if path.suffix != ".safetensors":
        return True
    _, about = read_stored(path, RETRAIN)
    return about.get("format") == YAMNET_FORMAT


def start_from(
    module: EmbeddingNetwork,
    architecture: dict[str, Any],
    init: Encoder,
    heard: dict[str, Any],
    stage: str = "train_classifier",
) -> dict[str, Any]:
    """Load every weight of another network and return what came over, for the training record.

    Another front end is warned of, but for weights that know none. Raises ValueError that says what
    does not fit.
    """
    if any(heard.get(name) != value for name, value in init.front_end.items()):
        log.warning(
            "the weights to start from heard by %s, %s hears by %s: they are loaded all the same",
            init.front_end, stage, heard,
        )  # fmt: skip
    try:
        loaded = load_weights(module.body, init.state, strict=True)
    except ValueError as error:
        raise ValueError(
            f"what to start from is {init.architecture} and does not fit {stage} "
            f"({architecture}): {error}"
        ) from error
    log.info("%s starts from %d weights that matched", stage, len(loaded.matched))
    return {
        "sha256": state_sha256(init.state),
        "loaded_from": init.training.get("loaded_from"),
        "ignored": list(init.training.get("ignored", ())),
        "drawn": list(init.training.get("drawn", ())),
        "n_matched": len(loaded.matched),
    }
