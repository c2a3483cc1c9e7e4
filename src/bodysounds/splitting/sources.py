"""Train, dev and test by source, stratified by class: no source is on two sides."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd

from bodysounds.corpora.base import SUBSETS, some
from bodysounds.params.split_sources import SplitSourcesParams
from bodysounds.splitting.checks import check_disjoint, refuse_conflicting_hints
from bodysounds.splitting.deal import deal
from bodysounds.splitting.heard import HEARD, OVERLAPS, hold_out_heard
from bodysounds.splitting.source_facts import source_facts
from bodysounds.splitting.units import units
from bodysounds.types import Metrics, Table

logger = logging.getLogger(__name__)

CONDITIONS = ("unseen_source", "heard_source")
TWO_LABELS = "the same file stands under several classes"
TOO_SHORT = "shorter than a window"
OVERLAP = "shares time with a held-out window of a heard source"
EXAMPLE_COLUMNS = (
    "segment_id", "recording_id", "start_s", "end_s", "fill", "label", "subset", "condition",
    "session_id", "fold", "domain",
)  # fmt: skip


class SourceSplit(NamedTuple):
    """What every later stage reads of a split by source."""

    subsets: Table
    facts: Metrics
    examples: Table


def split_sources(manifest: Table, windows: Table, params: SplitSourcesParams) -> SourceSplit:
    """Deal the sources of each class into train, dev and test, and the train sources into folds.

    Parameters
    ----------
    manifest : Table
        recording_id, path, group_id (the source), sha256, label, domain and subset_hint are read.
    windows : Table
        Of `bodysounds.splitting.windows.cut_windows`.
    params : SplitSourcesParams

    Returns
    -------
    subsets : Table
        recording_id, subset, fold (of a train source, else -1) and condition, of recordings that
        have windows; one whose windows are all held out as heard is test, `heard_source`.
    facts : dict
        See `bodysounds.splitting.source_facts.source_facts`.
    examples : Table
        segment_id, recording_id, start_s, end_s, fill, label, subset, condition (`train`;
        `unseen_source`; `heard_source`, test windows of train sources, which no train window shares
        time with), session_id (the source), fold and domain, sorted by segment_id.

    Sources that share a file (sha256) are one. A given subset_hint is honoured; where hints name
    no dev, dev is dealt from train. A file that stands under several classes is left out. The order
    of the rows changes nothing. Raises ValueError for an unknown or missing label, a class without
    recordings, a class of fewer sources than folds, dev and test need, and hints that contradict.
    """
    table, left_out = _usable(manifest, windows, params)
    refuse_conflicting_hints(manifest.sort_values("recording_id"))
    table["family"] = table["domain"].astype(object).fillna("").str.partition(":")[0]
    table["subset"] = table["unit"].map(_subsets(table, params))
    train = table[table["subset"] == "train"]
    folds = deal(train, {str(k): 1 / params.folds for k in range(params.folds)}, params.seed)
    fold = {unit: int(number) for unit, number in folds.items()}
    table["fold"] = table["unit"].map(fold).fillna(-1).astype("int64")
    _check_classes(table, params)
    check_disjoint(table[["recording_id", "subset", "fold"]], table)
    examples = _examples(table, windows, params)
    gone = examples["condition"] == OVERLAP
    if gone.any():
        left_out[OVERLAP] = sorted(examples.loc[gone, "segment_id"])
    for reason, names in left_out.items():
        logger.warning("%d left out, %s: %s", len(names), reason, some(names))
    examples = examples[~gone].reset_index(drop=True)
    return SourceSplit(
        _recordings(table, examples), source_facts(examples, table, params, left_out), examples
    )


def _usable(
    manifest: Table, windows: Table, params: SplitSourcesParams
) -> tuple[Table, dict[str, list[str]]]:
    table = manifest.sort_values("recording_id", ignore_index=True)
    # before any is left out: a file that two sources share ties them, whether it serves or not
    table["unit"] = units(table)
    wrong = table[~table["label"].isin(list(params.classes))]
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} recordings have a label that is no class, such as "
            f"{wrong['path'].iloc[0]} ({wrong['label'].iloc[0]}): split_sources.classes are "
            f"{', '.join(params.classes)}"
        )
    short = ~table["recording_id"].isin(set(windows["recording_id"]))
    several = table.groupby("sha256")["label"].transform("nunique") > 1
    left_out = {
        reason: table.loc[mask, "recording_id"].tolist()
        for reason, mask in ((TOO_SHORT, short), (TWO_LABELS, several & ~short))
        if mask.any()
    }
    table = table[~short & ~several].reset_index(drop=True)
    empty = [name for name in params.classes if not (table["label"] == name).any()]
    if empty:
        raise ValueError(
            f"the class {some(map(repr, empty))} has no recording left to split (left out: "
            f"{sum(map(len, left_out.values()))}; see `rejected` too): add some, take a shorter "
            "split_sources.window_s, or take the class out of split_sources.classes"
        )
    return table, left_out


def _subsets(table: Table, params: SplitSourcesParams) -> pd.Series[str]:
    """Return the subset of each unit: as hinted, the others dealt."""
    hint = table.groupby("unit")["subset_hint"].first().astype(object)
    free = table[table["unit"].isin(hint.index[hint.isna()])]
    test_size = 1 - params.train_size - params.val_size
    shares = {"train": params.train_size, "dev": params.val_size, "test": test_size}
    hint.update(pd.Series(deal(free, shares, params.seed), dtype=object))
    if (hint == "train").any() and not (hint == "dev").any():
        of_train = params.val_size / (params.train_size + params.val_size)
        own = table[table["unit"].isin(hint.index[hint == "train"])]
        logger.info("the corpus's split names no dev: %.3g of its train sources are", of_train)
        hint.update(
            pd.Series(
                deal(own, {"train": 1 - of_train, "dev": of_train}, params.seed), dtype=object
            )
        )
    return hint


def _check_classes(table: Table, params: SplitSourcesParams) -> None:
    """Raise ValueError for a class that a subset, or a fold, has no source of.

    Where all is test, as in an evaluation of a corpus that trained nothing, nothing is asked.
    """
    if (table["subset"] == "test").all():
        return
    sources = table.groupby(["label", "subset"])["unit"].nunique()
    for label in params.classes:
        n = {subset: int(sources.get((label, subset), 0)) for subset in SUBSETS}
        least = {"train": params.folds, "dev": 1, "test": 1}
        if any(n[subset] < least[subset] for subset in SUBSETS):
            raise ValueError(
                f"the class {label!r} has {sum(n.values())} sources, dealt {n['train']} to train, "
                f"{n['dev']} to dev and {n['test']} to test, and split_sources.folds = "
                f"{params.folds} takes {params.folds} to train and one each for dev and test: "
                + (
                    "change the corpus's own split, which was followed"
                    if table["subset_hint"].notna().any()
                    else "add sources, or lower split_sources.folds"
                )
            )
        own = table[(table["label"] == label) & (table["subset"] == "train")]
        bare = sorted(set(range(params.folds)) - set(own["fold"]))
        if bare:
            raise ValueError(
                f"fold {bare[0]} has no source of the class {label!r}: {own['unit'].nunique()} "
                f"train sources of it also hold other classes; add sources, or lower "
                f"split_sources.folds = {params.folds}"
            )


def _examples(table: Table, windows: Table, params: SplitSourcesParams) -> Table:
    told = table[["recording_id", "sha256", "subset", "fold", "domain"]].assign(
        session_id=table["unit"]
    )
    examples = windows.merge(told, on="recording_id").sort_values("segment_id", ignore_index=True)
    train = examples["subset"] == "train"
    examples["condition"] = np.where(train, "train", "unseen_source")
    if params.heard_share > 0 and train.any():
        own = examples[train].assign(source=examples["session_id"])
        state = hold_out_heard(own, params.heard_share, params.seed).reindex(examples.index)
        heard = state == HEARD
        examples.loc[heard, "condition"] = "heard_source"
        examples.loc[heard, "subset"] = "test"
        examples.loc[heard, "fold"] = -1
        examples.loc[state == OVERLAPS, "condition"] = OVERLAP
    examples = examples.astype({"condition": "str", "subset": "str", "domain": "str"})
    return examples[list(EXAMPLE_COLUMNS)]


def _recordings(table: Table, examples: Table) -> Table:
    # one that has windows in train and among the heard trains
    first = examples.sort_values("subset", key=lambda names: names != "train", kind="stable")
    own = first.groupby("recording_id")[["subset", "fold", "condition"]].first().reset_index()
    return own[["recording_id", "subset", "fold", "condition"]].astype({"recording_id": "str"})
