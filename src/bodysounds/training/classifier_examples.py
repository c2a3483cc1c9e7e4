"""What a classifier learns from: recordings of train and dev, and the batches of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bodysounds.audio.clips import places
from bodysounds.audio.packed import Packed
from bodysounds.types import Ints, Table


@dataclass(frozen=True)
class Examples:
    """Recordings with the class of each."""

    spans: Ints
    """int64 (n, 2): first_sample and n_samples."""
    labels: Ints
    """int64 (n,)."""


def choose_examples(packed: Packed, examples: Table) -> tuple[Examples, Examples, list[str]]:
    """Return the examples of train and of dev, in the order of their ids, and the class names.

    The classes are the labels of train, sorted. Raises ValueError for fewer than two, for no dev,
    for a dev label that train lacks and for a missing label or audio.
    """
    known = examples[examples["subset"].isin(["train", "dev"])].sort_values("segment_id")
    if known["label"].isna().any():
        example = known.loc[known["label"].isna(), "segment_id"].iloc[0]
        raise ValueError(f"{example!r} has no label: leave it out of train and dev")
    if known["segment_id"].duplicated().any():
        example = known.loc[known["segment_id"].duplicated(), "segment_id"].iloc[0]
        raise ValueError(f"{example!r} is in train and dev more than once: list it once")
    train, dev = known[known["subset"] == "train"], known[known["subset"] == "dev"]
    labels = sorted(set(train["label"]))
    if len(labels) < 2:
        raise ValueError(
            f"train has recordings of {len(labels)} class(es), and a classifier tells at least two "
            "apart: give more recordings, or raise the split's train_size"
        )
    if not len(dev):
        raise ValueError(
            "dev has no recording, and dev chooses the epoch: raise the split's val_size"
        )
    strangers = sorted(set(dev["label"]) - set(labels))
    if strangers:
        raise ValueError(
            f"dev has recordings of {strangers[0]!r} and train has none of it ({len(strangers)} "
            "such class(es)): a closed-set classifier names only whom it was taught"
        )

    def rows(table: Table) -> Examples:
        own = np.searchsorted(np.array(labels), table["label"].to_numpy(dtype=str))
        return Examples(places(packed, list(table["segment_id"])), own.astype(np.int64))

    return rows(train), rows(dev), labels


def plan_epoch(
    labels: Ints, batch_size: int, balanced: bool, rng: np.random.Generator
) -> list[Ints]:
    """Return the rows of each batch of an epoch; batches differ by one row at most.

    Each row once, in random order; or, `balanced`, as many rows of each class as of any other, but
    for one, each row of a class as often as any other of it, but for one.
    """
    order = rng.permutation(len(labels))
    if balanced:
        of_class = [order[labels[order] == label] for label in np.unique(labels)]
        each = -(-len(labels) // len(of_class))
        drawn = [np.resize(rows, each) for rows in of_class]
        order = rng.permutation(np.concatenate(drawn))[: len(labels)]
    return np.array_split(order, -(-len(labels) // batch_size))
