"""Deals subjects into train, dev and test, and counts those with pairs that a result stands on."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from bodysounds.params import SplitParams
from bodysounds.params.report import ReportParams
from bodysounds.splitting.subsets import make_subsets
from bodysounds.types import Ints, Metrics, Table

SHARES = (0.2, 0.25, 0.3, 0.35)
LEAST_TESTED, ENOUGH = 5, 10.0
FEWEST = ReportParams.min_subjects
"""With same-subject pairs, in dev or test: of fewer a headline says they are too few."""
LEAST_TRAIN = 0.4


def enough_with(known: Table, given: Collection[str], able: int) -> Metrics | None:
    """Return shares and a seed that give dev and test `FEWEST` subjects with pairs each."""
    if given or able < 2 * FEWEST:
        return None
    people = known["subject_id"].nunique()
    for share, seed in itertools.product(SHARES, range(5)):
        dealt = dealt_by(known, SplitParams(seed=seed, dev_share=share, test_share=share))
        enough = min(paired(known, dealt).values()) >= FEWEST
        if enough and dealt["train"]["subjects"] >= LEAST_TRAIN * people:
            return {"seed": seed, "dev_share": share, "test_share": share}
    return None


def paired(known: Table, dealt: Metrics) -> dict[str, int]:
    """Return how many subjects of dev, and of test, have pairs of their own."""
    return {
        name: targets(known[known["subject_id"].isin(dealt[name]["named"])])
        for name in ("dev", "test")
    }


def targets(table: Table) -> int:
    """Return how many subjects have pairs of their own that the headline counts."""
    return int((compared(table)[0] >= 2).sum())


def compared(tested: Table) -> tuple[Ints, bool]:
    """Return recordings of each test subject, and whether only those of several sessions count.

    Where sessions or times are known and somebody has two, the headline is of pairs across
    sessions: whoever has one is no target then, and counts as one recording.
    """
    ordered = tested.sort_values(["subject_id", "recorded_at"])
    own = ordered.groupby("subject_id")
    times = ordered["recorded_at"]
    # as splitting.pairs.session_condition: names tell, else times
    by_time = (own["recorded_at"].diff() >= SplitParams().session_gap_s).groupby(
        ordered["subject_id"]
    )
    sessions = own["session_id"].nunique()
    if tested["session_id"].isna().all() and times.notna().any():
        sessions = by_time.sum() + 1
    sizes = own.size()
    apart = bool((sessions >= 2).any())
    counts = sizes.where(sessions >= 2, 1) if apart else sizes
    return counts.to_numpy(np.int64), apart


def dealt_by(known: Table, params: SplitParams) -> Metrics:
    """Return {subset: {subjects, with_two, groups, named}} of a split, as the run would make it."""
    subset = known["recording_id"].map(
        make_subsets(known, params).set_index("recording_id")["subset"]
    )
    found = {}
    for name in ("train", "dev", "test"):
        sizes = known[subset == name].groupby("subject_id").size()
        groups = known.loc[subset == name, "group_id"].nunique()
        found[name] = {
            "subjects": len(sizes), "with_two": int((sizes >= 2).sum()), "groups": int(groups),
            "named": sizes.index.tolist(),
        }  # fmt: skip
    return found


def grade(dealt: Metrics) -> float:
    """Return 0 for a split without pairs, `ENOUGH` for one of intervals, between for others."""
    train, dev, test = (dealt[name] for name in ("train", "dev", "test"))
    if train["subjects"] < 2 or any(
        one["groups"] < 2 or one["with_two"] < 1 for one in (dev, test)
    ):
        return 0.0
    if dev["with_two"] >= 2 and test["with_two"] >= LEAST_TESTED:
        return ENOUGH
    return float(min(test["with_two"], LEAST_TESTED - 1) + 0.5 * (dev["with_two"] >= 2))


def split_params(task: str, split: Mapping[str, Any]) -> dict[str, Any]:
    """Return seed and shares as --params names them."""
    return {f"{task}.split.{name}": value for name, value in split.items()}
