"""Every system of the table scores every trial."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder, state_sha256, untrained
from bodysounds.params import ScorePairsParams
from bodysounds.scoring.averaging import dot_scores, embed_sides_shuffled
from bodysounds.scoring.cohort import cohort_rows, cohort_subjects
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.embed import embed_sides
from bodysounds.scoring.mfcc import mfcc_embeddings
from bodysounds.scoring.normalise import as_norm, centre, cohort_means
from bodysounds.sides import SideTable
from bodysounds.types import Array, Floats, Ints, Table

log = logging.getLogger(__name__)

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoders:
    """Who listens."""

    test: Encoder
    """Scores test."""
    dev: Encoder
    """Scores dev: the encoder that dev chose. Another one where `test` was fitted again with dev
    inside."""
    pretrained: Encoder | None = None
    """Of the system `pretrained`."""


def score_systems(
    encoders: Encoders,
    packed: Packed,
    side_table: SideTable,
    trials: Table,
    descriptors: Table,
    params: ScorePairsParams,
) -> tuple[dict[str, Float32s], Table, Table]:
    """Return the embeddings of the sides that trials name, and the scores of all trials, by system.

    Returns
    -------
    embeddings : dict of float32 (n_sides, dim)
        Row i is row i of `index`, of unit length; those of `averaged` are means of such vectors,
        whose products are mean cosines. The system `random` has none.
    index : Table
        The rows of the side table that some trial names, in its order.
    scores : Table
        system, trial_id, cosine (float64 in [-1, 1]) and normalised (AS-norm against train
        subjects; NaN for `averaged` and `random`, and without a cohort).

    Raises ValueError where a trial names a side without audio.
    """
    if "dev" in ((encoders.dev.training.get("refit") or {}).get("subsets") or ()):
        log.warning(
            "the encoder that scores dev was fitted on dev too: thresholds and calibrations that "
            "dev chooses are optimistic"
        )
    named = [side_table.rows(trials[column]) for column in ("enrol_id", "test_id")]
    rows, places = np.unique(np.concatenate(named), return_inverse=True)
    pairs = places.reshape(2, -1).T
    is_dev = (trials["subset"] == "dev").to_numpy(bool)
    embeddings: dict[str, Float32s] = {}
    tables = []
    for system in params.rows:
        cosine: Floats
        normalised: Floats
        if system == "random":
            cosine = np.random.default_rng(params.seed).uniform(-1.0, 1.0, len(pairs))
            normalised = np.full(len(pairs), np.nan)
        else:
            by = _listeners(system, encoders, is_dev, params.seed)
            source = Source(packed, side_table, descriptors, params)
            embeddings[system], cosine, normalised = score_system(system, by, source, rows, pairs)
        log.info("%s: %d trials scored", system, len(pairs))
        tables.append(
            pd.DataFrame(
                {
                    "system": pd.Series([system] * len(pairs), dtype="str"),
                    "trial_id": trials["trial_id"].to_numpy(),
                    "cosine": cosine,
                    "normalised": normalised,
                }
            )
        )
    index = side_table.table.take(rows).reset_index(drop=True)
    return embeddings, index, pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class Source:
    """What there is to hear, and how."""

    packed: Packed
    side_table: SideTable
    descriptors: Table
    params: ScorePairsParams


def _listeners(
    system: str, encoders: Encoders, is_dev: Array, seed: int
) -> list[tuple[Encoder, Array]]:
    """Return which encoder scores which trials."""
    everything = np.ones(len(is_dev), bool)
    if system == "pretrained":
        if encoders.pretrained is None:
            raise ValueError("the system pretrained needs score_pairs.pretrained, a path")
        return [(encoders.pretrained, everything)]
    if system == "untrained":
        return [(untrained(encoders.test, seed), everything)]
    if system == "mfcc" or state_sha256(encoders.dev.state) == state_sha256(encoders.test.state):
        return [(encoders.test, everything)]
    return [(encoders.dev, is_dev), (encoders.test, ~is_dev)]


def score_system(
    system: str,
    listeners: Sequence[tuple[Encoder, Array]],
    source: Source,
    rows: Ints,
    pairs: Ints,
) -> tuple[Float32s, Floats, Floats]:
    """Return embeddings (n_sides, dim), cosines (n_trials,) and normalised scores (n_trials,)."""
    params = source.params
    cohort = cohort_rows(source.side_table, params.cohort_subjects, params.seed)
    if system in params.centre and not len(cohort):
        log.warning("%s is not centred: train has fewer than two known subjects", system)
    cosine, normalised = np.empty(len(pairs)), np.full(len(pairs), np.nan)
    found: list[tuple[Ints, Float32s]] = []
    for encoder, mask in listeners:
        used, own = np.unique(pairs[mask], return_inverse=True)
        own = own.reshape(-1, 2)
        sides = embed_system(system, encoder, source, rows[used])
        if len(cohort) and system != "averaged":
            train = cohort_means(
                embed_system(system, encoder, source, cohort),
                cohort_subjects(source.side_table, cohort),
            )
            if system in params.centre:
                sides, train = centre(sides, train), centre(train, train)
            cosine[mask] = cosine_scores(sides, sides, own)
            normalised[mask] = _normalised(system, cosine[mask], own, sides, train, params)
        elif system == "averaged":
            cosine[mask] = dot_scores(sides, sides, own)
        else:
            cosine[mask] = cosine_scores(sides, sides, own)
        found.append((used, sides))
    embeddings = np.zeros((len(rows), found[0][1].shape[1]), np.float32)
    for used, sides in found:
        embeddings[used] = sides
    return embeddings, cosine, normalised


def _normalised(
    system: str, cosine: Floats, pairs: Ints, sides: Float32s, train: Float32s,
    params: ScorePairsParams,
) -> Floats:  # fmt: skip
    try:
        return as_norm(cosine, pairs, sides, sides, train, top_k=params.cohort_top_k)
    except ValueError as error:
        # such as a network that gives all sides one embedding: its cosines still stand
        log.warning("%s has no normalised scores: %s", system, error)
        return np.full(len(pairs), np.nan)


def embed_system(system: str, encoder: Encoder, source: Source, rows: Ints) -> Float32s:
    """Return the embeddings of rows of the side table by any system but `random`."""
    packed, params = source.packed, source.params
    if system == "mfcc":
        return mfcc_embeddings(source.descriptors, source.side_table, packed.index)[rows]
    if system == "averaged":
        return embed_sides_shuffled(
            encoder, packed, source.side_table, rows, params.shuffles,
            max_side_s=params.max_side_s, slice_s=params.slice_s, seed=params.seed,
            device=params.device, progress=True,
        )  # fmt: skip
    return embed_sides(
        encoder, packed, source.side_table, rows, params.max_side_s, params.device, progress=True
    )
