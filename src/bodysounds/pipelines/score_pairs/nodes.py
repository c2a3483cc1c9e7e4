"""Nodes of `score_pairs`."""

from __future__ import annotations

import logging

from bodysounds.params import ReportParams, ScorePairsParams
from bodysounds.types import Array, Encoder, Packed, Table

log = logging.getLogger(__name__)


def score_trials(
    encoder: Encoder,
    dev_encoder: Encoder,
    waveforms: Packed,
    segments: Table,
    sides: Table,
    manifest: Table,
    subsets: Table,
    trials: Table,
    descriptors: Table,
    params: ScorePairsParams,
    *,
    baselines: bool = True,
) -> tuple[dict[str, Array], Table, Table]:
    """Return the embeddings by system, the sides that their rows stand for, and the scores.

    Without `baselines` ours is the only system.
    """
    from dataclasses import replace

    from bodysounds.models.encoder import load_encoder
    from bodysounds.models.heard import warning_of
    from bodysounds.scoring.systems import Encoders, score_systems
    from bodysounds.sides import build_sides

    if not baselines:
        params = replace(params, systems=["ours"], shuffles=0, pretrained=None)
    table = build_sides(waveforms, segments, sides, manifest, subsets)
    pretrained = load_encoder(params.pretrained) if params.pretrained else None
    for name, listener in (("ours", encoder), ("pretrained", pretrained)):
        told = warning_of(listener, manifest, subsets) if listener else None
        if told:
            log.warning("%s: %s", name, told)
    encoders = Encoders(encoder, dev_encoder, pretrained)
    embeddings, index, scores = score_systems(
        encoders, waveforms, table, trials, descriptors, params
    )
    if not baselines:  # nor `unfiltered`
        scores = scores[scores["system"] == "ours"].reset_index(drop=True)
    return embeddings, index, scores


def score_durations(
    encoder: Encoder,
    dev_encoder: Encoder,
    waveforms: Packed,
    segments: Table,
    sides: Table,
    manifest: Table,
    subsets: Table,
    trials: Table,
    params: ScorePairsParams,
    report: ReportParams,
) -> Table:
    """Return the EER of ours for each length that both sides are cut to."""
    from bodysounds.scoring.durations import duration_grid, rated_subset
    from bodysounds.sides import build_sides

    table = build_sides(waveforms, segments, sides, manifest, subsets)
    subset = rated_subset(trials)
    return duration_grid(
        encoder if subset == "test" else dev_encoder,
        waveforms,
        table,
        trials,
        params.seconds,
        subset,
        report.condition,
        level=report.level,
        seed=params.seed,
        device=params.device,
        precision=params.precision,
    )
