"""Who teaches and who validates, and what their crops are cut from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.types import Ints, Table

log = logging.getLogger(__name__)

WAY_TO_TRAIN = (
    "lower split.dev_share and split.test_share, leave subjects out of the trial list, or add "
    "recordings of others"
)
# the first of the numbers that the draw of validation groups follows from, after the seed
OF_SHARE = 0x5A17


@dataclass(frozen=True)
class Subjects:
    """The subjects to draw from, and their sides by session."""

    ids: tuple[str, ...]
    """Class k is subject ids[k]; sorted."""
    groups: Ints
    """int64 (n_subjects,): the group of each class."""
    sessions: tuple[tuple[Ints, ...], ...]
    """sessions[k]: rows of the side table, one array a session of subject k."""


@dataclass(frozen=True)
class Sources:
    """Where crops come from."""

    sides: SideTable
    """What crops are cut from: the sides, or a row a subject where sessions are joined."""
    train: Subjects
    validation: Subjects | None
    """Of the same classes where they validate by another session; None where nothing validates."""


def choose_sources(
    side_table: SideTable,
    params: TrainEmbeddingParams,
    sample_rate: int,
    subsets: Sequence[str] = ("train",),
) -> Sources:
    """Return who teaches and who validates, of the known subjects of these subsets.

    Those with less than `min_seconds_per_subject` of audio, in the subsets and the session that
    teaches, are left out of both. Raises ValueError where nobody is left to teach or to validate,
    and where those left are all of one group.
    """
    if params.validate_session is not None:
        side_table = with_sessions(side_table, (params.train_session, params.validate_session))
    if params.min_seconds_per_subject:
        side_table = long_enough(side_table, params, sample_rate, subsets)
    if params.validate_session is not None:
        train = list_subjects(side_table, subsets, params.train_session)
        validation = list_subjects(side_table, subsets, params.validate_session)
        check_subjects(train, f"with sessions {params.train_session} and {params.validate_session}")
        return Sources(side_table, train, validation)
    if params.join_sessions:
        side_table = joined(side_table)
    train = list_subjects(side_table, subsets, params.train_session)
    if not params.validation_share:
        check_subjects(train)
        return Sources(side_table, train, None)
    train, kept = part(train, params.validation_share, params.seed)
    share = f"train_embedding.validation_share = {params.validation_share:g}"
    check_subjects(train, f"after {share}", "lower that share, or add subjects")
    check_subjects(kept, f"kept by {share}", "raise that share, or add subjects")
    return Sources(side_table, train, kept)


def long_enough(
    side_table: SideTable, params: TrainEmbeddingParams, sample_rate: int, subsets: Sequence[str]
) -> SideTable:
    """Return the sides without those of subjects that have too little audio to teach.

    Raises ValueError that names the rule where it leaves fewer than two subjects.
    """
    table, least = side_table.table, params.min_seconds_per_subject
    teaches = table["subset"].isin(list(subsets)) & table["subject_id"].notna()
    if params.train_session is not None:
        teaches &= table["session_id"] == params.train_session
    seconds = table[teaches].groupby("subject_id")["n_samples"].sum() / sample_rate
    short = seconds.index[seconds < least]
    n_left = len(seconds) - len(short)
    if n_left < 2 <= len(seconds):
        raise ValueError(
            f"train_embedding.min_seconds_per_subject = {least:g} leaves {n_left} of "
            f"{len(seconds)} subjects to teach, and 2 are needed: lower it (the longest has "
            f"{seconds.max():.2f} s)"
        )
    log.info(
        "%d of %d subjects have less than %g s of audio (min_seconds_per_subject) and teach "
        "nothing", len(short), len(seconds), least,
    )  # fmt: skip
    return _take(side_table, np.flatnonzero(~table["subject_id"].isin(short)))


def list_subjects(
    side_table: SideTable, subsets: Sequence[str] = ("train",), session: str | None = None
) -> Subjects:
    """Return the known subjects of these subsets, of one session where it is named.

    A side without a session is one by itself.
    """
    table = side_table.table
    wanted = table["subset"].isin(list(subsets)) & table["subject_id"].notna()
    if session is not None:
        wanted &= table["session_id"] == session
    rows = np.flatnonzero(wanted)
    table = table.iloc[rows].assign(row=rows)
    name = table["session_id"].astype(object)
    table["session"] = name.where(name.notna(), "\0" + table["side_id"].astype(object))
    ids, sessions, groups = [], [], []
    for subject, own in table.groupby("subject_id", sort=True):
        ids.append(str(subject))
        groups.append(_group(own))
        sessions.append(tuple(s["row"].to_numpy() for _, s in own.groupby("session", sort=True)))
    codes = np.unique(groups, return_inverse=True)[1] if groups else np.empty(0)
    return Subjects(tuple(ids), codes.astype(np.int64), tuple(sessions))


def with_sessions(side_table: SideTable, sessions: Sequence[str | None]) -> SideTable:
    """Return the sides of the subjects that have each of these sessions."""
    table = side_table.table
    own = table[table["session_id"].isin(list(sessions))]
    count = own.groupby("subject_id")["session_id"].nunique()
    complete = table["subject_id"].isin(count.index[count == len(set(sessions))])
    return _take(side_table, np.flatnonzero(complete))


def joined(side_table: SideTable) -> SideTable:
    """Return a row a known subject, with the segments of all its sides in their order."""
    known = side_table.table.assign(row=np.arange(len(side_table)))
    grouped = known[known["subject_id"].notna()].groupby("subject_id", sort=True)
    table = grouped.first().reset_index()
    table["side_id"] = table["subject_id"].astype(str)
    table["session_id"] = None
    table["n_samples"] = grouped["n_samples"].sum().to_numpy()
    spans = [np.concatenate([side_table.spans[r] for r in own["row"]]) for _, own in grouped]
    return SideTable(table[list(side_table.table.columns)], tuple(spans))


def part(subjects: Subjects, share: float, seed: int) -> tuple[Subjects, Subjects]:
    """Return the subjects without, and of, this share of the groups, drawn by the seed.

    At least one group is drawn, and no group is on both sides.
    """
    n_groups = len(set(subjects.groups.tolist()))
    order = np.random.default_rng([seed, OF_SHARE]).permutation(n_groups)
    drawn = np.isin(subjects.groups, order[: max(1, round(share * n_groups))])
    return _subset(subjects, ~drawn), _subset(subjects, drawn)


def check_subjects(subjects: Subjects, which: str = "", way_out: str = WAY_TO_TRAIN) -> None:
    """Raise ValueError where there is nobody to tell apart."""
    which = f" {which}" if which else ""
    if len(subjects.ids) < 2:
        raise ValueError(
            f"train has {len(subjects.ids)} known subject(s){which} and needs at least 2: {way_out}"
        )
    if len(set(subjects.groups.tolist())) < 2:
        raise ValueError(
            f"the subjects in train{which} are all of one group, and no two of a group are set "
            "against each other: add recordings of another group"
        )


def _group(own: Table) -> str:
    group = own["group_id"].iloc[0]
    return "\0" + str(own["subject_id"].iloc[0]) if pd.isna(group) else str(group)


def _subset(subjects: Subjects, chosen: npt.NDArray[np.bool_]) -> Subjects:
    numbers = np.flatnonzero(chosen)
    codes = np.unique(subjects.groups[numbers], return_inverse=True)[1]
    return Subjects(
        tuple(subjects.ids[k] for k in numbers),
        codes.astype(np.int64),
        tuple(subjects.sessions[k] for k in numbers),
    )


def _take(side_table: SideTable, rows: Ints) -> SideTable:
    table = side_table.table.iloc[rows].reset_index(drop=True)
    return SideTable(table, tuple(side_table.spans[row] for row in rows))
