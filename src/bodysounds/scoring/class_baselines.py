"""What a classifier must beat: the most frequent class, and logistic regression on descriptors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bodysounds.params.predict import PredictParams
from bodysounds.scoring.class_weights import class_weights
from bodysounds.scoring.classes import hashed_rows
from bodysounds.types import Array, Floats, Table

PROPERTIES = (
    "duration_s", "level_dbfs", "peak_dbfs", "clipped_share", "noise_floor_dbfs", "bandwidth_hz",
    "silence_share",
)  # fmt: skip
"""What a recording is like whoever is heard."""
RECORDING = ("duration_s", "level_dbfs", "noise_floor_dbfs", "bandwidth_hz")


def most_frequent(train_labels: pd.Series[str], classes: Sequence[str], n: int) -> Floats:
    """Return the classes' log shares among the train labels, for each of n examples, (n, C).

    A class that train lacks counts as half an example.
    """
    counts = train_labels.value_counts().reindex(list(classes)).fillna(0.5).to_numpy(np.float64)
    return np.tile(np.log(counts / counts.sum()), (n, 1))


def mfcc_features(descriptors: Table) -> Floats:
    """Return MFCC mean and deviation of each segment, float64 (n, 2 * n_mfcc)."""
    columns = map(str, descriptors.columns)
    names = [name for name in columns if name.startswith(("mfcc_mean_", "mfcc_std_"))]
    return descriptors[names].to_numpy(np.float64)


def property_features(descriptors: Table, names: Sequence[str], train: Array) -> Floats:
    """Return properties, standardised by the rows `train`, and their squares, (n, 2 * n_names).

    With squares a linear model can single out a class in the middle of a property.
    """
    standard = standardised(descriptors[list(names)].to_numpy(np.float64), train)
    return np.hstack([standard, standard**2])


def standardised(values: Floats, train: Array) -> Floats:
    """Return columns with mean 0 and deviation 1 over the rows `train`; what is even there is 0."""
    spread = values[train].std(axis=0)
    standard: Floats = (values - values[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return standard


def logistic(
    features: Floats,
    examples: Table,
    wanted: Table,
    classes: Sequence[str],
    params: PredictParams,
    c: float = 1.0,
) -> Floats:
    """Return log-probabilities (n_wanted, n_classes) by logistic regression on the train examples.

    Parameters
    ----------
    features : float64 array (n_examples, n_features), finite
        Standardised here by train.
    examples, wanted : Table
        segment_id, label and subset; `wanted` are some of the examples.
    c : float
        Inverse of the penalty on the weights; lower trusts the features less.

    A class without train example gets the probability of the rarest prediction, never the first
    place. Raises ValueError where the features are not finite.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if not np.isfinite(features).all():
        row = int(np.argmin(np.isfinite(features).all(axis=1)))
        raise ValueError(f"the descriptors of {examples['segment_id'].iloc[row]} are not finite")
    ids = examples["segment_id"].reset_index(drop=True)
    train = ids[(examples["subset"] == "train").to_numpy()]
    # in alphabetical order, so that no rounding depends on that of the rows
    fit = ids[hashed_rows(train, params.max_fit, params.seed)].sort_values().index.to_numpy()
    standard = standardised(features, fit)
    labels = examples["label"].to_numpy(object)[fit].astype(str)
    weight = None
    if params.balanced:
        names, n = np.unique(labels, return_counts=True)
        counts = dict(zip(names.tolist(), n.tolist(), strict=True))
        of_class = class_weights(counts, params.weigh, params.negative)
        # per example: scikit-learn takes the name of a class that is a number, 02, for the number
        weight = np.array([of_class[name] for name in labels.tolist()])
    model = LogisticRegression(C=c, max_iter=params.max_iterations)
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore")  # a baseline that has not quite converged still stands
        model.fit(standard[fit], labels, sample_weight=weight)
    at = pd.Index(ids).get_indexer(pd.Index(wanted["segment_id"]))
    found = model.predict_log_proba(standard[at])
    table = np.full((len(wanted), len(classes)), found.min() - 1)
    table[:, pd.Index(list(classes)).get_indexer(pd.Index(model.classes_))] = found
    return table
