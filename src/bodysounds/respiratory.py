"""What each breath of a lung sound holds: nothing, crackles, wheezes or both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch.nn import functional

from bodysounds.audio.clips import clips
from bodysounds.audio.packed import to_int16
from bodysounds.audio.read import Source, resample, to_mono
from bodysounds.corpora._icbhi_cycles import read_cycles
from bodysounds.devices import choose_device
from bodysounds.models.classifier import RETRAIN, Classifier, batch_size, load_classifier
from bodysounds.models.encoder import network
from bodysounds.scoring.given import given_samples
from bodysounds.types import Ints, Table

SHORTEST_S = 0.1
"""A breath is longer."""
SLACK_S = 0.1
"""A cycle that ends this much after its recording is cut; its times were rounded."""

Cycles = Sequence[tuple[float, float]]


class RespiratoryClassifier:
    """A classifier of breath cycles that is given recordings.

    >>> classifier = RespiratoryClassifier.load("classifier.safetensors")  # doctest: +SKIP
    >>> classifier.predict("101_1b1_Al_sc_Meditron.wav", "101_1b1_Al_sc_Meditron.txt")
    ... # doctest: +SKIP
    """

    def __init__(self, classifier: Classifier, device: str = "auto"):
        self.classifier = classifier
        self.device = choose_device(device)
        self.module = network(classifier.encoder).to(self.device)
        if self.module.clip_samples is None:
            raise ValueError(f"the front end does not say the clip_s that it hears: {RETRAIN}")
        self.clip_samples: int = self.module.clip_samples
        self.head = {name: weight.to(self.device) for name, weight in classifier.head.items()}

    def __repr__(self) -> str:
        return (
            f"<RespiratoryClassifier: {', '.join(self.labels)}, of breaths up to {self.clip_s:g} s>"
        )

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> RespiratoryClassifier:
        """Return the classifier of a .safetensors file, or of the latest version below a folder.

        Raises ValueError that names the path where there is none, or where it is no classifier.
        """
        return cls(load_classifier(path), device)

    @property
    def labels(self) -> list[str]:
        """The classes, sorted."""
        return self.classifier.labels

    @property
    def clip_s(self) -> float:
        """Seconds that are heard of a cycle; a shorter one is filled up as the training's were."""
        return self.clip_samples / self.module.sample_rate

    def predict(
        self,
        recording: Source | tuple[npt.NDArray[Any], int],
        cycles: Cycles | str | os.PathLike[str] | None = None,
    ) -> Table:
        """Return what each breath cycle of a recording is taken for.

        Parameters
        ----------
        recording : path, bytes, binary file object, or (array, sample rate in Hz)
            An array is (n,) or (n, channels), full scale 1 (integers: that of their type).
        cycles : sequence of (onset, offset) in seconds, path of a text file, or None
            A text file is one of ICBHI's: onset, offset, and two flags that are not read here.
            None cuts the recording into windows of `clip_s`, the last of which ends with it. A
            window may hold several breaths, and the training heard them one by one: give the cycles
            where they are known.

        Channels are averaged and any rate is converted, as in training. A cycle that ends at most
        0.1 s after the recording is cut.

        Returns a row a cycle, in the order given: start_s, end_s, label (the most probable class)
        and p_<class>, which add up to 1. Raises ValueError for what is no audio, is cut short,
        holds NaN or nothing but digital silence, and for cycles that are none, shorter than 0.1 s,
        reversed, not finite or outside the recording.
        """
        if isinstance(recording, np.ndarray):
            raise ValueError("an array needs its sample_rate in Hz: predict((array, sample_rate))")
        samples, rate = given_samples(recording, None)
        waveform = to_int16(resample(to_mono(samples), rate, self.module.sample_rate))
        if not waveform.any():
            raise ValueError("the recording is digital silence: nothing can be heard in it")
        duration = len(samples) / rate
        times = _checked(self._windows(duration) if cycles is None else cycles, duration)
        probabilities = self._probabilities(waveform, self._spans(times, len(waveform)))
        table = pd.DataFrame(times, columns=["start_s", "end_s"])
        table["label"] = [self.labels[best] for best in probabilities.argmax(axis=1)]
        for number, label in enumerate(self.labels):
            table[f"p_{label}"] = probabilities[:, number]
        return table

    def _windows(self, duration: float) -> list[tuple[float, float]]:
        starts = [0.0]
        while starts[-1] + self.clip_s < duration:
            starts.append(min(starts[-1] + self.clip_s, duration - self.clip_s))
        return [(start, min(start + self.clip_s, duration)) for start in starts]

    def _spans(self, times: Cycles, n_samples: int) -> Ints:
        """Return first sample and number of samples of each cycle, as the training's were cut."""
        edges = np.rint(np.array(times) * self.module.sample_rate).astype(np.int64)
        first = np.minimum(edges[:, 0], n_samples - 1)
        return np.stack([first, np.minimum(edges[:, 1], n_samples) - first], axis=1)

    def _probabilities(
        self, waveform: npt.NDArray[np.int16], spans: Ints
    ) -> npt.NDArray[np.float64]:
        size, found = batch_size(self.classifier.encoder.architecture), []
        with torch.inference_mode():
            for start in range(0, len(spans), size):
                batch = clips(waveform, spans[start : start + size], self.clip_samples,
                              self.module.fill)  # fmt: skip
                embeddings = self.module(batch.to(self.device))
                logits = functional.linear(embeddings, self.head["weight"], self.head["bias"])
                found.append(logits.double().softmax(dim=1).cpu().numpy())
        return np.concatenate(found)


def _checked(cycles: Cycles | str | os.PathLike[str], duration: float) -> list[tuple[float, float]]:
    """Return onset and offset of each cycle, cut at the recording's end."""
    if isinstance(cycles, str | os.PathLike):
        cycles = [(cycle.start_s, cycle.end_s) for cycle in read_cycles(Path(cycles))]
    try:
        table = np.asarray(cycles, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "cycles are pairs of onset and offset in seconds, such as [(0.0, 1.7), (1.7, 3.5)], "
            f"got {str(cycles)[:60]}"
        ) from error
    if table.ndim != 2 or table.shape[1] != 2 or not len(table):
        raise ValueError(
            f"cycles are pairs of onset and offset in seconds, at least one, got {table.shape}"
        )
    checked = []
    for number, (start, end) in enumerate(table.tolist()):
        # a NaN is not within bounds either
        if not 0 <= start < end <= duration + SLACK_S:
            raise ValueError(
                f"cycle {number} runs from {start:g} to {end:g} s and the recording lasts "
                f"{duration:.3f} s: a cycle ends after it starts and lies within its recording"
            )
        checked.append((start, min(end, duration)))
        lasts = checked[-1][1] - start
        if lasts < SHORTEST_S:
            raise ValueError(
                f"cycle {number} lasts {lasts:.3g} s within the recording, and a breath takes at "
                f"least {SHORTEST_S:g} s: leave it out"
            )
    return checked
