"""Whether an exported model embeds as the encoder does: sounds to try, and the largest difference.

Other exporters' wrong outputs come with lengths that were not the example's: many are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.models.encoder import Encoder

Float32s = npt.NDArray[np.float32]
SECONDS = (0.0, 0.1, 0.25, 0.4173, 1.0, 3.3391, 9.99)
"""Lengths that are tried, from one sample on; most are no whole number of frames."""
LEVELS = (0.1, 0.001, 1.0, 0.0)
"""How loud: full scale is 1, and silence is silence."""
BATCHES = (1, 2, 3)


def sounds(sample_rate: int, shortest_s: float = 0.0) -> list[Float32s]:
    """Return batches (batch, samples) of noise with a tone in it, of many lengths and levels."""
    rng = np.random.default_rng(0)
    found = []
    for number, seconds in enumerate(s for s in SECONDS if s >= shortest_s):
        shape = (BATCHES[number % len(BATCHES)], max(1, round(seconds * sample_rate)))
        tone = np.sin(0.03 * np.arange(shape[1]) * (1 + number))
        batch = 0.3 * rng.standard_normal(shape) + 0.5 * tone
        levels = np.take(LEVELS, np.arange(shape[0]) + number, mode="wrap")[:, None]
        found.append((batch * levels).clip(-1, 1).astype(np.float32))
    return found


def difference(
    encoder: Encoder, exported: Callable[[Float32s], npt.NDArray[Any]], batches: list[Float32s]
) -> float:
    """Return the largest difference between unit embeddings: the encoder's in float32, and others'.

    `exported` takes (batch, samples) float32 and returns (batch, dim). It is infinite where the
    shapes differ or numbers are not finite.
    """
    from bodysounds.models.encoder import network
    from bodysounds.scoring.embed import embed_waveforms

    module, worst = network(encoder), 0.0
    for batch in batches:
        ours = embed_waveforms(module, list(batch), precision="float32")
        theirs = np.asarray(exported(batch))
        if theirs.shape != ours.shape or not np.isfinite(theirs).all():
            return float("inf")
        worst = max(worst, float(np.abs(theirs - ours).max()))
    return worst
