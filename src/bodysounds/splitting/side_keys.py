"""What a side is, as arrays: subject, group, session, time, domain and subset."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.types import Table

Codes = npt.NDArray[np.int64]
OF_ONE_VALUE = ("subject_id", "group_id", "session_id", "domain")


@dataclass(frozen=True)
class SideKeys:
    """One element a side, in the order of side_id; codes are -1 where a value is unknown."""

    ids: npt.NDArray[np.object_]
    subject: Codes
    group: Codes
    session: Codes
    session_names: Sequence[Hashable]
    domain: Codes
    sex: Codes
    age: Codes
    subset: npt.NDArray[np.object_]
    recorded_at: npt.NDArray[np.float64]
    """Unix seconds of the earliest recording, nan where unknown."""


def side_keys(sides: Table, manifest: Table, subsets: Table) -> SideKeys:
    """Return the keys of all sides.

    Raises ValueError for sides of recordings that the manifest or subsets lack, and for a side that
    mixes subjects, sessions, domains or subsets.
    """
    table = sides[["side_id", "recording_id"]].merge(
        manifest[["recording_id", *OF_ONE_VALUE, "sex", "age", "recorded_at"]],
        on="recording_id",
        how="left",
    )
    table = table.merge(subsets[["recording_id", "subset"]], on="recording_id", how="left")
    unknown = table.loc[table["group_id"].isna() | table["subset"].isna(), "recording_id"]
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} recordings of sides are not in the manifest and subsets "
            f"({some(unknown)}): run ingest and split again"
        )
    grouped = table.groupby("side_id", sort=True)
    for column in (*OF_ONE_VALUE, "subset"):
        mixed = grouped[column].nunique(dropna=False)
        if (mixed > 1).any():
            side = mixed.index[mixed > 1][0]
            values = sorted(map(str, table.loc[table["side_id"] == side, column].unique()))
            raise ValueError(
                f"side {side} mixes several values of {column} ({some(values)}): a side is made of "
                "recordings of one subject, in one session, domain and subset"
            )
    first = grouped.first()
    session, names = pd.factorize(first["session_id"])
    return SideKeys(
        ids=first.index.to_numpy(dtype=object),
        subject=pd.factorize(first["subject_id"])[0],
        group=pd.factorize(first["group_id"])[0],
        session=session,
        session_names=list(names),
        domain=pd.factorize(first["domain"])[0],
        # a side that mixes them counts as unknown
        sex=pd.factorize(first["sex"].where(grouped["sex"].nunique() == 1))[0],
        age=pd.factorize(first["age"].where(grouped["age"].nunique() == 1))[0],
        subset=first["subset"].to_numpy(dtype=object),
        recorded_at=grouped["recorded_at"].min().to_numpy(dtype=np.float64),
    )
