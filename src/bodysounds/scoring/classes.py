"""Predictions of classes as one table, whatever made them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.metrics.classification import check_probabilities, true_ranks
from bodysounds.types import Floats, Table

TOP = 5
KEPT = ("segment_id", "label", "subset", "condition")


def rated_examples(examples: Table, max_train: int, seed: int = 0) -> Table:
    """Return the examples of dev and test, and at most so many of train, drawn by a hash."""
    train = examples[examples["subset"] == "train"]
    chosen = hashed_rows(train["segment_id"], max_train, seed)
    kept = pd.concat([train.loc[chosen], examples[examples["subset"] != "train"]])
    return kept.sort_values("segment_id", ignore_index=True)


def hashed_rows(names: pd.Series[str], n: int, seed: int) -> pd.Index[int]:
    """Return the index of `n` rows, or of all, drawn by a hash of seed and name."""
    if len(names) <= n:
        return names.index
    digests = names.map(lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest())
    return digests.sort_values().index[:n]


def prediction_table(
    system: str, examples: Table, log_probabilities: Floats, classes: Sequence[str], most: int
) -> Table:
    """Return what a system says of each example.

    Parameters
    ----------
    system : str
    examples : Table
        segment_id, label, subset, condition.
    log_probabilities : float array of shape (n_examples, n_classes)
        Column j is `classes[j]`.
    most : int
        Classes up to which each has a column.

    Returns
    -------
    predictions : Table
        system, segment_id, label, subset, condition, predicted, probability (of that class) and
        rank (of the label, 1 for the most probable); then float32 p_<class> for each class, or
        where there are more than `most`, top_1, p_top_1, ... of the five most probable.

    Raises ValueError for NaN, another shape, and labels that are no class.
    """
    labels = examples["label"].to_numpy(object)
    check_probabilities(labels, log_probabilities, classes)
    names = np.asarray(classes, dtype=object)
    table = examples[list(KEPT)].reset_index(drop=True)
    table.insert(0, "system", system)
    probability = np.exp(log_probabilities).astype(np.float32)
    order = np.argsort(-log_probabilities, axis=1, kind="stable")[:, :TOP]
    top = np.take_along_axis(probability, order, axis=1)
    table["predicted"] = names[order[:, 0]]
    table["probability"] = top[:, 0]
    table["rank"] = true_ranks(labels, log_probabilities, classes)
    if len(names) <= most:
        columns = {f"p_{name}": probability[:, k] for k, name in enumerate(names)}
    else:
        columns = {}
        for k in range(order.shape[1]):
            columns |= {f"top_{k + 1}": names[order[:, k]], f"p_top_{k + 1}": top[:, k]}
    table = pd.concat([table, pd.DataFrame(columns)], axis=1)
    text = {name: "str" for name in table if table[name].dtype == object}
    return table.astype(text)


def class_order(classes: Sequence[str], labels: pd.Series[str]) -> list[str]:
    """Return the classes of a classifier; ValueError where an example has another label."""
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        raise ValueError(
            f"the classifier knows {len(classes)} classes, and {len(unknown)} of the examples' "
            f"labels are none of them ({some(unknown)}): give it the recordings and the split "
            "that it was trained on, such as the same n_speakers"
        )
    return list(classes)
