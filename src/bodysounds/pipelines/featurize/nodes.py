"""Nodes of `featurize`."""

from __future__ import annotations

from collections.abc import Iterable

from bodysounds.params import FeaturizeParams
from bodysounds.types import Array, Corpus, Packed, Table


def pack_waveforms(
    raw: Corpus, manifest: Table, segments: Table, params: FeaturizeParams
) -> Iterable[tuple[str, Array]]:
    """Return the segments' samples, decoded when the dataset that packs them asks for them."""
    from bodysounds.audio.pack import decode_segments
    from bodysounds.audio.shards import shard_segments

    pieces = decode_segments(raw, manifest, segments, params)
    return pieces if params.shards == 1 else shard_segments(pieces, manifest)


def describe_segments(waveforms: Packed, params: FeaturizeParams) -> Table:
    """Return the descriptors of each segment."""
    from bodysounds.audio.descriptors import describe

    return describe(waveforms, params)
