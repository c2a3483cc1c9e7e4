"""The folder of an ensemble: its rule, and each member in the format of its network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bodysounds.models.bundle_rule import check_rule
from bodysounds.models.classifier import Classifier, load_classifier, save_classifier
from bodysounds.models.folders import new_folder, newest_folder, read_about, write_about
from bodysounds.types import Metrics

FORMAT = "bodysounds.ensemble/1"
FILE = "ensemble.json"
AGAIN = "give a folder that the stage ensemble saved, whole"
HUGGING_FACE = ("wav2vec2",)
"""Networks that are saved as a Hugging Face folder; others as a .safetensors file."""


def save_bundle(path: str | Path, members: Mapping[str, Classifier], rule: Metrics) -> None:
    """Write the folder `path`, which is not there yet, all or nothing; equal ones are equal bytes.

    It holds ensemble.json (the rule, and where each member is), and <member>.safetensors or the
    Hugging Face folder <member>/.
    """
    with new_folder(path, "an ensemble") as partial:
        files = {name: _save_member(partial, name, member) for name, member in members.items()}
        write_about(partial / FILE, {"format": FORMAT, "files": files, "rule": rule})


def load_bundle(path: str | Path) -> tuple[dict[str, Classifier], Metrics]:
    """Return the members by name, and the rule, of a bundle or the latest version below a folder.

    Raises ValueError that names the path where there is no bundle, where ensemble.json is no JSON
    or its rule lacks something or cannot be followed, and where a member is missing, cut short or
    of another shape.
    """
    folder = newest_folder(Path(path).expanduser(), FILE, AGAIN)
    about = about_ensemble(folder / FILE)
    files, rule = about["files"], about["rule"]
    members = {}
    for name in rule["members"]:
        own = files.get(name)
        # a name with a folder in it could lead elsewhere
        if not isinstance(own, str) or Path(own).name != own or not (folder / own).exists():
            raise ValueError(f"{folder} lacks its member {name!r}: {AGAIN}")
        members[name] = _load_member(folder / own)
    return members, rule


def _save_member(folder: Path, name: str, member: Classifier) -> str:
    if member.encoder.architecture["name"] in HUGGING_FACE:
        from bodysounds.models.wav2vec2_folder import classifier_to_hf

        classifier_to_hf(member, folder / name)
        return name
    save_classifier(folder / f"{name}.safetensors", member)
    return f"{name}.safetensors"


def _load_member(path: Path) -> Classifier:
    if path.is_dir():
        from bodysounds.models.wav2vec2_folder import classifier_from_hf

        return classifier_from_hf(path)
    return load_classifier(path)


def about_ensemble(file: Path) -> dict[str, Any]:
    """Return ensemble.json: files and rule; ValueError as `load_bundle` for one not to follow."""
    about = read_about(file, FORMAT, AGAIN)
    rule = about.get("rule")
    if not isinstance(rule, dict) or not isinstance(about.get("files"), dict):
        raise ValueError(f"{file} lacks its rule or its files: {AGAIN}")
    check_rule(rule, file, AGAIN)
    return about
