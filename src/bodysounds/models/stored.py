"""Weights in a .safetensors file, with what they belong to as its metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

# one key only: safetensors writes several in random order, and equal contents would differ
METADATA = "bodysounds"
WITHOUT_NETWORK = "does not say what network its weights belong to"


def write_stored(path: str | Path, state: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write weights and plain JSON values, all or nothing; equal contents give equal bytes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: weight.contiguous() for name, weight in state.items()}
    content = save(tensors, {METADATA: json.dumps(about, sort_keys=True, allow_nan=False)})
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_stored(path: Path, remedy: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights of a file, and what they belong to.

    Raises ValueError that names the file, and the way out (`remedy`), where it is no safetensors
    file or does not say what its weights belong to.
    """
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no safetensors file, or cut short ({error}): {remedy}"
        ) from error
    try:
        about = dict(json.loads(metadata[METADATA]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} {WITHOUT_NETWORK}: {remedy}") from error
    return state, about


def newest_version(path: Path, remedy: str) -> Path | None:
    """Return the path where it is a file, else the latest `<version>/<name>.safetensors` below it.

    None where the folder has none; ValueError, with the way out, where there is nothing at all.
    """
    if path.is_file():
        return path
    if not path.exists():
        raise ValueError(f"{path} does not exist: {remedy}, a .safetensors file or its folder")
    # a catalog entry is a folder with the name of a file
    files = (path.glob(pattern) for pattern in ("*/*.safetensors", "*.safetensors"))
    found = ([one for one in below if one.is_file()] for below in files)
    return next((max(versions) for versions in found if versions), None)
