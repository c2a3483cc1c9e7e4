"""What a classifier learns from: recordings of train and dev, and the batches of an epoch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bodysounds.audio.clips import places
from bodysounds.audio.packed import Packed
from bodysounds.types import Ints, Table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examples:
    """Recordings with the class of each."""

    spans: Ints
    """int64 (n, 2): first_sample and n_samples."""
    labels: Ints
    """int64 (n,)."""
    groups: Ints
    """int64 (n,): the group of metadata, -1 where it is not known or not asked for."""


def choose_examples(
    packed: Packed, examples: Table, metadata: Sequence[str] = ()
) -> tuple[Examples, Examples, list[str]]:
    """Return the examples of train and of dev, in the order of their ids, and the class names.

    dev are the rows whose column `chooses` is true, where there is one, else those whose subset is
    dev. The classes are the labels of train, sorted; the groups, each combination of the columns
    `metadata`. Raises ValueError for fewer than two classes, for no dev, for a dev label that train
    lacks, for a row that teaches and chooses, for a missing label or audio, and for metadata that
    is not there.
    """
    known = teach_and_choose(examples)
    if known["label"].isna().any():
        example = known.loc[known["label"].isna(), "segment_id"].iloc[0]
        raise ValueError(f"{example!r} has no label: leave it out of train and dev")
    if known["segment_id"].duplicated().any():
        example = known.loc[known["segment_id"].duplicated(), "segment_id"].iloc[0]
        raise ValueError(f"{example!r} is in train and dev more than once: list it once")
    known = known.assign(_group=metadata_groups(known, metadata))
    train, dev = known[known["_part"] == "train"], known[known["_part"] == "dev"]
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
        spans = places(packed, list(table["segment_id"]))
        return Examples(spans, own.astype(np.int64), table["_group"].to_numpy(np.int64, copy=True))

    return rows(train), rows(dev), labels


def teach_and_choose(examples: Table) -> Table:
    """Return the rows that teach or choose, by their ids, with `_part`: train or dev."""
    part = examples["subset"].where(examples["subset"].isin(["train", "dev"]))
    if "chooses" in examples:
        chooses = examples["chooses"].astype(bool)
        both = examples.loc[chooses & (examples["subset"] == "train"), "segment_id"]
        if len(both):
            raise ValueError(
                f"{both.iloc[0]!r} is in train and chooses the epoch too: leave it out of one"
            )
        part = part.where(part == "train").mask(chooses, "dev")
    known = examples.assign(_part=part)
    return known[known["_part"].notna()].sort_values("segment_id")


def metadata_groups(known: Table, columns: Sequence[str]) -> Ints:
    """Return the group of each row, -1 where a value of it is missing; all -1 for no columns.

    Raises ValueError for a column that is not there, and where train has no row of a group.
    """
    missing = [column for column in columns if column not in known]
    if missing:
        raise ValueError(
            f"the examples have no column {missing[0]!r}, which metadata names: take what they "
            "have, or a method without metadata (--params method=sl, scl or hybrid)"
        )
    if not columns:
        return np.full(len(known), -1, dtype=np.int64)
    own = known[list(columns)]
    number = own.groupby(list(columns), dropna=False).ngroup()
    groups: Ints = number.mask(own.isna().any(axis=1), -1).to_numpy(np.int64, copy=True)
    taught = groups[(known["_part"] == "train").to_numpy()]
    if not (taught >= 0).any():
        raise ValueError(
            f"no example of train has all of its metadata ({', '.join(columns)}): take what they "
            "have, or a method without metadata (--params method=sl, scl or hybrid; of several "
            "methods, runs.methods without mscl)"
        )
    log.info(
        "metadata %s: %d groups in train, %d of %d rows without one",
        "+".join(columns), len(np.unique(taught[taught >= 0])), int((taught < 0).sum()),
        len(taught),
    )  # fmt: skip
    return groups


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
