"""What `bodysounds classify` asks: each kind of classifier, as one function of a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodysounds.commands.shared import shown

if TYPE_CHECKING:
    from bodysounds.models.classifier import Classifier

Answer = dict[str, Any]
"""label and probabilities, abstained (why there is no label, or None), and what the kind adds:
events of an ensemble, cycles of breath."""
Hears = Callable[[Path], Answer]

SHORTEST_S = 0.1
"""A recording whose speaker is asked for is longer."""
TOP = 5
"""Most classes that are told of a classifier of many."""
TAKES = (
    "bodysounds classify takes the bundle of cry_scream_ensemble, or the classifier.safetensors of "
    "another task"
)


def hears_with(path: Path, device: str, windows: bool = False) -> Hears:
    """Return what a model answers of a recording, after finding out which kind of model it is.

    `windows` has a classifier of breath hear windows even where the cycles are known. Raises
    ValueError for what is no classifier.
    """
    if _holds(path, "ensemble.json"):
        return _ensemble(path, device)
    if _holds(path, "verifier.json"):
        raise ValueError(f"{path} is a verifier, which knows no classes: {TAKES}")
    classifier = _classifier(path)
    from bodysounds.corpora._icbhi_cycles import LABELS

    if set(classifier.labels) <= set(LABELS.values()):
        return _breath(classifier, device, windows)
    return _first_clip(classifier, device)


def _holds(path: Path, name: str) -> bool:
    """Return whether a folder, or a version below it, has a file of that name."""
    return any(next(path.glob(below + name), None) for below in ("", "*/", "*/*/"))


def _classifier(path: Path) -> Classifier:
    from bodysounds.models.classifier import load_classifier
    from bodysounds.models.wav2vec2_folder import ABOUT, classifier_from_hf

    if path.is_dir() and _holds(path, ABOUT):
        found = max(one for below in ("", "*/", "*/*/") for one in path.glob(below + ABOUT))
        return classifier_from_hf(found.parent)
    try:
        return load_classifier(path)
    except ValueError as error:
        raise ValueError(f"{error}; {TAKES}") from error


def _ensemble(path: Path, device: str) -> Hears:
    from bodysounds.cry_scream import CryScreamClassifier

    classifier = CryScreamClassifier.load(path, device)

    def hear(recording: Path) -> Answer:
        found = classifier.predict(recording)
        return {
            "label": found.label,
            "probabilities": found.probabilities,
            "abstained": found.abstained,
            "events": [asdict(event) for event in found.events],
        }

    return hear


def _breath(classifier: Classifier, device: str, windows: bool) -> Hears:
    from bodysounds.respiratory import RespiratoryClassifier

    heard = RespiratoryClassifier(classifier, device)

    def hear(recording: Path) -> Answer:
        beside = recording.with_suffix(".txt")
        known = beside.is_file() and not windows
        table = heard.predict(recording, beside if known else None)
        columns = [f"p_{label}" for label in heard.labels]
        cycles = [
            {
                "start_s": row["start_s"],
                "end_s": row["end_s"],
                "label": row["label"],
                "probabilities": {name.removeprefix("p_"): row[name] for name in columns},
            }
            for row in table.to_dict("records")
        ]
        return {
            "label": None,
            "abstained": None,
            "cycles_from": beside.name if known else None,
            "counts": dict(Counter(table["label"].tolist()).most_common()),
            "cycles": cycles,
        }

    return hear


def _first_clip(classifier: Classifier, device: str) -> Hears:
    """As its test heard it: the first `clip_s` of a recording."""
    import numpy as np
    import pandas as pd

    from bodysounds.audio.packed import Packed, to_int16
    from bodysounds.audio.read import decode, resample, to_mono
    from bodysounds.models.classifier import predictor

    predict = predictor(classifier, device)
    hears = classifier.encoder.front_end
    rate, clip_s = int(hears["sample_rate"]), float(hears["clip_s"])

    def hear(recording: Path) -> Answer:
        samples, own = decode(recording)
        if len(samples) < SHORTEST_S * own:
            lasts = f"lasts {len(samples) / own:.3g} s"
            raise ValueError(f"{shown(recording)} {lasts}, and it takes {SHORTEST_S:g} s")
        # a second more, so that what is heard is converted as in the whole recording
        mono = to_mono(samples[: ceil((clip_s + 1) * own)])
        waveform = to_int16(resample(mono, own, rate))[: ceil(clip_s * rate)]
        if not waveform.any():
            what = "is" if len(samples) <= clip_s * own else f"begins with {clip_s:g} s of"
            raise ValueError(f"{shown(recording)} {what} digital silence: nothing is heard in it")
        index = pd.DataFrame(
            {"segment_id": ["it"], "first_sample": [0], "n_samples": [len(waveform)]}
        )
        said = predict(Packed(waveform, index, rate), ["it"])[0]
        best = np.argsort(-said, kind="stable")[:TOP]
        probabilities = {classifier.labels[at]: float(np.exp(said[at])) for at in best}
        return {
            "label": next(iter(probabilities)),
            "probabilities": probabilities,
            "abstained": None,
            "heard_s": min(len(waveform) / rate, clip_s),
            "of_classes": len(classifier.labels),
        }

    return hear


def rows_of(path: str, answer: Answer) -> list[dict[str, Any]]:
    """Return the rows of a recording in predictions.csv."""
    if "cycles" in answer:
        return [
            {"path": path, "start_s": cycle["start_s"], "end_s": cycle["end_s"],
             "label": cycle["label"], **_columns(cycle["probabilities"]), "abstained": None}
            for cycle in answer["cycles"]
        ]  # fmt: skip
    if "of_classes" in answer:
        return [
            {"path": path, "rank": rank, "label": label, "probability": probability,
             "abstained": None}
            for rank, (label, probability) in enumerate(answer["probabilities"].items(), 1)
        ]  # fmt: skip
    return [
        {"path": path, "label": answer["label"], **_columns(answer["probabilities"]),
         "abstained": answer["abstained"]}
    ]  # fmt: skip


def _columns(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {f"p_{label}": value for label, value in probabilities.items()}
