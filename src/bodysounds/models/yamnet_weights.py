"""YAMNet's published weights: from its TensorFlow Lite file, or from a file of our own."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bodysounds.models.stored import read_stored, write_stored
from bodysounds.models.tflite import (
    CONV_2D,
    DEPTHWISE_CONV_2D,
    FULLY_CONNECTED,
    Operation,
    read_tflite,
)
from bodysounds.models.yamnet import BLOCKS, STEM_CHANNELS, WIDEST, build_yamnet, yamnet_dim

FORMAT = "bodysounds.yamnet/1"
CLASS_MAP = "yamnet_class_map.csv"
ELSEWHERE = (
    "give YAMNet's TensorFlow Lite file that hears waveforms, such as yamnet_waveform.tflite, or a "
    ".safetensors file that save_yamnet wrote"
)
LAYERS = (
    ("stem", CONV_2D),
    *(
        (f"block_{number}.{part}", kind)
        for number in range(1, len(BLOCKS) + 1)
        for part, kind in (("depthwise", DEPTHWISE_CONV_2D), ("pointwise", CONV_2D))
    ),
)
# of TensorFlow Lite's (out, rows, columns, in), and (1, rows, columns, channels) if depthwise
TO_TORCH = {CONV_2D: (0, 3, 1, 2), DEPTHWISE_CONV_2D: (3, 0, 1, 2)}


@dataclass(frozen=True)
class PublishedYamnet:
    """Weights of YAMNet's body, and of the classifier it was published with."""

    architecture: dict[str, Any]
    """What `build_body` needs: name, width, and batch_norm, which is False."""
    state: dict[str, Tensor]
    """The body's weights by name, float32."""
    head: dict[str, Tensor]
    """`weight` (classes, dim) and `bias` (classes,), of the embedding of a patch.

    The classes are independent: a score is the sigmoid of each by itself, no softmax.
    """
    labels: list[str]
    """The classes' names in the head's order; empty where no class map lay beside the file."""
    about: dict[str, Any]
    """`loaded_from` (the file's name) and `sha256` of the file that was published."""


