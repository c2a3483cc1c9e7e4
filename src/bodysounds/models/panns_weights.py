"""Published weights of PANNs, such as Cnn6_mAP=0.343.pth, as an encoder to start from."""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bodysounds.models.encoder import Encoder
from bodysounds.models.network import build_body

log = logging.getLogger(__name__)

NESTED = "model"
FIRST, LAST = "conv_block1.conv1.weight", "conv_block6.conv1.weight"
NORM, COUNTER = "bn0.", "num_batches_tracked"
IGNORED = ("spectrogram_extractor.", "logmel_extractor.", "fc1.", "fc_audioset.")
ELSEWHERE = (
    "give the published Cnn6_mAP=0.343.pth, Cnn10_mAP=0.380.pth or Cnn14_mAP=0.431.pth as it is"
)


def load_panns(
    path: str | Path, rows: str = "frames", input_norm: bool = True, dropout: float = 0.0
) -> Encoder:
    """Return the trunk of a published PANN (Kong et al. 2019, arXiv 1912.10211).

    Which of cnn6, cnn10 and cnn14 it is, the weights' names and shapes say. Nothing but tensors and
    plain values is read; the weights are the file's `model`, or the file itself. Every weight of
    the trunk must be there in its shape. Left out are the front end for 32 kHz, whose place the
    recipe's own takes (`audio.log_mel`), the layer fc1, the 527 classes of AudioSet, and bn0 where
    `input_norm` is false. Counters of batches, which older files lack, become 0.

    Parameters
    ----------
    path : str or Path
        A .pth file.
    rows, input_norm, dropout
        As in `models.panns.build_panns`.

    Returns an Encoder whose front end is {}; its training record has `loaded_from` (the file's
    name), `sha256` and `ignored` (the names left out). Raises ValueError that names the file where
    it is none of these, lacks a weight or has one of another shape or name, or one that is not
    finite.
    """
    path = Path(path).expanduser()
    state = _weights(path)
    architecture: dict[str, Any] = {
        "name": _name(state, path), "width": 1.0, "n_mels": 64,
        "input_norm": input_norm, "rows": rows, "dropout": dropout,
    }  # fmt: skip
    with torch.device("meta"):
        expected = build_body(architecture, seed=0).state_dict()
    left = IGNORED if input_norm else (*IGNORED, NORM)
    ignored = sorted(name for name in state if name.startswith(left))
    trunk = {name: weight for name, weight in state.items() if name not in ignored}
    for name in expected:
        if name.endswith(COUNTER):
            trunk.setdefault(name, torch.tensor(0))
    _check(trunk, expected, architecture["name"], path)
    log.info("%s: %d weights of the trunk of %s, ignored: %s", path.name, len(expected),
             architecture["name"], ", ".join(ignored) or "nothing")  # fmt: skip
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    about = {"loaded_from": path.name, "sha256": sha256, "ignored": ignored}
    return Encoder({name: trunk[name] for name in expected}, architecture, {}, about)


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError,
    ) as error:  # fmt: skip
        # torch's own words advise to read what it refused
        reason = "cut short, or it holds more than tensors and plain values"
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        raise ValueError(f"{path} is no file of weights ({reason}): {ELSEWHERE}") from error
    if isinstance(content, Mapping) and isinstance(content.get(NESTED), Mapping):
        content = content[NESTED]
    named = isinstance(content, Mapping) and content
    if not named or not all(isinstance(weight, Tensor) for weight in content.values()):
        raise ValueError(f"{path} holds no weights by name: {ELSEWHERE}")
    return {str(name): weight for name, weight in content.items()}


def _name(state: Mapping[str, Tensor], path: Path) -> str:
    first = state.get(FIRST)
    if first is None or first.ndim != 4 or first.shape[2] not in (3, 5):
        raise ValueError(f"{path} holds no CNN6, CNN10 or CNN14 ({FIRST}): {ELSEWHERE}")
    if first.shape[2] == 5:
        return "cnn6"
    return "cnn14" if LAST in state else "cnn10"


def _check(
    trunk: Mapping[str, Tensor], expected: Mapping[str, Tensor], network: str, path: Path
) -> None:
    """Raise ValueError, naming a weight, where the trunk is not the network's."""
    for names, verdict in (
        (sorted(expected.keys() - trunk.keys()), "lacks the"),
        (sorted(trunk.keys() - expected.keys()), "has the unknown"),
    ):
        if names:
            raise ValueError(
                f"{path} {verdict} weight {names[0]!r} ({len(names)} in all) for the trunk of "
                f"{network}: {ELSEWHERE}"
            )
    for name, weight in expected.items():
        if trunk[name].shape != weight.shape:
            raise ValueError(
                f"{path}: {name} has the shape {tuple(trunk[name].shape)}, {network} has "
                f"{tuple(weight.shape)}: {ELSEWHERE}"
            )
        if not torch.isfinite(trunk[name]).all():
            raise ValueError(f"{path}: {name} has NaN or infinite values: {ELSEWHERE}")
