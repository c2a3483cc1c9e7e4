"""SpeechBrain's hyperparams.yaml as plain values: read, checked, never executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

SAMPLE_RATE = 16_000
NETWORK = "speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN"
FBANK = "speechbrain.lobes.features.Fbank"
NORMALISATION = "speechbrain.processing.features.InputNormalization"
# what weights don't show: each option of the front end that is read, at the value it must have
# (these are SpeechBrain's own); n_mels is compared with the weights
FBANK_OPTIONS: dict[str, Any] = {
    "sample_rate": SAMPLE_RATE,
    "deltas": False,
    "context": False,
    "requires_grad": False,
    "f_min": 0,
    "f_max": SAMPLE_RATE // 2,
    "n_fft": 400,
    "win_length": 25,
    "hop_length": 10,
    "filter_shape": "triangular",
}
FBANK_MELS = 40
OF_NO_EFFECT = ("n_mels", "left_frames", "right_frames")
ELSEWHERE = (
    "give a folder like speechbrain/spkrec-ecapa-voxceleb, or an encoder that train_embedding saved"
)
# key under which the tag of an object stands among its options
TAG = "!"


def read_hyperparams(path: Path) -> dict[str, Any]:
    """Return the names and values of a HyperPyYAML file without importing or calling anything.

    A tag such as !new:module.Class becomes text: beside the options of a mapping, under the key
    "!"; before the value of a scalar ("!ref <n_mels>"); it is dropped from a list. Raises
    ValueError that names the file where it is missing or no YAML.
    """
    if not path.is_file():
        raise ValueError(
            f"{path} is not there, and it says what front end the weights belong to: copy it from "
            "where the weights came"
        )
    # HyperPyYAML itself would import and call whatever a file names
    plain: Any = type("Plain", (yaml.SafeLoader,), {})
    plain.add_multi_constructor("", _tagged)
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), plain)
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is no YAML ({reason}): {ELSEWHERE}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} has no names and values: {ELSEWHERE}")
    return settings


def _tagged(loader: Any, suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {**loader.construct_mapping(node, deep=True), TAG: node.tag}
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return f"{node.tag} {node.value}".strip()


def check_hyperparams(
    settings: Mapping[str, Any], architecture: Mapping[str, Any], path: Path
) -> None:
    """Raise ValueError where the yaml describes what this project would compute otherwise."""
    depth = architecture["depth"]
    dilations = [1, *(min(2 + block, 5) for block in range(depth)), 1]
    fbank = _options(settings, "compute_features", FBANK, path)
    wanted = {name: (fbank[name], value) for name, value in FBANK_OPTIONS.items() if name in fbank}
    unknown = sorted(fbank.keys() - FBANK_OPTIONS.keys() - {*OF_NO_EFFECT})
    if unknown:
        raise ValueError(
            f"{path} sets compute_features.{unknown[0]}, which is not known here: {ELSEWHERE}"
        )
    wanted["n_mels"] = (fbank.get("n_mels", FBANK_MELS), architecture["n_mels"])
    mean = _options(settings, "mean_var_norm", NORMALISATION, path)
    wanted["norm_type"] = (mean.get("norm_type", "global"), "sentence")
    wanted["std_norm"] = (mean.get("std_norm", True), False)
    body = _options(settings, "embedding_model", NETWORK, path)
    wanted["dilations"] = (body.get("dilations", [1, 2, 3, 4, 1]), dilations)
    if "activation" in body:
        wanted["activation"] = (body["activation"], "!name:torch.nn.ReLU")
    for name, (theirs, ours) in wanted.items():
        if theirs != ours:
            raise ValueError(
                f"{path} has {name} {theirs!r}, and such weights are read with {ours!r}: "
                f"{ELSEWHERE}"
            )


def _options(settings: Mapping[str, Any], name: str, kind: str, path: Path) -> dict[str, Any]:
    """Return the options of one object, of the kind it must be, with its references looked up."""
    part = settings.get(name)
    if not isinstance(part, Mapping) or part.get(TAG) != f"!new:{kind}":
        raise ValueError(f"{path} has no {name}: !new:{kind}: {ELSEWHERE}")
    return {
        key: settings.get(value[len("!ref <") : -1]) if _is_reference(value) else value
        for key, value in part.items()
        if key != TAG
    }


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("!ref <") and value.endswith(">")
