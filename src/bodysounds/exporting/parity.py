"""Whether an exported model answers as its network does: sounds to try, and the difference.

Other exporters' wrong outputs come with lengths that were not the example's: many are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder

if TYPE_CHECKING:
    from bodysounds.audio.packed import Packed

Float32s = npt.NDArray[np.float32]
Answers = Callable[[Float32s], npt.NDArray[Any]]
"""Waveforms (batch, samples) -> a row of numbers each."""
SECONDS = (0.0, 0.1, 0.25, 0.4173, 1.0, 3.3391, 9.99)
"""Lengths that are tried, from one sample on; most are no whole number of frames."""
LEVELS = (0.1, 0.001, 1.0, 0.0)
"""How loud: full scale is 1, and silence is silence."""
BATCHES = (1, 2, 3)


def sounds(sample_rate: int, shortest_s: float = 0.0) -> list[Float32s]:
    """Return batches (batch, samples) of noise with a tone in it, of many lengths and levels.

    Their numbers are those of int16 samples, which is what recordings are packed as.
    """
    rng = np.random.default_rng(0)
    found = []
    for number, seconds in enumerate(s for s in SECONDS if s >= shortest_s):
        shape = (BATCHES[number % len(BATCHES)], max(1, round(seconds * sample_rate)))
        tone = np.sin(0.03 * np.arange(shape[1]) * (1 + number))
        batch = 0.3 * rng.standard_normal(shape) + 0.5 * tone
        levels = np.take(LEVELS, np.arange(shape[0]) + number, mode="wrap")[:, None]
        whole = (batch * levels * 32_768).round().clip(-32_768, 32_767)
        found.append((whole / 32_768).astype(np.float32))
    return found


def difference(model: Encoder | Classifier, exported: Answers, batches: list[Float32s]) -> float:
    """Return the largest difference between this package's answers in float32, and others'.

    Answers are unit embeddings of an encoder, probabilities of a classifier. It is infinite where
    the shapes differ or numbers are not finite.
    """
    answers, worst = _classified(model) if isinstance(model, Classifier) else _embedded(model), 0.0
    for batch in batches:
        ours, theirs = answers(batch), np.asarray(exported(batch))
        if theirs.shape != ours.shape or not np.isfinite(theirs).all():
            return float("inf")
        worst = max(worst, float(np.abs(theirs - ours).max()))
    return worst


def _embedded(encoder: Encoder) -> Answers:
    from bodysounds.models.encoder import network
    from bodysounds.scoring.embed import embed_waveforms

    module = network(encoder)
    return lambda batch: embed_waveforms(module, list(batch), precision="float32")


def _classified(classifier: Classifier) -> Answers:
    from bodysounds.models.classifier import predictor

    predict = predictor(classifier, "cpu")

    def answers(batch: Float32s) -> Float32s:
        packed = packed_of(batch, int(classifier.encoder.front_end["sample_rate"]))
        found: Float32s = np.exp(predict(packed, list(packed.index["segment_id"])))
        return found

    return answers


def packed_of(batch: Float32s, sample_rate: int) -> Packed:
    """Return waveforms (batch, samples), whose numbers are those of int16, as packed ones."""
    from bodysounds.audio.packed import Packed, to_int16

    count, n_samples = batch.shape
    index = pd.DataFrame(
        {
            "segment_id": [str(row) for row in range(count)],
            "first_sample": np.arange(count) * n_samples,
            "n_samples": n_samples,
        }
    )
    return Packed(to_int16(batch.reshape(-1)), index, sample_rate)
