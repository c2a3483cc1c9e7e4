"""A window to clips, and a model's answer on clips to a window's row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bodysounds.audio.read import AudioError, resample
from bodysounds.scoring.events import EventRules
from bodysounds.scoring.frames import frames, unusable
from bodysounds.serving.audio import read_pieces
from bodysounds.serving.batcher import Answer
from bodysounds.serving.messages import Classify, Heard
from bodysounds.serving.windows import Window

Float32s = npt.NDArray[np.float32]


class Model(Protocol):
    """What the worker needs of an ensemble (bodysounds.models.ensemble.Ensemble has it)."""

    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def clip_s(self) -> float: ...
    @property
    def hop_s(self) -> float: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def short(self) -> str: ...
    @property
    def rule(self) -> Mapping[str, Any]:
        """Of which `usable` (as `unusable` takes it) and `abstain` {threshold} are read."""

    @property
    def event_rules(self) -> EventRules: ...
    def predict(self, waveforms: Float32s, /) -> Any:
        """Return log_probabilities (n, C) and abstained (n,) of clips (n, clip_samples)."""


@dataclass
class Clips:
    """What the model is to hear of a window."""

    starts_s: npt.NDArray[np.float64]
    """(n,), from the window's start; none where the sound cannot be read."""
    loud: npt.NDArray[np.bool_]
    """(n,): the clips that are not silent."""
    clips: Float32s
    """(n_loud, clip_samples)."""
    flaw: str | None = None
    """Why the window gets no label: it cannot be read, is silent, or clipped."""


def clips_of(window: Window, request: Classify, model: Model) -> Clips:
    """Return a window's clips, the silent ones left out, as CryScreamClassifier does."""
    size = round(model.clip_s * model.sample_rate)
    hop_s = min(request.frame_hop_s or model.hop_s, model.clip_s)
    limits = model.rule["usable"]
    try:
        wave = read_pieces(window.pieces, request.sample_rate)
        wave = resample(wave, request.sample_rate, model.sample_rate)
    except (AudioError, OSError) as error:
        none = np.zeros(0)
        return Clips(none, none.astype(bool), np.zeros((0, size), np.float32), str(error))
    starts, clips = frames(wave, model.sample_rate, model.clip_s, hop_s, model.short)
    loud = np.abs(clips).max(axis=1) >= 10 ** (limits["silence_dbfs"] / 20)
    return Clips(starts, loud, clips[loud], unusable(wave, model.sample_rate, limits))


def heard_of(window: Window, clips: Clips, answer: Answer, sample_rate: int, model: Model) -> Heard:
    """Return what a window was heard as: a row a clip, and the label of the mean probabilities.

    There is no label where the window has a flaw or its best class is below the rule's threshold.
    Raises ValueError for an answer of the wrong shape, or one that is not finite.
    """
    labels = list(model.labels)
    log_probabilities = np.asarray(answer.log_probabilities, dtype=np.float64)
    if log_probabilities.shape != (len(clips.clips), len(labels)):
        raise ValueError(
            f"the model answered {log_probabilities.shape} to {len(clips.clips)} clips and "
            f"{len(labels)} labels"
        )
    heard = np.clip(np.exp(log_probabilities), 0, 1)
    if not np.isfinite(heard).all():
        raise ValueError(f"the model's answer to window {window.number} is not finite")
    table = np.zeros((len(clips.starts_s), len(labels)))
    unsure = np.ones(len(table), dtype=bool)
    table[clips.loud], unsure[clips.loud] = heard, answer.abstained
    first, last = window.start / sample_rate, window.stop / sample_rate
    rows = [
        [
            round(first + float(start), 4),
            round(min(first + float(start) + model.clip_s, last), 4),
            float(doubt),
            *(round(float(p), 5) for p in row),
        ]
        for start, doubt, row in zip(clips.starts_s, unsure, table, strict=True)
    ]
    if not len(heard):
        return Heard(labels, rows, reason=clips.flaw or "silent: its clips are")
    mean = heard.mean(axis=0)
    best = int(mean.argmax())
    abstained = bool(mean[best] < model.rule["abstain"]["threshold"])
    return Heard(
        labels,
        rows,
        [round(float(p), 5) for p in mean],
        None if abstained or clips.flaw else labels[best],
        round(float(mean[best]), 5),
        abstained,
        clips.flaw,
    )


def window_row(
    request: Classify, window: Window, heard: Heard, model_name: str, stored_at: float
) -> dict[str, Any]:
    """Return the row of the table `windows`."""
    mean = heard.probabilities
    return {
        "stream_id": request.stream_id,
        "window": window.number,
        "start_s": window.start / request.sample_rate,
        "end_s": window.stop / request.sample_rate,
        "label": heard.label,
        "confidence": heard.confidence,
        "abstained": heard.abstained,
        "probabilities": dict(zip(heard.labels, mean, strict=True)) if mean else None,
        "frames": heard.frames or None,
        "reason": heard.reason,
        "model": model_name,
        "ready_at": window.ready_at,
        "stored_at": stored_at,
    }
