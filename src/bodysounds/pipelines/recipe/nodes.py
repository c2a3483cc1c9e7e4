"""Nodes of `recipe`."""

from __future__ import annotations

from bodysounds.params import ScorePairsParams
from bodysounds.types import Array, Encoder, Packed, Table


def score_recipe(
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
) -> tuple[dict[str, Array], Table, Table]:
    """Return what `score_trials` does, of the recipe's encoder alone."""
    from dataclasses import replace

    from bodysounds.pipelines.score_pairs.nodes import score_trials

    alone = replace(params, systems=["ours"], shuffles=0, pretrained=None)
    return score_trials(
        encoder, dev_encoder, waveforms, segments, sides, manifest, subsets, trials, descriptors,
        alone,
    )  # fmt: skip


def gather(scores: Table, *others: Table, names: tuple[str, ...]) -> Table:
    """Return the scores of the first recipe and its baselines, and of each other recipe by name."""
    import pandas as pd

    named = [
        part.assign(system=pd.Series(name, part.index, dtype="str"))
        for name, part in zip(names, others, strict=True)
    ]
    return pd.concat([scores, *named], ignore_index=True)
