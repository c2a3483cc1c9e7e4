"""Embeddings of files, for those who have nothing but files.

Files are decoded in threads while the network listens. Those that are heard alike, as far as they
lie near each other in the list, share a batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import torch

from bodysounds.audio.parallel import ordered_map
from bodysounds.audio.read import AudioError, read_audio
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params.rules import within
from bodysounds.progress import track
from bodysounds.scoring.embed import network_on
from bodysounds.scoring.embed_batches import (
    Float32s,
    alike,
    batch_size,
    listening,
    on_host,
    stacked,
)

Heard: TypeAlias = tuple[int, Float32s]
"""Place in the list, and waveform."""

WAITING_S = 600.0
"""Seconds that wait in memory for others of their length."""


def embed_files(
    encoder: Encoder | EmbeddingNetwork,
    paths: Iterable[str | os.PathLike[str]],
    *,
    max_side_s: float = 60.0,
    device: str | torch.device = "auto",
    precision: str = "auto",
    workers: int = 0,
    rejected: list[tuple[str, str]] | None = None,
    progress: bool = False,
) -> Float32s:
    """Return one embedding a file.

    Parameters
    ----------
    encoder : Encoder, or its network, which stays on its device and in the mode that it was in
    paths : paths, in any iterable
        Recordings of any format and rate that `audio.read.decode` reads; channels are averaged.
    max_side_s : float
        Longer recordings are cut to this (seconds), as sides are.
    precision : `auto`, `bf16` or `float32`
        As of `embed_sides`.
    workers : int
        Threads that decode; every core for 0.
    rejected : list, optional
        Gets a (path, reason) for each file that cannot be used, in their order; their rows are NaN.
        Without it the first such file raises.
    progress : bool
        Show a bar.

    Returns
    -------
    embeddings : float32 (n, dim), of unit length
        Row i is that of the i-th path, whatever files stand beside it.

    Raises ValueError (`AudioError`) that names the file and what is wrong with it, and as
    `embed_sides`.
    """
    if isinstance(paths, str | os.PathLike):
        raise ValueError(f"paths must be a list of paths, got one alone: [{os.fspath(paths)!r}]")
    within("max_side_s", max_side_s, 0.1, 3600)
    listed = list(paths)
    module = network_on(encoder, device)
    longest = max(1, round(max_side_s * module.sample_rate))

    def read(place: int) -> tuple[int, Float32s | AudioError]:
        try:
            whole = read_audio(listed[place], module.sample_rate)
            # a slice would keep the rest of a long recording
            return place, whole if len(whole) <= longest else whole[:longest].copy()
        except AudioError as error:
            return place, error

    def usable(decoded: Iterable[tuple[int, Float32s | AudioError]]) -> Iterator[Heard]:
        for place, found in decoded:
            if not isinstance(found, AudioError):
                yield place, found
            elif rejected is None:
                raise found
            else:
                rejected.append((os.fspath(listed[place]), str(found)))

    decoded: Iterable[tuple[int, Float32s | AudioError]]
    decoded = ordered_map(read, range(len(listed)), workers)
    if progress:
        decoded = track(decoded, "embed files", len(listed))
    found, order = [], []
    with listening(module, precision) as listen:
        for items in in_batches(usable(decoded), module):
            found.append(listen(stacked([waveform for _, waveform in items], module)))
            order += [place for place, _ in items]
        return on_host(found, np.array(order, np.int64), len(listed), module.dim)


def in_batches(
    heard: Iterable[Heard], module: EmbeddingNetwork, waiting_s: float = WAITING_S
) -> Iterator[list[Heard]]:
    """Yield batches of waveforms that are heard alike, with their places.

    A batch goes when it is full, or when all that wait last `waiting_s`, the one that began first.
    """
    waiting: dict[int, list[Heard]] = {}
    held = 0
    for place, waveform in heard:
        length = int(alike(np.array([len(waveform)]), module)[0])
        own = waiting.setdefault(length, [])
        own.append((place, waveform))
        held += length
        if len(own) >= batch_size(length, module):
            held -= length * len(own)
            yield waiting.pop(length)
        while waiting and held > waiting_s * module.sample_rate:
            first = next(iter(waiting))
            held -= first * len(waiting[first])
            yield waiting.pop(first)
    yield from waiting.values()
