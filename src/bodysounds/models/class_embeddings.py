"""What a classifier makes of sounds before it names them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from bodysounds.audio.clips import places
from bodysounds.audio.packed import Packed
from bodysounds.devices import choose_device
from bodysounds.models.classifier import Classifier, batch_size, check_rate, first_clips
from bodysounds.models.encoder import network

Float32s = npt.NDArray[np.float32]


def embeddings_of(
    classifier: Classifier, packed: Packed, segment_ids: Sequence[str], device: str = "auto"
) -> Float32s:
    """Return the embedding of the start of each segment, float32 (n, dim), in the order asked for.

    It is what the head reads, of the first `clip_s` of the front end. The same segments in another
    order give the same bits. Raises ValueError for an unknown segment, another sample rate, and
    embeddings that are not finite.
    """
    place = choose_device(device)
    module = network(classifier.encoder).to(place)
    check_rate(module, packed)
    names = np.asarray(segment_ids, dtype=object)
    spans = places(packed, segment_ids)
    # rounding goes with the batch, so batches go by name
    order = np.argsort(names.astype(str), kind="stable")
    found = np.zeros((len(names), module.dim), dtype=np.float32)
    size = batch_size(classifier.encoder.architecture)
    with torch.inference_mode():
        for start in range(0, len(names), size):
            own = order[start : start + size]
            waveforms = first_clips(module, packed, spans[own]).to(place)
            found[own] = module(waveforms).float().cpu().numpy()
    wrong = ~np.isfinite(found).all(axis=1)
    if wrong.any():
        raise ValueError(
            f"the embedding of segment {names[int(np.argmax(wrong))]!r} is not finite: the "
            "training diverged, lower the learning_rate"
        )
    return found
