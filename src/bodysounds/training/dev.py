"""How well the network tells the dev sides apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodysounds.audio.packed import Packed
from bodysounds.metrics.verification import auc, equal_error_rate
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.embed import embed_sides
from bodysounds.sides import SideTable
from bodysounds.types import Ints, Table

MAX_SIDE_S = 60.0


@dataclass(frozen=True)
class DevTrials:
    """The dev trials whose answer is known."""

    rows: Ints
    """int64 (n_sides,): the rows of the side table that they need."""
    pairs: Ints
    """int64 (n_trials, 2): positions in rows."""
    targets: npt.NDArray[np.bool_]


def dev_trials(trials: Table, side_table: SideTable) -> DevTrials:
    """Return the dev trials; ValueError where there is no target or no non-target pair."""
    known = trials[(trials["subset"] == "dev") & trials["target"].notna()]
    targets = known["target"].to_numpy(np.int64) == 1
    for count, kind, need in (
        (int(targets.sum()), "target", "two sides of one subject"),
        (int((~targets).sum()), "non-target", "sides of two groups"),
    ):
        if not count:
            raise ValueError(
                f"dev has no {kind} pair, and dev chooses the epoch: put {need} into dev, "
                "by a larger split.dev_share or a split column"
            )
    rows, positions = np.unique(
        np.stack([side_table.rows(known["enrol_id"]), side_table.rows(known["test_id"])], axis=1),
        return_inverse=True,
    )
    return DevTrials(rows, positions.reshape(-1, 2), targets)


def dev_rates(
    module: EmbeddingNetwork, packed: Packed, side_table: SideTable, dev: DevTrials
) -> tuple[float, float]:
    """Return EER and AUC over the dev trials, each trial weighing the same.

    Always in float32, so that what dev chooses does not depend on the chip.
    """
    embeddings = embed_sides(module, packed, side_table, dev.rows, MAX_SIDE_S, precision="float32")
    scores = cosine_scores(embeddings, embeddings, dev.pairs)
    return equal_error_rate(dev.targets, scores)[0], auc(dev.targets, scores)
