"""Deals the clips of each speaker of a closed set, by session or by clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bodysounds.params.split_closed import SplitClosedParams
from bodysounds.splitting.hashed import hashed_order
from bodysounds.types import Table


def deal_clips(table: Table, params: SplitClosedParams, seed: int) -> pd.Series[str]:
    """Return the subset of each clip, None where its speaker has no other.

    `table` has label (the speaker), visit, known (whether the visit is a session) and sha256; each
    speaker's visits and clips are ordered by a hash of the seed and their names.
    """
    visit, known, digest = (table[name].tolist() for name in ("visit", "known", "sha256"))
    subset = np.full(len(table), None, dtype=object)
    for rows in table.groupby("label").indices.values():
        visits, are_known, digests = (
            [column[row] for row in rows] for column in (visit, known, digest)
        )
        subset[rows] = _deal(visits, are_known, digests, params, seed)
    return pd.Series(subset, table.index, dtype=object)


def _deal(
    visit: Sequence[str],
    known: Sequence[bool],
    digest: Sequence[str],
    params: SplitClosedParams,
    seed: int,
) -> list[str | None]:
    """Return the subset of each clip of one speaker, None for all where there is only one."""
    test_size = 1 - params.train_size - params.val_size
    visits = hashed_order((name for name, is_known in zip(visit, known, strict=True) if is_known),
                          seed)  # fmt: skip
    if params.by == "session" and len(visits) > 1:
        n_test, n_dev = _counts(len(visits), test_size, params.val_size)
        part = _parts(visits, n_test, n_dev)
        subset = [part.get(name, "train") for name in visit]
        rest = [row for row, name in enumerate(subset) if name == "train"]
        clips = hashed_order((digest[row] for row in rest), seed)
        wanted = params.heard_share, 0.0 if n_dev else params.val_size
    else:
        rest, subset = list(range(len(visit))), ["train"] * len(visit)
        clips = hashed_order(digest, seed)
        wanted = test_size, params.val_size
        if len(clips) < 2:
            return [None] * len(visit)
    part = _parts(clips, *_counts(len(clips), *wanted))
    for row in rest:
        subset[row] = part.get(digest[row], "train")
    return list(subset)


def _parts(names: Sequence[str], n_test: int, n_dev: int) -> dict[str, str]:
    """Return the subset of the first names; the others train."""
    dealt = ["test"] * n_test + ["dev"] * n_dev
    return dict(zip(names, dealt, strict=False))


def _counts(n: int, test_size: float, val_size: float) -> tuple[int, int]:
    """Return how many of n are test and dev: one each where asked for, and one left to train."""
    n_test = min(max(1, round(test_size * n)), n - 1) if test_size > 0 else 0
    n_dev = min(max(1, round(val_size * n)), n - 1 - n_test) if val_size > 0 else 0
    return n_test, n_dev
