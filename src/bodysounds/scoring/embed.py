"""Embeddings of sides and of parts of them, in batches of equal length.

The next batches are read while the network listens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from bodysounds.audio.packed import Packed
from bodysounds.audio.parallel import ordered_map
from bodysounds.devices import choose_device
from bodysounds.models.encoder import Encoder, network
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.progress import track
from bodysounds.scoring.embed_batches import Float32s, equal_lengths, listening, on_host, stacked
from bodysounds.sides import SideTable, side_waveform
from bodysounds.types import Ints


def embed_sides(
    encoder: Encoder | EmbeddingNetwork,
    packed: Packed,
    side_table: SideTable,
    rows: Ints,
    max_side_s: float,
    device: str | torch.device = "auto",
    progress: bool = False,
    precision: str = "auto",
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
    precision : `auto`, `bf16` or `float32`
        Of the products; `auto` takes bfloat16 for networks of a million weights and more, on a
        chip that has it.

    Returns
    -------
    embeddings : float32 (n, dim), of unit length
        A side's own, whatever sides stand beside it: what is heard of it alone, but for rounding.
        Sides shorter than a quarter of a second are repeated up to it.

    Raises ValueError where the rates of encoder and waveforms differ, for another precision, and
    for embeddings that are not finite.
    """
    return embed_spans(
        encoder, packed, [side_table.spans[row] for row in rows], max_side_s, device, progress,
        precision,
    )  # fmt: skip


def embed_spans(
    encoder: Encoder | EmbeddingNetwork,
    packed: Packed,
    spans: Sequence[Ints],
    max_side_s: float,
    device: str | torch.device = "auto",
    progress: bool = False,
    precision: str = "auto",
) -> Float32s:
    """Return one embedding for each list of spans, as `embed_sides` does for those of the sides.

    spans[i] is int64 (n_segments, 2) of first_sample and n_samples, in the order of hearing.
    """
    module = network_on(encoder, device)
    if packed.sample_rate != module.sample_rate:
        raise ValueError(
            f"the encoder was made for {module.sample_rate} Hz and the waveforms have "
            f"{packed.sample_rate} Hz: set featurize.sample_rate to {module.sample_rate}"
        )
    longest = max(1, round(max_side_s * packed.sample_rate))
    lengths = np.array([min(int(s[:, 1].sum()), longest) for s in spans], dtype=np.int64)

    def read(item: int) -> Float32s:
        return side_waveform(packed, spans[item], longest).astype(np.float32, copy=False)

    return _embed(module, lengths, read, progress, precision)


def embed_means(
    encoder: Encoder | EmbeddingNetwork,
    packed: Packed,
    heard: Sequence[Sequence[Ints]],
    max_side_s: float,
    device: str | torch.device = "auto",
    progress: bool = False,
    precision: str = "auto",
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
    embeddings = embed_spans(encoder, packed, pieces, max_side_s, device, progress, precision)
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
    precision: str = "auto",
) -> Float32s:
    """Return one embedding, float32 of unit length, for each waveform, float32 (n,) in [-1, 1)."""
    module = network_on(encoder, device)
    lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
    return _embed(module, lengths, waveforms.__getitem__, False, precision)


def network_on(encoder: Encoder | EmbeddingNetwork, device: str | torch.device) -> EmbeddingNetwork:
    """Return an encoder's network on a device; a network stays where it is."""
    if isinstance(encoder, EmbeddingNetwork):
        return encoder
    place = device if isinstance(device, torch.device) else choose_device(device)
    return network(encoder).to(place)


def _embed(
    module: EmbeddingNetwork,
    lengths: Ints,
    read: Callable[[int], Float32s],
    progress: bool,
    precision: str,
) -> Float32s:
    batches = equal_lengths(lengths, module)

    def waves(items: Ints) -> Tensor:
        return stacked([read(i) for i in items], module)

    with listening(module, precision) as listen:
        found = map(listen, ordered_map(waves, batches, workers=1))
        shown = track(found, "embed sides", len(batches)) if progress else found
        order = np.concatenate(batches) if batches else np.empty(0, np.int64)
        return on_host(list(shown), order, len(lengths), module.dim)
