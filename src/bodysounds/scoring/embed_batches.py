"""Which waveforms share a batch without being heard otherwise than alone, and in which precision.

A frame comes every 10 ms. Of waveforms with as many frames the shorter ones end where a frame
would read zeros, or nothing at all: zeros behind them leave their features as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from bodysounds.audio.frontends import KaldiFbank, SpeechBrainFbank
from bodysounds.audio.stft_image import StftImage
from bodysounds.devices import use_bf16
from bodysounds.models.fast import listener
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params.rules import one_of
from bodysounds.types import Ints

Float32s = npt.NDArray[np.float32]

NOT_FINITE = (
    "the encoder gives embeddings that are not finite: its training diverged, "
    "lower train_embedding.learning_rate"
)
PRECISIONS = ("auto", "bf16", "float32")
SHORTEST_S = 0.25
"""What is shorter is repeated up to this: networks need some frames."""
CUDA_BATCH_S = 600.0
CPU_BATCH_S, CPU_BATCH_WEIGHTS = 12.0, 20e6
"""On a CPU, what a network of so many weights is quick with, for its layers stay in the caches."""
BF16_WEIGHTS = 1e6
"""Weights from which bfloat16 pays; below, little is won, and every chip gives the same."""


def alike(lengths: Ints, module: EmbeddingNetwork) -> Ints:
    """Return one length (samples) for all lengths that the front end hears alike, int64 (n,).

    It is the longest with as many frames, for the front ends speechbrain and kaldi; elsewhere the
    length itself, up to the clip where only that is heard. Short ones count as the shortest.
    """
    lengths = np.maximum(np.asarray(lengths, np.int64), shortest(module))
    layer = module.front_end
    if isinstance(layer, SpeechBrainFbank):
        first, hop = layer.n_fft % 2, layer.hop
    elif isinstance(layer, KaldiFbank):
        first, hop = layer.size, layer.shift
    else:
        return np.minimum(lengths, layer.n_samples) if isinstance(layer, StftImage) else lengths
    whole: Ints = first + (lengths - first) // hop * hop + hop - 1
    return whole


def equal_lengths(lengths: Ints, module: EmbeddingNetwork) -> list[Ints]:
    """Return the items of each batch: those of lengths that are heard alike, shortest first."""
    whole = alike(lengths, module)
    order = np.argsort(whole, kind="stable")
    batches: list[Ints] = []
    for items in np.split(order, np.flatnonzero(np.diff(whole[order])) + 1):
        size = batch_size(int(whole[items[0]]), module) if len(items) else 1
        batches += [items[k : k + size] for k in range(0, len(items), size)]
    return batches


def batch_size(length: int, module: EmbeddingNetwork) -> int:
    """Return how many waveforms of a length (samples) share a batch, at least 1.

    On a CPU as many as its caches hold, of a wide network fewer.
    """
    seconds = CUDA_BATCH_S
    if place_of(module).type == "cpu":
        seconds = CPU_BATCH_S * (CPU_BATCH_WEIGHTS / n_weights(module)) ** 0.5
    return max(1, int(min(seconds, CUDA_BATCH_S) * module.sample_rate / length))


def shortest(module: EmbeddingNetwork) -> int:
    """Return the samples that shorter waveforms are repeated to."""
    return round(SHORTEST_S * module.sample_rate)


def stacked(waveforms: Sequence[Float32s], module: EmbeddingNetwork) -> Tensor:
    """Return waveforms that are heard alike as a batch on the CPU, pinned where a GPU copies it.

    Zeros behind their ends bring them to one length.
    """
    least = shortest(module)
    waveforms = [w if len(w) >= least else np.resize(w, least) for w in waveforms]
    batch = torch.zeros(len(waveforms), max(map(len, waveforms)))
    for row, waveform in zip(batch.numpy(), waveforms, strict=True):
        row[: len(waveform)] = waveform
    return batch.pin_memory() if place_of(module).type == "cuda" else batch


def place_of(module: EmbeddingNetwork) -> torch.device:
    return next(module.parameters()).device


def n_weights(module: EmbeddingNetwork) -> int:
    return sum(weight.numel() for weight in module.parameters())


def in_bf16(precision: str, module: EmbeddingNetwork) -> bool:
    """Return whether a network listens in bfloat16: `bf16`, or `auto` where it pays.

    It pays on a chip that has it, for a network of a million weights and more.
    Raises ValueError for another precision than auto, bf16 and float32.
    """
    one_of("precision", precision, PRECISIONS)
    wide = precision == "bf16" or n_weights(module) >= BF16_WEIGHTS
    return wide and use_bf16(precision, place_of(module))


def check_finite(module: EmbeddingNetwork) -> None:
    """Raise ValueError for weights or statistics that are not finite.

    Embeddings and losses need not tell: a fused ReLU makes numbers of what comes of such weights.
    """
    kept = [*module.body.parameters(), *module.body.buffers()]
    if not torch.stack([values.isfinite().all() for values in kept]).all():
        raise ValueError(NOT_FINITE)


@contextmanager
def listening(module: EmbeddingNetwork, precision: str) -> Iterator[Callable[[Tensor], Tensor]]:
    """Give a function from a batch on the CPU to its unit embeddings, float32, on the device.

    Inside, nothing is learnt; afterwards the network is in the mode that it was in. Raises as
    `check_finite`.
    """
    was_training, place = module.training, place_of(module)
    check_finite(module)
    module.eval()
    try:
        with torch.inference_mode():
            listen = listener(module, in_bf16(precision, module))
            yield lambda batch: functional.normalize(listen(batch.to(place, non_blocking=True)))
    finally:
        module.train(was_training)


def on_host(found: Sequence[Tensor], order: Ints, n: int, dim: int) -> Float32s:
    """Return embeddings (n, dim) in one copy to the host; row order[k] is row k of all found.

    Rows that are not found are NaN. Raises ValueError for embeddings that are not finite.
    """
    embeddings = np.full((n, dim), np.nan, dtype=np.float32)
    if not len(found):
        return embeddings
    embeddings[order] = torch.cat(list(found)).cpu().numpy()
    if not np.isfinite(embeddings[order]).all():
        raise ValueError(NOT_FINITE)
    return embeddings