def load_yamnet(path: str | Path) -> PublishedYamnet:
    """Return the weights of a published .tflite file, or of a .safetensors file of `save_yamnet`.

    Quantised weights become scale * (integer - zero point). In the published file batch norm is
    folded into the weights and biases of the convolutions, and stays so: its means and variances
    are not in the file, and without it, fine-tuning reached a lower loss than with norms fitted
    anew to the training clips. The names of the classes are read from `yamnet_class_map.csv` in the
    .tflite file's folder where there is one.

    Raises ValueError that names the file where it is none of the two, is damaged, is of another
    network or shape, or has weights that are not finite.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"{path} is no file: {ELSEWHERE}")
    published = _stored(path) if path.suffix == ".safetensors" else _converted(path)
    _check(published, path)
    return published


def save_yamnet(path: str | Path, published: PublishedYamnet) -> None:
    """Write published weights to a .safetensors file; equal ones give equal bytes."""
    about = {
        "format": FORMAT,
        "architecture": published.architecture,
        "labels": published.labels,
        "about": published.about,
    }
    state = {f"body.{name}": weight for name, weight in published.state.items()}
    state |= {f"head.{name}": weight for name, weight in published.head.items()}
    write_stored(path, state, about)


def _stored(path: Path) -> PublishedYamnet:
    state, about = read_stored(path, ELSEWHERE)
    if about.get("format") != FORMAT:
        raise ValueError(
            f"{path} has the format {about.get('format')!r}, not {FORMAT!r}: {ELSEWHERE}"
        )
    body = {name[5:]: weight for name, weight in state.items() if name.startswith("body.")}
    head = {name[5:]: weight for name, weight in state.items() if name.startswith("head.")}
    try:
        width = float(about["architecture"]["width"])
        labels, record = [str(label) for label in about["labels"]], dict(about["about"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not say what its weights are: {ELSEWHERE}") from error
    return PublishedYamnet(_architecture(width), body, head, labels, record)


def _converted(path: Path) -> PublishedYamnet:
    convolutions: list[Operation] = []
    heads: list[Operation] = []
    for operation in read_tflite(path):
        if operation.kind in TO_TORCH:
            convolutions.append(operation)
            # those before are part of the file's own front end
            heads = []
        elif operation.kind == FULLY_CONNECTED:
            heads.append(operation)
    if [one.kind for one in convolutions] != [kind for _, kind in LAYERS] or len(heads) != 1:
        raise ValueError(
            f"{path} has {len(convolutions)} convolutions and {len(heads)} linear layers behind "
            f"them, YAMNet {len(LAYERS)} and 1: {ELSEWHERE}"
        )
    state = {}
    for (name, kind), layer in zip(LAYERS, convolutions, strict=True):
        weight, state[f"{name}.conv.bias"] = _weight_and_bias(layer, name, 4, path)
        state[f"{name}.conv.weight"] = weight.permute(TO_TORCH[kind]).contiguous()
    weight, bias = _weight_and_bias(heads[0], "the classifier", 2, path)
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return PublishedYamnet(
        _architecture(len(state["stem.conv.weight"]) / STEM_CHANNELS),
        state,
        {"weight": weight, "bias": bias},
        class_names(path.with_name(CLASS_MAP), len(bias)),
        {"loaded_from": path.name, "sha256": sha256},
    )


def _architecture(width: float) -> dict[str, Any]:
    return {"name": "yamnet", "width": width, "batch_norm": False}


def _weight_and_bias(layer: Operation, name: str, ndim: int, path: Path) -> tuple[Tensor, Tensor]:
    shapes = [constant.shape for constant in layer.constants]
    if [len(shape) for shape in shapes] != [ndim, 1]:
        raise ValueError(f"{path}: {name} has constants of shapes {shapes}: {ELSEWHERE}")
    weight, bias = layer.constants
    if bias.values.dtype.kind != "f":
        raise ValueError(
            f"{path} computes in integers, which cut what its layers say at 6, and is another "
            f"network than YAMNet: {ELSEWHERE}"
        )
    return torch.from_numpy(weight.floats()), torch.from_numpy(bias.floats())


def _check(published: PublishedYamnet, path: Path) -> None:
    """Raise ValueError where a weight is missing, of another shape or not finite."""
    width, bias = published.architecture["width"], published.head.get("bias")
    n_classes = 0 if bias is None else bias.numel()
    # a NaN is not within bounds either
    if not 0 < width <= WIDEST:
        raise ValueError(f"{path} holds a network {width} times as wide as YAMNet: {ELSEWHERE}")
    body = build_yamnet(width, False, seed=0).state_dict()
    _check_shapes(published.state, {n: tuple(weight.shape) for n, weight in body.items()}, path)
    head = {"weight": (n_classes, yamnet_dim(width)), "bias": (n_classes,)}
    _check_shapes(published.head, head, path)
    if published.labels and len(published.labels) != n_classes:
        raise ValueError(
            f"{path} names {len(published.labels)} classes and scores {n_classes}: {ELSEWHERE}"
        )


def _check_shapes(
    state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    have = {name: tuple(weight.shape) for name, weight in state.items()}
    for name in sorted(wanted.keys() | have.keys()):
        if name not in have or name not in wanted:
            told = "lacks" if name in wanted else "has, but YAMNet has not,"
            raise ValueError(f"{path} {told} the weight {name}: {ELSEWHERE}")
        if have[name] != wanted[name]:
            raise ValueError(
                f"{path}: {name} has the shape {have[name]}, not {wanted[name]}: {ELSEWHERE}"
            )
        if not torch.isfinite(state[name]).all():
            raise ValueError(f"{path}: {name} has NaN or infinite values: {ELSEWHERE}")


def class_names(path: Path, n_classes: int) -> list[str]:
    """Return the names of YAMNet's class map (index, mid, display_name); none where it is absent.

    Raises ValueError that names the file where it does not name that many classes in order.
    """
    if not path.is_file():
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            names = {int(row["index"]): str(row["display_name"]) for row in csv.DictReader(file)}
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(
            f"{path} is no class map of YAMNet (columns index, mid, display_name): mend it or take "
            "it away"
        ) from error
    if list(names) != list(range(n_classes)):
        raise ValueError(
            f"{path} names {len(names)} classes where {n_classes}, from 0 on and in order, are "
            "scored: mend it or take it away"
        )
    return list(names.values())
