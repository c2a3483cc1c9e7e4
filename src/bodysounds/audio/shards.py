"""The segments of a corpus decoded in shards, each kept as soon as it is packed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from bodysounds.audio.pack import DecodedSegments
from bodysounds.audio.packed import Int16s, open_packed, write_packed
from bodysounds.shards import content_sha256, deal, map_shards
from bodysounds.types import Table
from bodysounds.workers import in_worker, own_threads

PACKED = "packed"


@dataclass(frozen=True)
class ShardedSegments:
    """The pieces of `DecodedSegments`, in their order, out of shards that are packed first.

    Iterating packs the shards that are missing and reads all of them in turn. They stay until
    `clear`.
    """

    whole: DecodedSegments
    seconds: dict[str, float]
    """How long each recording is."""
    folders: list[Path] = field(default_factory=list)
    """Where shards were packed."""

    @property
    def sample_rate(self) -> int:
        """Hz, of every piece."""
        return self.whole.sample_rate

    @property
    def segment_ids(self) -> list[str]:
        """In the order of the pieces."""
        return self.whole.segment_ids

    @property
    def segment_keys(self) -> list[bytes]:
        """What decides the samples of each piece: not how they are dealt."""
        return self.whole.segment_keys

    def only(self, rows: Sequence[int]) -> ShardedSegments:
        """Return the pieces of these rows, in their order, dealt anew."""
        return replace(self, whole=self.whole.only(rows))

    def __len__(self) -> int:
        return len(self.whole)

    def __iter__(self) -> Iterator[tuple[str, Int16s]]:
        params = self.whole.params
        key = content_sha256([self.whole.key, params.shards], code=("audio", "shards.py"))
        self.folders.append(Path(params.work_dir) / key)
        for path in map_shards(pack_shard, self.dealt(), self.folders[-1]):
            packed = open_packed(path / PACKED)
            for segment_id, first, count in packed.index.itertuples(index=False):
                yield segment_id, packed.samples[first : first + count]

    def dealt(self) -> list[DecodedSegments]:
        """Return the pieces of each shard: recordings that follow one another, equally long."""
        runs = groupby(self.whole.cuts, key=lambda cut: cut.recording_id)
        found = [(self.seconds[name], len(list(cuts))) for name, cuts in runs]
        costs, counts = zip(*found, strict=True)
        ends = np.cumsum([0, *counts]).tolist()
        # a worker may have started in another folder
        whole = replace(self.whole, root=self.whole.root.resolve())
        return [
            whole.only(range(ends[run.start], ends[run.stop]))
            for run in deal(np.array(costs), whole.params.shards)
        ]

    def clear(self) -> None:
        """Remove the shards."""
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def shard_segments(pieces: DecodedSegments, manifest: Table) -> ShardedSegments:
    """Return the same pieces, decoded in `params.shards` shards."""
    seconds = dict(zip(manifest["recording_id"], manifest["duration_s"], strict=True))
    return ShardedSegments(pieces, seconds)


def pack_shard(shard: DecodedSegments, folder: Path) -> None:
    """Pack a shard into a folder, as a worker does; on Dask by the threads that it was given."""
    if in_worker() and not shard.params.workers:
        shard = replace(shard, params=replace(shard.params, workers=own_threads()))
    write_packed(folder / PACKED, shard, shard.sample_rate)
