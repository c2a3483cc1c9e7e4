"""The methods of a classifier as sentences: what identification, screams and breath share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bodysounds.reporting import methods as told
from bodysounds.types import Encoder, Metrics

CHOSEN_BY = {
    "dev_accuracy": "the highest accuracy on the development set",
    "dev_balanced_accuracy": "the highest balanced accuracy on the development set",
    "dev_loss": "the lowest loss on the development set",
    "dev_score": "the highest ICBHI Score on the development set",
}
FILLS = {
    "repeat": "shorter ones repeated", "circular": "shorter ones repeated",
    "reflect": "shorter ones mirrored", "zeros": "shorter ones followed by silence",
}  # fmt: skip
NORMALISED = {
    "clip": ", each input to mean 0 and variance 1",
    "band": ", the mean of each band taken off",
    "fixed": ", standardised by constants",
    "batch": ", each batch stretched to [0, 1]",
    "per_frequency": ", each frequency to mean 0 and variance 1",
    "min_max": ", each image to [0, 1]",
}


def hears_told(encoder: Encoder, unit: str = "clip") -> str:
    """Return the front end of a classifier, from the waveform to what the network is given."""
    own = encoder.front_end
    if "clip_s" not in own:
        return str(own.get("name", unit + "s")).replace("_", " ")
    clip = f"{unit}s of {own['clip_s']:g} s"
    fill = f" ({FILLS[own['fill']]})" if own.get("fill") in FILLS else ""
    norm = NORMALISED.get(str(own.get("normalise")), "")
    name = own.get("name")
    if name == "stft_image":
        kind = "log-magnitude" if own.get("log", True) else "magnitude"
        return (
            f"{clip}{fill} as {kind} spectrograms (n_fft {own['n_fft']}, frames of "
            f"{1000 * own['win_s']:g} ms every {1000 * own['hop_s']:g} ms) resized to "
            f"{own['size']} by {own['size']}{norm}"
        )
    if name == "log_mel":
        return (
            f"{clip}{fill} as {own['n_mels']} log-mel bands from {own['f_min']:g} to "
            f"{own['f_max']:g} Hz (n_fft {own['n_fft']}, hop {own['hop']} samples){norm}"
        )
    if name == "yamnet_log_mel":
        return f"{clip}{fill} as YAMNet's log-mel patches of 0.96 s every {own['patch_hop_s']:g} s"
    standard = ", each to mean 0 and variance 1" if own.get("normalise") is True else ""
    return f"{clip}{fill} as waveforms{standard}"


def training_told(training: Mapping[str, Any], losses: str, unit: str) -> list[str]:
    """Return how a classifier was trained, by the parameters of its record.

    `losses` is what was minimised and `unit` what it is trained on, such as clip.
    """
    own = training.get("parameters")
    if not own:
        return ["It was not trained here."]
    extras = [
        f"label smoothing {own['label_smoothing']:g}" if own.get("label_smoothing") else "",
        "classes weighted alike" if own.get("class_weights") else "",
        f"dropout {own['dropout']:g}" if own.get("dropout") else "",
    ]
    details = ", ".join(part for part in extras if part)
    balanced = ", each class drawn equally often" if own.get("balanced") else ""
    n = training.get("n_train")
    on = f" on {told.several(n, unit)}" if n else ""
    crop = f" Training heard random parts of {own['crop_s']:g} s." if own.get("crop_s") else ""
    return [
        f"It was trained {told.start_told(training)}{on} to minimise {losses}"
        + (f" ({details})" if details else "")
        + f", in batches of {own['batch_size']}{balanced}.{crop}",
        *told.learnt_told(own),
        told.augment_told(own),
        told.optimiser_told(own, training.get("epochs"), training.get("precision", "float32")),
        _chosen(training, own),
    ]


def _chosen(training: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    stop = (
        f"Training was to stop after {told.several(own['patience'], 'epoch')} without a lower loss "
        "on the development set. "
        if own.get("patience")
        else ""
    )
    if "chosen_epoch" not in training:
        return stop
    by = CHOSEN_BY.get(str(own.get("choose")), "the best result on the development set")
    return f"{stop}Epoch {training['chosen_epoch']} was kept, which had {by}."


def rates_told(metrics: Metrics, where: str, label: str) -> str:
    """Return what the headlined rate counts."""
    head = metrics["headline"]
    unit = head.get("unit", "clip")
    return f"The headlined rate, {label}, was taken on {told.several(head['n'], unit)} of {where}."


def baselines_told(names: Sequence[str]) -> str:
    """Return what stood beside ours; nothing where nothing did."""
    known = {
        "log_mel": "on log-mel statistics",
        "mfcc": "on MFCC statistics",
        "recording": "on level, noise floor, bandwidth and duration",
    }
    fitted = [known[name] for name in names if name in known]
    shown = [f"logistic regression ({'; '.join(fitted)})"] if fitted else []
    shown += ["naming the most frequent class throughout"] if "most_frequent" in names else []
    return f"Baselines were {told.joined(shown)}." if shown else ""
