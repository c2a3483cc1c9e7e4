"""Start a classifier's network from other weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from bodysounds.models.classifier import FORMAT, classifier_of
from bodysounds.models.encoder import RETRAIN, Encoder, load_encoder, state_sha256
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.models.resnet import read_torchvision
from bodysounds.models.stored import newest_version, read_stored
from bodysounds.models.transfer import load_weights

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


def start_from(
    module: EmbeddingNetwork, architecture: dict[str, Any], init: Encoder, heard: dict[str, Any]
) -> dict[str, Any]:
    """Load every weight of another network and return what came over, for the training record.

    Another front end is warned of, but for weights that know none. Raises ValueError that says what
    does not fit.
    """
    if init.front_end and init.front_end != heard:
        log.warning(
            "init_from saw images of %s, train_classifier makes %s: its weights are loaded all "
            "the same", init.front_end, heard,
        )  # fmt: skip
    try:
        loaded = load_weights(module.body, init.state, strict=True)
    except ValueError as error:
        raise ValueError(
            f"init_from is {init.architecture} and does not fit train_classifier "
            f"({architecture['width']} channels in the first layer): {error}"
        ) from error
    log.info("init_from: %d weights matched", len(loaded.matched))
    return {
        "sha256": state_sha256(init.state),
        "loaded_from": init.training.get("loaded_from"),
        "ignored": list(init.training.get("ignored", ())),
        "n_matched": len(loaded.matched),
    }
