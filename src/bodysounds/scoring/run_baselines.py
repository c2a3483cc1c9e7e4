"""What several runs must beat: the baselines, fitted on each split of theirs."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from bodysounds.params.predict import PredictParams
from bodysounds.params.runs import RunsParams
from bodysounds.params.split_patients import SplitPatientsParams
from bodysounds.scoring.classes import prediction_table
from bodysounds.scoring.classify import baselines
from bodysounds.splitting.patient_folds import of_fold
from bodysounds.types import Packed, Table

BY_CYCLE = "log_mel"
"""The baseline that is fitted on folds dealt by random cycle too."""


def split_baselines(
    packed: Packed, examples: Table, descriptors: Table, params: PredictParams
) -> Table:
    """Return the predictions of every baseline, and of the audit, on dev and test."""
    classes = sorted(set(examples["label"]))
    wanted = examples[examples["subset"] != "train"].sort_values("segment_id", ignore_index=True)
    found = baselines(examples, wanted, descriptors, classes, params, packed)
    tables = [
        prediction_table(name, wanted, told, classes, params.most_columns) for name, told in found
    ]
    return pd.concat(tables, ignore_index=True)


def fold_baselines(
    packed: Packed,
    examples: Table,
    descriptors: Table,
    split: SplitPatientsParams,
    params: PredictParams,
    runs: RunsParams,
    fold: int,
) -> Table:
    """Return the predictions of the baselines on the test cycles of a fold.

    With `runs.by_cycle`, those of `BY_CYCLE` on the fold dealt by random cycle follow.
    """
    tables = [split_baselines(packed, of_fold(examples, fold, split), descriptors, params)]
    if runs.by_cycle and BY_CYCLE in params.baselines:
        alone = replace(params, baselines=[BY_CYCLE], audit=False)
        mixed = of_fold(examples, fold, split, by_cycle=True)
        tables.append(split_baselines(packed, mixed, descriptors, alone))
    whole = pd.concat(tables, ignore_index=True)
    return whole[whole["subset"] == "test"].reset_index(drop=True)
