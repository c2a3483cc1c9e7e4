"""Every system's predictions on the same examples, in one table."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain

import pandas as pd

from bodysounds.params.predict import PredictParams
from bodysounds.scoring.class_baselines import (
    PROPERTIES,
    RECORDING,
    logistic,
    mfcc_features,
    most_frequent,
    property_features,
)
from bodysounds.scoring.classes import class_order, prediction_table, rated_examples
from bodysounds.scoring.log_mel_baseline import LOG_MEL_C, log_mel_statistics
from bodysounds.scoring.metadata_alone import metadata_features
from bodysounds.types import Array, Classifier, Floats, Packed, Table

log = logging.getLogger(__name__)

ALONE = "alone_"
"""Systems of the shortcut audit are called after this and a property."""


def classify(
    classifier: Classifier,
    waveforms: Packed,
    examples: Table,
    descriptors: Table,
    params: PredictParams,
) -> Table:
    """Return `prediction_table` of ours, of each baseline and of the shortcut audit.

    Dev and test are classified, and at most `max_train` examples of train. Baselines are fitted on
    train. Raises ValueError for examples whose label the classifier does not know, and where train
    or descriptors lack what a baseline needs.
    """
    from bodysounds.models.classifier import predict

    classes = class_order(classifier.labels, examples["label"])
    n_told = examples["label"].nunique()
    if n_told < len(classes):
        log.warning(
            "the classifier knows %d classes, and the examples are of %d: it may name any of its "
            "own, while the baselines are fitted on those %d", len(classes), n_told, n_told,
        )  # fmt: skip
    wanted = rated_examples(examples, params.max_train, params.seed)
    ours = predict(classifier, waveforms, wanted["segment_id"].tolist(), device=params.device)
    # one at a time: of 1,251 speakers the probabilities of each take half a gigabyte
    others = baselines(examples, wanted, descriptors, classes, params, waveforms)
    tables = [
        prediction_table(name, wanted, found, classes, params.most_columns)
        for name, found in chain([("ours", ours)], others)
    ]
    return pd.concat(tables, ignore_index=True)


def baselines(
    examples: Table,
    wanted: Table,
    descriptors: Table,
    classes: Sequence[str],
    params: PredictParams,
    waveforms: Packed | None = None,
) -> Iterator[tuple[str, Floats]]:
    """Yield the name and the log-probabilities (n_wanted, n_classes) of each baseline.

    `log_mel` alone needs the waveforms.
    """
    rows = examples[["segment_id"]].merge(descriptors, on="segment_id", how="left")
    if rows["duration_s"].isna().any():
        first = rows.loc[rows["duration_s"].isna(), "segment_id"].iloc[0]
        raise ValueError(f"segment {first!r} has no row in descriptors: run featurize again")
    train = (examples["subset"] == "train").to_numpy()
    if not train.any():
        return
    for name in params.baselines:
        if name == "most_frequent":
            yield name, most_frequent(examples["label"][train], classes, len(wanted))
            continue
        told = _heard(name, rows, train, waveforms)
        c = LOG_MEL_C if name == "log_mel" else 1.0
        yield name, logistic(told, examples, wanted, classes, params, c)
    if not params.audit:
        return
    for name in PROPERTIES:
        if rows[name].nunique() > 1:
            alone = property_features(rows, [name], train)
            yield f"{ALONE}{name}", logistic(alone, examples, wanted, classes, params)
    for name, levels in metadata_features(examples, params.metadata, train).items():
        yield f"{ALONE}{name}", logistic(levels, examples, wanted, classes, params)


def _heard(name: str, rows: Table, train: Array, waveforms: Packed | None) -> Floats:
    if name == "mfcc":
        return mfcc_features(rows)
    if name == "recording":
        return property_features(rows, RECORDING, train)
    if waveforms is None:
        raise ValueError(
            "the baseline log_mel needs the waveforms, which this stage does not have: leave it "
            "out of predict.baselines"
        )
    return log_mel_statistics(waveforms, rows["segment_id"].tolist())
