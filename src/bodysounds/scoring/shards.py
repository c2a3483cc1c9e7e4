"""Embeddings of many sides in shards, each kept as soon as it is done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bodysounds.audio.packed import META, Packed, open_packed
from bodysounds.devices import choose_device, share_cores
from bodysounds.models.encoder import Encoder, load_encoder, network, save_encoder, state_sha256
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.scoring.embed import embed_means
from bodysounds.shards import content_sha256, deal, map_shards
from bodysounds.types import Ints

Float32s = npt.NDArray[np.float32]

CODE = ("scoring", "models", "audio", "shards.py", "devices.py", "sides.py", "_speechbrain.py")
MEANS = "means.npy"


@dataclass(frozen=True)
class EmbeddingShard:
    """What a worker needs to embed some sides: paths, and where in the waveforms they lie."""

    encoder: Path
    waveforms: Path
    sha256: str
    """Of the samples."""
    heard: list[list[Ints]]
    max_side_s: float
    device: str
    precision: str


@dataclass
class ShardedMeans:
    """`embed_means` in shards: called like it, with an encoder and packed waveforms on disk.

    The shards of every call stay until `clear`, so that a process that died between two calls does
    neither again. Batches differ from those of one process: float32 embeddings equal its own within
    1e-6, bf16 ones within what bf16 rounds.
    """

    n: int
    work_dir: Path
    folders: list[Path] = field(default_factory=list)

    def __call__(
        self,
        encoder: Encoder,
        packed: Packed,
        heard: Sequence[Sequence[Ints]],
        max_side_s: float,
        device: str = "auto",
        progress: bool = False,
        precision: str = "auto",
    ) -> Float32s:
        """Return float32 (n, dim), as `embed_means`; no bar is shown."""
        if not len(heard):
            return embed_means(encoder, packed, heard, max_side_s, device, progress, precision)
        waveforms, sha256 = _on_disk(packed)
        about = [sha256, max_side_s, device, precision, self.n]
        folder = Path(self.work_dir) / _key(encoder, heard, about)
        self.folders.append(folder)
        stored = folder / "encoder.safetensors"
        save_encoder(stored, replace(encoder, training={}, best=()))
        # those of about one length stand together, so that they still share batches
        longest = max_side_s * packed.sample_rate
        costs = np.array([sum(min(s[:, 1].sum(), longest) for s in side) for side in heard])
        order = np.argsort(costs, kind="stable")
        dealt = [order[run] for run in deal(costs[order], self.n)]
        shards = [
            EmbeddingShard(
                stored.resolve(), waveforms, sha256, [list(heard[i]) for i in items],
                max_side_s, device, precision,
            )
            for items in dealt
        ]  # fmt: skip
        found = [np.load(path / MEANS) for path in map_shards(embed_shard, shards, folder)]
        means = np.empty((len(heard), found[0].shape[1]), np.float32)
        means[np.concatenate(dealt)] = np.concatenate(found)
        return means

    def clear(self) -> None:
        """Remove all shards."""
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        self.folders.clear()


def embed_shard(shard: EmbeddingShard, folder: Path) -> None:
    """Write the embeddings of a shard to a folder, as a worker does; the network stays loaded.

    Raises ValueError where the waveforms are not those that the shard was dealt from.
    """
    share_cores()
    packed = open_packed(shard.waveforms)
    if _on_disk(packed)[1] != shard.sha256:
        raise ValueError(
            f"{shard.waveforms} was replaced while its sides were embedded: run score_pairs again, "
            "and nothing else that writes there"
        )
    module = _network(str(shard.encoder), shard.device)
    means = embed_means(module, packed, shard.heard, shard.max_side_s, precision=shard.precision)
    np.save(folder / MEANS, means)


@lru_cache(maxsize=1)
def _network(path: str, device: str) -> EmbeddingNetwork:
    return network(load_encoder(path)).to(choose_device(device))


def _on_disk(packed: Packed) -> tuple[Path, str]:
    """Return the folder of packed waveforms, and the sha256 of their samples."""
    samples = packed.samples
    if not isinstance(samples, np.memmap) or samples.filename is None:
        raise ValueError(
            "the waveforms are not packed on disk, where workers could read them: set "
            "score_pairs.shards to 1"
        )
    folder = Path(samples.filename).resolve().parent
    return folder, str(json.loads((folder / META).read_text())["sha256"])


def _key(encoder: Encoder, heard: Sequence[Sequence[Ints]], about: list[Any]) -> str:
    made_of = [encoder.architecture, encoder.front_end, state_sha256(encoder.state)]
    counts = np.array([len(side) for side in heard], np.int64)
    spans = (np.ascontiguousarray(spans, np.int64).tobytes() for side in heard for spans in side)
    told = [*about, *made_of, torch.__version__]
    return content_sha256(told, (counts.tobytes(), *spans), CODE)
