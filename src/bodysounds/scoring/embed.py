"""Embeddings of sides and of parts of them, in batches of equal length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from bodysounds.audio.packed import Packed
from bodysounds.devices import choose_device
from bodysounds.models.encoder import Encoder, network
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.progress import track
from bodysounds.sides import SideTable, side_waveform
from bodysounds.types import Ints

# Waveforms are repeated up to a whole number of quarter seconds: equal lengths can share a batch
# without padding, and what a side becomes does not depend on the sides beside it.
STEP_S = 0.25
BATCH_S = 120.0

Float32s = npt.NDArray[np.float32]


def embed_sides(
    encoder: Encoder | EmbeddingNetwork,
    packed: Packed,
    side_table: SideTable,
    rows: Ints,
    max_side_s: float,
    device: str | torch.device = "auto",
    progress: bool = False,
) -> Float32s:
    """Return one embedding a side.

    Parameters
    ----------
    encoder : Encoder, or its network, which is left in the mode that it was in
    rows : int64 (n,)
        Rows of the side table.
    max_side_s : float
        Longer sides are cut to this (seconds).
    device : str or torch.device
        Where a network is given, it stays on its own device.
    progress : bool
        Show a bar.

    Returns
    -------
    embeddings : float32 (n, dim), of unit length

    Raises ValueError where the rates of encoder and waveforms differ, and for embeddings that are
    not finite.
    """
    return embed_spans(
        encoder, packed, [side_table.spans[row] for row in rows], max_side_s, device, progress
    )


def embed_spans(
    encoder: Encoder | EmbeddingNetwork,
    packed: Packed,
    spans: Sequence[Ints],
    max_side_s: float,
    device: str | torch.device = "auto",
    progress: bool = False,
) -> Float32s:
    """Return one embedding for each list of spans, as `embed_sides` does for those of the sides.

    spans[i] is int64 (n_segments, 2) of first_sample and n_samples, in the order of hearing.
    """
    module = encoder if isinstance(encoder, EmbeddingNetwork) else _on(encoder, device)
    if packed.sample_rate != module.sample_rate:
        raise ValueError(
            f"the encoder was made for {module.sample_rate} Hz and the waveforms have "
            f"{packed.sample_rate} Hz: set featurize.sample_rate to {module.sample_rate}"
        )
    longest = max(1, round(max_side_s * packed.sample_rate))
    lengths = np.array([min(int(s[:, 1].sum()), longest) for s in spans], dtype=np.int64)

    def read(item: int) -> Float32s:
        return side_waveform(packed, spans[item], longest).astype(np.float32, copy=False)

    return _embed(module, lengths, read, progress)


def embed_means(
    encoder: Encoder | EmbeddingNetwork,
    packed: Packed,
    heard: Sequence[Sequence[Ints]],
    max_side_s: float,
    device: str | torch.device = "auto",
    progress: bool = False,
) -> Float32s:
    """Return one mean of unit embeddings for each side that is heard as several lists of spans.

    Parameters
    ----------
    heard : sequence of sequences
        heard[i] holds at least one list of spans, each embedded as by `embed_spans`.

    Returns
    -------
    means : float32 (n, dim)
        Of length 1 at most, and not scaled to it.
    """
    pieces = [spans for side in heard for spans in side]
    embeddings = embed_spans(encoder, packed, pieces, max_side_s, device, progress)
    if not len(heard):
        return embeddings
    counts = np.array([len(side) for side in heard], dtype=np.int64)
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(embeddings, starts, axis=0, dtype=np.float64)
    return (sums / counts[:, None]).astype(np.float32)


def embed_waveforms(
    encoder: Encoder | EmbeddingNetwork,
    waveforms: list[Float32s],
    device: str | torch.device = "auto",
) -> Float32s:
    """Return one embedding, float32 of unit length, for each waveform, float32 (n,) in [-1, 1)."""
    module = encoder if isinstance(encoder, EmbeddingNetwork) else _on(encoder, device)
    lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
    return _embed(module, lengths, waveforms.__getitem__, False)


def _on(encoder: Encoder, device: str | torch.device) -> EmbeddingNetwork:
    place = device if isinstance(device, torch.device) else choose_device(device)
    return network(encoder).to(place)


def _embed(
    module: EmbeddingNetwork, lengths: Ints, read: Callable[[int], Float32s], progress: bool
) -> Float32s:
    whole, batches = equal_lengths(lengths, module.sample_rate)
    place = next(module.parameters()).device
    embeddings = np.zeros((len(lengths), module.dim), dtype=np.float32)
    shown: Iterable[Ints] = track(batches, "embed sides") if progress else batches
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            for items in shown:
                waves = np.stack([np.resize(read(i), whole[i]) for i in items])
                found = module(torch.from_numpy(waves).to(place)).float()
                embeddings[items] = torch.nn.functional.normalize(found).cpu().numpy()
    finally:
        module.train(was_training)
    if not np.isfinite(embeddings).all():
        raise ValueError(
            "the encoder gives embeddings that are not finite: its training diverged, "
            "lower train_embedding.learning_rate"
        )
    return embeddings


def equal_lengths(lengths: Ints, sample_rate: int) -> tuple[Ints, list[Ints]]:
    """Return the lengths that waveforms are repeated to (samples), and the items of each batch."""
    step = round(STEP_S * sample_rate)
    whole = -(-lengths // step) * step
    return whole, list(_batches(whole, round(BATCH_S * sample_rate)))


def _batches(lengths: Ints, max_samples: int) -> Iterator[Ints]:
    """Yield items of equal length together, shortest first."""
    order = np.argsort(lengths, kind="stable")
    if not len(order):
        return
    starts = np.flatnonzero(np.diff(lengths[order])) + 1
    for items in np.split(order, starts):
        size = max(1, max_samples // int(lengths[items[0]]))
        yield from np.split(items, range(size, len(items), size))
