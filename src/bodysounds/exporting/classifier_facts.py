"""A classifier that is exported, and what its ensemble and its run know of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import yaml

from bodysounds.corpora._icbhi_cycles import LABELS as BREATH
from bodysounds.models.bundle import FILE as RULE
from bodysounds.models.bundle import about_ensemble
from bodysounds.models.classifier import FORMAT, RETRAIN, Classifier, classifier_of
from bodysounds.models.folders import newest_folder
from bodysounds.models.stored import newest_version, read_stored
from bodysounds.models.wav2vec2_folder import ABOUT, classifier_from_hf
from bodysounds.reporting.runs_on_disk import place_of

CARD = "model_card.md"
BATCH = (
    "Its front end stretches a batch as a whole: what a clip is taken for depends on the others in "
    "its batch."
)
CYCLES = "It learnt from single breath cycles: give them one by one where they are known."
MEMBER = (
    "Probabilities are the member's own: its ensemble divides their logarithms by the temperature, "
    "and weighs them against those of the others."
)


def classifier_and_facts(path: Path) -> tuple[Classifier, dict[str, Any]] | None:
    """Return the classifier of a path, and what is known beside it; None for another thing.

    It is a classifier.safetensors, the folder of a wav2vec2, the latest version of either, or a
    member in the bundle of an ensemble. The facts, plain JSON values, are limits, in sentences; of
    a member temperature and hop_s; and, where it lies where its run saved it, task, corpus, licence
    and synthetic, as the run's model card tells them. Raises ValueError for an ensemble, with the
    files of its members, and for a classifier that is torn.
    """
    ensemble = _folder_with(path, RULE)
    if ensemble is not None:
        members = about_ensemble(ensemble / RULE)["files"]
        files = " or ".join(str(ensemble / str(file)) for _, file in sorted(members.items()))
        raise ValueError(f"an ensemble does not leave as one file, its members do: give {files}")
    folder = _folder_with(path, ABOUT)
    if folder is not None:
        return _with_facts(folder, classifier_from_hf(folder))
    file = newest_version(path, RETRAIN)
    try:
        state, about = read_stored(file, RETRAIN) if file else ({}, {})
    except ValueError:
        return None
    if file is None or about.get("format") != FORMAT:
        return None
    return _with_facts(file, classifier_of(file, state, about))


def _folder_with(path: Path, file: str) -> Path | None:
    """Return the folder, or the latest version below it, that holds a file."""
    below = (path.glob(deeper + file) for deeper in ("", "*/", "*/*/"))
    if not path.is_dir() or not any(any(found) for found in below):
        return None
    return newest_folder(path, file, RETRAIN)


def _with_facts(place: Path, classifier: Classifier) -> tuple[Classifier, dict[str, Any]]:
    rule = _rule_of(place)
    return classifier, {**_run_of(place), **rule, "limits": limits_of(classifier, bool(rule))}


def limits_of(classifier: Classifier, member: bool = False) -> list[str]:
    """Return what to know before a classifier is asked, in sentences."""
    hears = classifier.encoder.front_end
    found = [
        f"The first {hears.get('clip_s', 0):g} s of a waveform are heard, and a shorter one is "
        f"filled ({hears.get('fill', 'repeat')}): cut a longer recording into windows."
    ]
    if set(classifier.labels) <= set(BREATH.values()):
        found.append(CYCLES)
    if hears.get("normalise") == "batch":
        found.append(BATCH)
    return [*found, MEMBER] if member else found


def _rule_of(place: Path) -> dict[str, Any]:
    """Return what the ensemble's rule says of a member in its bundle."""
    file = place.parent / RULE
    if not file.is_file():
        return {}
    about = about_ensemble(file)
    files, rule = about["files"], about["rule"]
    named = [name for name in rule["members"] if files.get(name) == place.name]
    return {"temperature": rule["temperatures"][named[0]], "hop_s": rule["hop_s"]} if named else {}


def _run_of(place: Path) -> dict[str, Any]:
    """Return task, corpus, licence and synthetic by the card of the run that saved a model.

    Nothing where no card lies in place, or another than a run's.
    """
    files = fsspec.filesystem("file")
    try:
        run = place_of(files, str(place.resolve()))
        text = files.cat_file(run.path(CARD)).decode()
        # Markdown goes on behind a line of dashes, and names may hold some
        front = yaml.safe_load(text.removeprefix("---\n").split("\n---\n")[0])
        data = front["model-index"][0]["results"][0]["dataset"]
        return {
            "task": run.task,
            "corpus": data["name"].removesuffix(" (synthetic sound)"),
            "licence": _licence(front),
            "synthetic": bool(data["args"]["synthetic"]),
        }
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError, yaml.YAMLError):
        return {}


def _licence(front: Mapping[str, Any]) -> str:
    """Return the licence of a card, empty where the corpus has none."""
    known = str(front["license"])
    return str(front.get("license_name", "" if known == "other" else known))
