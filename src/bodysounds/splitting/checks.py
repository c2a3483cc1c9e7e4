"""Refuses any overlap of subsets, and names it."""

from __future__ import annotations

import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.splitting.units import units
from bodysounds.types import Table


def check_disjoint(subsets: Table, manifest: Table) -> None:
    """Raise ValueError that names groups or files which lie in two subsets or two folds.

    Also where the two tables don't hold the same recordings, one row each.
    """
    ids = subsets["recording_id"]
    if ids.duplicated().any():
        raise ValueError(f"subsets list {some(ids[ids.duplicated()])} more than once")
    apart = sorted(set(ids) ^ set(manifest["recording_id"]))
    if apart:
        raise ValueError(
            f"{len(apart)} recordings are in only one of manifest and subsets ({some(apart)}): "
            "run split again"
        )
    joined = manifest[["recording_id", "path", "group_id", "sha256"]].merge(
        subsets, on="recording_id"
    )
    for column in ("subset", "fold"):
        for key, what in (("group_id", "group"), ("sha256", "file content")):
            shared = _shared(joined, key, column)
            if shared:
                rows = joined[joined[key] == shared[0]].drop_duplicates(column)
                where = " and ".join(
                    f"{row.path} in {column} {getattr(row, column)}" for row in rows.itertuples()
                )
                raise ValueError(
                    f"{len(shared)} {what}s lie in more than one {column}, first {shared[0]}: "
                    f"{where}; whatever one group or content made must stay on one side"
                )


def refuse_conflicting_hints(manifest: Table) -> None:
    """Raise ValueError where given subsets put one group or one content on two sides."""
    hinted = manifest[manifest["subset_hint"].notna()]
    for key, what, way_out in (
        ("group_id", "group", "give all recordings of a group one subset"),
        ("sha256", "file content", "take one of the copies out of the table"),
    ):
        shared = _shared(hinted, key, "subset_hint")
        if shared:
            rows = hinted[hinted[key] == shared[0]].drop_duplicates("subset_hint")
            where = " and ".join(f"{row.path} in {row.subset_hint}" for row in rows.itertuples())
            raise ValueError(
                f"the corpus's own split puts {len(shared)} {what}s into more than one subset, "
                f"first {shared[0]}: {where}; {way_out}"
            )
    _refuse_chains(manifest)


def _refuse_chains(manifest: Table) -> None:
    """Refuse groups of different subsets that are tied together by files which have no hint."""
    tied = manifest.assign(unit=units(manifest)).dropna(subset=["subset_hint"])
    shared = _shared(tied, "unit", "subset_hint")
    if shared:
        rows = tied[tied["unit"] == shared[0]].drop_duplicates("subset_hint")
        where = " and ".join(f"{row.path} in {row.subset_hint}" for row in rows.itertuples())
        raise ValueError(
            "the corpus's own split separates groups that share a file (equal sha256): "
            f"{where}; take one of the copies out of the table"
        )


def _shared(table: Table, key: str, column: str) -> list[str]:
    counts: pd.Series[int] = table.groupby(key)[column].nunique()
    return sorted(counts.index[counts > 1])
