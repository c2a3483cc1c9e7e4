"""Every system of the table scores every trial."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder, untrained
from bodysounds.params import ScorePairsParams
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.embed import embed_sides
from bodysounds.scoring.mfcc import mfcc_embeddings
from bodysounds.sides import SideTable
from bodysounds.types import Ints, Table

log = logging.getLogger(__name__)


def score_systems(
    encoder: Encoder,
    packed: Packed,
    side_table: SideTable,
    trials: Table,
    descriptors: Table,
    params: ScorePairsParams,
) -> tuple[dict[str, npt.NDArray[np.float32]], Table, Table]:
    """Return the embeddings of the sides that trials name, and the scores of all trials, by system.

    Returns
    -------
    embeddings : dict of float32 (n_sides, dim)
        Row i is row i of `index`, of unit length. The system `random` has none.
    index : Table
        The rows of the side table that some trial names, in its order.
    scores : Table
        system, trial_id, cosine (float64 in [-1, 1]) and normalised (NaN: no normalisation yet).

    Raises ValueError where a trial names a side without audio.
    """
    named = [side_table.rows(trials[column]) for column in ("enrol_id", "test_id")]
    rows, places = np.unique(np.concatenate(named), return_inverse=True)
    pairs = places.reshape(2, -1).T
    embeddings: dict[str, npt.NDArray[np.float32]] = {}
    tables = []
    for system in params.systems:
        if system == "random":
            scores = np.random.default_rng(params.seed).uniform(-1.0, 1.0, len(pairs))
        else:
            embeddings[system] = embed_system(
                system, encoder, packed, side_table, rows, descriptors, params
            )
            scores = cosine_scores(embeddings[system], embeddings[system], pairs)
        log.info("%s: %d trials scored", system, len(pairs))
        tables.append(
            pd.DataFrame(
                {
                    "system": pd.Series([system] * len(pairs), dtype="str"),
                    "trial_id": trials["trial_id"].to_numpy(),
                    "cosine": scores,
                    "normalised": np.full(len(pairs), np.nan),
                }
            )
        )
    index = side_table.table.take(rows).reset_index(drop=True)
    return embeddings, index, pd.concat(tables, ignore_index=True)


def embed_system(
    system: str,
    encoder: Encoder,
    packed: Packed,
    side_table: SideTable,
    rows: Ints,
    descriptors: Table,
    params: ScorePairsParams,
) -> npt.NDArray[np.float32]:
    """Return the embeddings of the rows of the side table by `ours`, `untrained` or `mfcc`."""
    if system == "mfcc":
        return mfcc_embeddings(descriptors, side_table, packed.index)[rows]
    if system == "untrained":
        encoder = untrained(encoder, params.seed)
    return embed_sides(
        encoder, packed, side_table, rows, params.max_side_s, params.device, progress=True
    )
