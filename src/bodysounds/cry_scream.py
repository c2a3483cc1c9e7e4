"""Whether a recording holds crying, screaming or neither, by an ensemble from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.audio.read import Source, resample, to_mono
from bodysounds.models.ensemble import Ensemble, load_ensemble
from bodysounds.scoring.events import Event, Frame, events_of
from bodysounds.scoring.frames import frames, unusable_channels
from bodysounds.scoring.given import given_samples

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """What a recording was taken for."""

    label: str | None
    """The most probable class; None where the classifier abstained."""
    probabilities: dict[str, float]
    """Of each class, the mean over the frames that were heard; empty where none was."""
    abstained: str | None
    """Why there is no answer (too short, silent, clipped, unsure), or None."""
    frames: list[Frame]
    """Each stretch of the recording by itself; one that is silent has no probabilities."""
    events: list[Event]
    """What was heard other than the quiet class, from when to when."""


class CryScreamClassifier:
    """An ensemble that is given recordings.

    >>> classifier = CryScreamClassifier.load("bundle")  # doctest: +SKIP
    >>> classifier.predict("night.wav").events  # doctest: +SKIP
    """

    def __init__(self, ensemble: Ensemble):
        self.ensemble = ensemble

    def __repr__(self) -> str:
        own = self.ensemble
        return (
            f"<CryScreamClassifier: {', '.join(self.labels)}, by {' and '.join(own.members)}, "
            f"in frames of {own.clip_s:g} s>"
        )

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> CryScreamClassifier:
        """Return the classifier of a bundle's folder, or of the latest version below a folder.

        Raises ValueError that names the path where there is none, or where it is not whole.
        """
        return cls(load_ensemble(path, device))

    @property
    def labels(self) -> list[str]:
        """The classes, sorted."""
        return self.ensemble.labels

    def predict(
        self,
        recording: Source | npt.NDArray[Any] | tuple[npt.NDArray[Any], int],
        sample_rate: int | None = None,
    ) -> Prediction:
        """Return what a recording is taken for.

        Parameters
        ----------
        recording : path, bytes, binary file object, array, or (array, sample rate in Hz)
            An array is (n,) or (n, channels), full scale 1 (integers: that of their type, unsigned
            ones about their middle).
        sample_rate : int, optional
            Hz, at least 1000, of an array; a file knows its own.

        Channels are averaged and any rate is converted. Longer than a clip, a recording is heard in
        frames, and a shorter one is filled up as the training's were. There is no answer for a
        recording that is too short, silent or clipped, or where no class is probable enough: the
        result says which. Raises ValueError for what is no audio, is cut short or holds NaN, and
        for an array without its rate.
        """
        samples, rate = given_samples(recording, sample_rate)
        ensemble, limits = self.ensemble, self.ensemble.rule["usable"]
        flaw = unusable_channels(samples, rate, limits)
        if flaw is not None and not flaw.startswith("clipped"):
            return Prediction(None, {}, flaw, [], [])
        waveform = resample(to_mono(samples), rate, ensemble.sample_rate)
        heard = self._frames(waveform)
        told = [list(frame.probabilities.values()) for frame in heard if frame.probabilities]
        if not told:
            return Prediction(None, {}, "silent: its channels cancel one another", heard, [])
        mean = np.mean(told, axis=0)
        probabilities = dict(zip(self.labels, map(float, mean), strict=True))
        events = events_of(heard, ensemble.event_rules)
        if flaw is None and mean.max() < ensemble.rule["abstain"]["threshold"]:
            flaw = (
                f"unsure: its most probable class has {mean.max():.3f}, and an answer takes "
                f"{ensemble.rule['abstain']['threshold']:.3f}"
            )
        label = None if flaw else self.labels[int(mean.argmax())]
        return Prediction(label, probabilities, flaw, heard, events)

    def _frames(self, waveform: Float32s) -> list[Frame]:
        ensemble = self.ensemble
        starts, clips = frames(
            waveform, ensemble.sample_rate, ensemble.clip_s, ensemble.hop_s, ensemble.short
        )
        floor = 10 ** (ensemble.rule["usable"]["silence_dbfs"] / 20)
        loud = np.abs(clips).max(axis=1) >= floor
        table, unsure = np.zeros((len(clips), len(self.labels))), np.ones(len(clips), dtype=bool)
        if loud.any():
            said = ensemble.predict(clips[loud])
            table[loud], unsure[loud] = np.exp(said.log_probabilities), said.abstained
        end = len(waveform) / ensemble.sample_rate
        return [
            Frame(
                float(start),
                float(min(start + ensemble.clip_s, end)),
                dict(zip(self.labels, map(float, np.clip(row, 0, 1)), strict=True)) if on else {},
                bool(doubt),
            )
            for start, row, on, doubt in zip(starts, table, loud, unsure, strict=True)
        ]
