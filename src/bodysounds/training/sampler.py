"""Batches of P subjects and K crops each, drawn without replacement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.sides import SideTable
from bodysounds.types import Ints

HOP_S = 0.010
Int16s = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Batch:
    """What a batch is made of, before any audio is read."""

    rows: Ints
    """int64 (n_crops,): rows of the side table; the K crops of a subject stand together."""
    labels: Ints
    """int64 (n_crops,): subjects, as indices into the classes."""
    length: int
    """Samples of each crop."""


@dataclass(frozen=True)
class Subjects:
    """The subjects to draw from, and their sides by session."""

    ids: tuple[str, ...]
    """Class k is subject ids[k]; sorted."""
    groups: Ints
    """int64 (n_subjects,): the group of each class."""
    sessions: tuple[tuple[Ints, ...], ...]
    """sessions[k]: rows of the side table, one array a session of subject k."""


def list_subjects(side_table: SideTable, subset: str = "train") -> Subjects:
    """Return the known subjects of a subset; a side without a session is one by itself."""
    table = side_table.table
    rows = np.flatnonzero((table["subset"] == subset) & table["subject_id"].notna())
    table = table.iloc[rows].assign(row=rows)
    session = table["session_id"].astype(object)
    table["session"] = session.where(session.notna(), "\0" + table["side_id"].astype(object))
    ids, sessions, groups = [], [], []
    for subject, own in table.groupby("subject_id", sort=True):
        ids.append(str(subject))
        group = own["group_id"].iloc[0]
        groups.append("\0" + str(subject) if pd.isna(group) else str(group))
        sessions.append(tuple(s["row"].to_numpy() for _, s in own.groupby("session", sort=True)))
    codes = np.unique(groups, return_inverse=True)[1] if groups else np.empty(0)
    return Subjects(tuple(ids), codes.astype(np.int64), tuple(sessions))


def plan_epoch(
    subjects: Subjects,
    subjects_per_batch: int,
    crops_per_subject: int,
    crop_s: Sequence[float],
    sample_rate: int,
    passes: int,
    rng: np.random.Generator,
) -> list[Batch]:
    """Return the batches of an epoch.

    In each pass every subject is drawn once. A last batch of one subject alone, which would have
    no rival, joins the one before it. A subject's crops are dealt over its sessions in turn, and
    over the sides of a session, so that positives cross sessions wherever there are several.

    Parameters
    ----------
    crop_s : [shortest, longest]
        One length is drawn a batch, in whole steps of 10 ms (seconds).
    passes : int
        Times that each subject is drawn.
    """
    hop = max(1, round(HOP_S * sample_rate))
    shortest, longest = (max(1, round(s * sample_rate / hop)) for s in crop_s)
    batches = []
    for _ in range(passes):
        order = rng.permutation(len(subjects.ids))
        edges = list(range(0, len(order), subjects_per_batch))
        if len(edges) > 1 and len(order) - edges[-1] < 2:
            edges.pop()
        for labels in np.split(order, edges[1:]):
            rows = [deal(subjects.sessions[k], crops_per_subject, rng) for k in labels]
            batches.append(
                Batch(
                    rows=np.concatenate(rows),
                    labels=np.repeat(labels, crops_per_subject),
                    length=hop * int(rng.integers(shortest, longest + 1)),
                )
            )
    return batches


def deal(sessions: Sequence[Ints], n_crops: int, rng: np.random.Generator) -> Ints:
    """Return the side of each crop, int64 (n_crops,): sessions in turn, and their sides."""
    order = rng.permutation(len(sessions))[:n_crops]
    decks = [cycle(rng.permutation(sessions[k])) for k in order]
    return np.array([next(deck) for deck in islice(cycle(decks), n_crops)], dtype=np.int64)


def read_crops(
    samples: Int16s, side_table: SideTable, batch: Batch, rng: np.random.Generator
) -> Int16s:
    """Return the crops of a batch, int16 (n_crops, length)."""
    return np.stack([cut(samples, side_table.spans[r], batch.length, rng) for r in batch.rows])


def cut(samples: Int16s, spans: Ints, length: int, rng: np.random.Generator) -> Int16s:
    """Return a random window of a side's segments, joined in random order, int16 (length,).

    A side shorter than the window is repeated from its end on, starting anywhere.
    """
    spans = spans[rng.permutation(len(spans))]
    ends = np.cumsum(spans[:, 1])
    total = int(ends[-1])
    if total < length:
        start = int(rng.integers(total))
        joined = np.concatenate([samples[first : first + count] for first, count in spans])
        return np.resize(np.roll(joined, -start), length)
    start = int(rng.integers(total - length + 1))
    first_piece, last_piece = np.searchsorted(ends, [start, start + length - 1], side="right")
    window = spans[first_piece : last_piece + 1].copy()
    skipped = start - (int(ends[first_piece]) - int(window[0, 1]))
    window[0] += (skipped, -skipped)
    window[-1, 1] -= int(ends[last_piece]) - (start + length)
    return np.concatenate([samples[first : first + count] for first, count in window])
