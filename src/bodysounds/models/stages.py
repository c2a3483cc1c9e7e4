"""The stages of a network by name, from the input to the embedding; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RESNET18 = {
    "stem": ("conv1.", "bn1."),
    **{f"layer{number}": (f"layer{number}.",) for number in range(1, 5)},
    "embedding": ("project.",),
}
YAMNET = {"stem": ("stem.",), **{f"block_{k}": (f"block_{k}.",) for k in range(1, 14)}}
PANNS_BLOCKS = {"cnn6": 4, "cnn10": 4, "cnn14": 6}


def wav2vec2_stages(config: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the stages of a wav2vec2 of this config: see `stages_of`."""
    below, above = "wav2vec2.", "wav2vec2.encoder."
    # where layers normalise what they read, the encoder's own norm comes after the last of them
    norm = (f"{above}layer_norm.",)
    after = bool(config.get("do_stable_layer_norm", False))
    projection = (f"{below}feature_projection.", f"{below}masked_spec_embed.",
                  f"{above}pos_conv_embed.", f"{above}dropout.")  # fmt: skip
    count = int(config.get("num_hidden_layers", 12))
    return {
        "feature_encoder": (f"{below}feature_extractor.",),
        "projection": projection if after else projection + norm,
        **{f"layer_{k}": (f"{above}layers.{k}.",) for k in range(count)},
        "projector": ("layer_weights.", "projector.") + (norm if after else ()),
    }


def panns_stages(architecture: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the stages of a PANN: see `stages_of`."""
    names = [f"conv_block{k}" for k in range(1, PANNS_BLOCKS[architecture["name"]] + 1)]
    if architecture.get("input_norm", True):
        names.insert(0, "bn0")
    return {name: (f"{name}.",) for name in names}


def stages_of(architecture: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return what the names of each stage's weights begin with, lowest stage first.

    Of `ecapa`: block_0 to block_<depth>, join (of the blocks' outputs), pooling, embedding; of
    `resnet18`: stem, layer1 to layer4, and the embedding's linear layer, which not all have; of
    `yamnet`: stem, block_1 to block_13; of `wav2vec2`: feature_encoder (the convolutions),
    projection (with the place of each frame), layer_0 and so on, projector; of `cnn6`, `cnn10` and
    `cnn14`: bn0, where it has one, and conv_block1 to conv_block4, of cnn14 conv_block6. Raises
    ValueError for another architecture.
    """
    name = architecture["name"]
    if name == "wav2vec2":
        return wav2vec2_stages(architecture["config"])
    if name == "resnet18":
        return dict(RESNET18)
    if name == "yamnet":
        return dict(YAMNET)
    if name in PANNS_BLOCKS:
        return panns_stages(architecture)
    if name != "ecapa":
        known = ("ecapa", "resnet18", "yamnet", "wav2vec2", *PANNS_BLOCKS)
        raise ValueError(
            f"architecture must be one of {', '.join(known)} to have stages, got {name!r}"
        )
    blocks = {f"block_{k}": (f"blocks.{k}.",) for k in range(int(architecture["depth"]) + 1)}
    top = {"join": ("mfa.",), "pooling": ("asp.", "asp_bn."), "embedding": ("fc.",)}
    return blocks | top


def stage_of(architecture: Mapping[str, Any], weight: str) -> str:
    """Return the stage of a weight or a part of the network, by its name; ValueError for none."""
    for stage, prefixes in stages_of(architecture).items():
        if f"{weight}.".startswith(prefixes):
            return stage
    raise ValueError(f"weight {weight!r} is in no stage of {dict(architecture)}")
