"""Nodes of `score_pairs`."""

from __future__ import annotations

from bodysounds.params import ScorePairsParams
from bodysounds.types import Array, Encoder, Packed, Table


def score_trials(
    encoder: Encoder,
    waveforms: Packed,
    segments: Table,
    sides: Table,
    manifest: Table,
    subsets: Table,
    trials: Table,
    descriptors: Table,
    params: ScorePairsParams,
) -> tuple[dict[str, Array], Table, Table]:
    """Return the embeddings by system, the sides that their rows stand for, and the scores."""
    from bodysounds.scoring.systems import score_systems
    from bodysounds.sides import build_sides

    table = build_sides(waveforms, segments, sides, manifest, subsets)
    return score_systems(encoder, waveforms, table, trials, descriptors, params)
