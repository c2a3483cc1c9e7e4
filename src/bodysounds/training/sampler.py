"""Batches of P subjects and K crops each, drawn without replacement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from bodysounds.training.subjects import Subjects
from bodysounds.types import Floats, Ints

HOP_S = 0.010


@dataclass(frozen=True)
class Batch:
    """What a batch is made of, before any audio is read."""

    rows: Ints
    """int64 (n_crops,): rows of the side table; the K crops of a subject stand together."""
    labels: Ints
    """int64 (n_crops,): classes: subjects, or subjects at a speed where `speeds` are drawn."""
    lengths: Ints
    """int64 (n_crops,): samples of each crop; equal, but for the defect `pad_crops`."""
    speeds: Floats | None = None
    """float64 (n_crops,): how fast each crop is played; None: as it was recorded."""


def plan_epoch(
    subjects: Subjects,
    subjects_per_batch: int,
    crops_per_subject: int,
    crop_s: Sequence[float],
    sample_rate: int,
    passes: int,
    rng: np.random.Generator,
    defects: Collection[str] = (),
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
    defects : names
        `draw_with_replacement`: the N = P * K items of a batch are drawn, with replacement, from a
        block of N subjects, so that 38% of them have no partner where N is 16; those left over
        after the last whole block are not heard in this pass. `pad_crops`: each crop has a length
        of its own, and `read_crops` pads them.
    """
    hop = max(1, round(HOP_S * sample_rate))
    shortest, longest = (max(1, round(s * sample_rate / hop)) for s in crop_s)
    batches = []
    for _ in range(passes):
        if "draw_with_replacement" in defects:
            drawn = blocks(len(subjects.ids), subjects_per_batch * crops_per_subject, rng)
            n_crops = 1
        else:
            drawn = draw(len(subjects.ids), subjects_per_batch, rng)
            n_crops = crops_per_subject
        for labels in drawn:
            rows = np.concatenate([deal(subjects.sessions[k], n_crops, rng) for k in labels])
            size = len(rows) if "pad_crops" in defects else None
            lengths = hop * rng.integers(shortest, longest + 1, size)
            batches.append(
                Batch(rows, np.repeat(labels, n_crops), np.broadcast_to(lengths, rows.shape))
            )
    return batches


def draw(n_subjects: int, subjects_per_batch: int, rng: np.random.Generator) -> list[Ints]:
    """Return the subjects of each batch: everybody once, nobody alone."""
    order = rng.permutation(n_subjects)
    edges = list(range(0, n_subjects, subjects_per_batch))
    if len(edges) > 1 and n_subjects - edges[-1] < 2:
        edges.pop()
    return np.split(order, edges[1:])


def blocks(n_subjects: int, n_items: int, rng: np.random.Generator) -> list[Ints]:
    """Return the items of each batch, drawn with replacement from one block of subjects each."""
    order = rng.permutation(n_subjects)
    n_blocks = max(1, n_subjects // n_items)
    parts = [order[k * n_items : (k + 1) * n_items] for k in range(n_blocks)]
    return [rng.choice(part, n_items) for part in parts]


def deal(sessions: Sequence[Ints], n_crops: int, rng: np.random.Generator) -> Ints:
    """Return the side of each crop, int64 (n_crops,): sessions in turn, and their sides."""
    order = rng.permutation(len(sessions))[:n_crops]
    decks = [cycle(rng.permutation(sessions[k])) for k in order]
    return np.array([next(deck) for deck in islice(cycle(decks), n_crops)], dtype=np.int64)
