"""Folds of patients, and the split in which one of them is test."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.params.split_patients import SplitPatientsParams
from bodysounds.splitting.deal import deal
from bodysounds.types import Table

RANDOM = "random_cycle"


def dealing(cycles: Table) -> Table:
    """Return unit, label, family once each, as `deal` takes them, of cycles (unit, label, domain).

    The family is the device, of which a patient may have several.
    """
    family = cycles["domain"].astype(object).fillna("")
    return cycles[["unit", "label"]].assign(family=family).drop_duplicates()


def inner_dev(dealt: Table, params: SplitPatientsParams) -> dict[str, str]:
    """Return train or dev of each unit of a table as `dealing` gives it."""
    shares = {"train": 1 - params.dev_share, "dev": params.dev_share}
    return deal(dealt, shares, params.seed)


def fold_of_units(table: Table, cycles: Table, params: SplitPatientsParams) -> dict[str, int]:
    """Return the fold of each patient: dealt by the classes its cycles have, or as published.

    `table` has unit, and published_fold where the corpus has it. Raises ValueError where a patient
    has no published fold, or two.
    """
    if params.folds_from == "dealt":
        shares = {str(k): 1 / params.folds for k in range(params.folds)}
        return {unit: int(k) for unit, k in deal(dealing(cycles), shares, params.seed).items()}
    if "published_fold" not in table or table["published_fold"].isna().all():
        raise ValueError(
            "split_patients.folds_from is published, and the corpus has no folds: take dealt"
        )
    folds = pd.to_numeric(table["published_fold"]).groupby(table["unit"]).agg(["min", "max"])
    wrong = folds[~(folds["min"] == folds["max"])]
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} patients have no published fold, or two: {some(wrong.index)}; complete "
            "the corpus's table of folds, or take split_patients.folds_from: dealt"
        )
    outside = folds[~folds["min"].between(0, params.folds - 1)]
    if len(outside):
        raise ValueError(
            f"the published fold of {outside.index[0]} is {outside['min'].iloc[0]:g}, and "
            f"split_patients.folds is {params.folds}, counted from 0"
        )
    return {str(unit): int(fold) for unit, fold in folds["min"].items()}


def check_apart(table: Table, both: list[str]) -> None:
    """Raise ValueError for a patient or a file content that lies on two sides, or in two folds.

    `table` has recording_id, unit, sha256, subset and fold; patients named in `both` may be in
    train and in test, their files not.
    """
    others = table[~table["unit"].isin(both)]
    for rows, key, column in (
        (others, "unit", "subset"),
        (table, "sha256", "subset"),
        (table, "unit", "fold"),
    ):
        counts = rows.groupby(key)[column].nunique()
        if (counts > 1).any():
            raise ValueError(
                f"{some(sorted(counts.index[counts > 1]))} ({key}) lie in more than one {column}"
            )


def of_fold(
    examples: Table, fold: int, params: SplitPatientsParams, by_cycle: bool = False
) -> Table:
    """Return the examples with a fold of the patients as test, and dev out of the others.

    Parameters
    ----------
    examples : Table
        Of `split_patients`.
    fold : int
        From 0.
    params : SplitPatientsParams
        dev_share of the other patients choose the epoch, dealt by the classes of their cycles.
    by_cycle : bool
        Deal cycles at random, each class alike, whoever's they are: what a split that leaks claims.

    Returns
    -------
    examples : Table
        With subset, condition (`train`; `unseen_patient`, or `random_cycle`), fold and chooses set
        anew. Over all folds each cycle is tested once.

    Raises ValueError for a fold without a patient, and a class that only one fold has.
    """
    table = examples.copy()
    table["unit"] = table["segment_id" if by_cycle else "session_id"]
    if by_cycle:
        shares = {str(k): 1 / params.folds for k in range(params.folds)}
        table["fold"] = table["unit"].map(deal(table.assign(family=""), shares, params.seed))
        table["fold"] = table["fold"].astype("int64")
    tested = table["fold"] == fold
    if not tested.any():
        raise ValueError(
            f"fold {fold} has no patient: there are folds {some(sorted(set(table['fold'])), 9)}, "
            "and the pipeline takes five; add patients, or set split_patients.folds to 5"
        )
    # of every fold, so that the first says so, before hours of training
    n_folds = table.groupby("label")["fold"].nunique()
    for label in n_folds.index[n_folds < 2]:
        alone = table.loc[table["label"] == label, "fold"].iloc[0]
        raise ValueError(
            f"the class {label!r} has patients in fold {alone} alone, and nothing else could "
            "teach it: add patients, or leave its cycles out"
        )
    rest = table[~tested]
    part = inner_dev(rest.assign(family="") if by_cycle else dealing(rest), params)
    table["subset"] = table["unit"].map(part).where(~tested, "test").astype("str")
    held_out = RANDOM if by_cycle else "unseen_patient"
    table["condition"] = np.where(table["subset"] == "train", "train", held_out)
    table["chooses"] = table["subset"] == "dev"
    return table[list(examples)].astype({"condition": "str"})
