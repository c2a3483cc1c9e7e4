"""Nodes of `ensemble`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bodysounds.params.ensemble import EnsembleParams
from bodysounds.params.featurize import FeaturizeParams
from bodysounds.params.predict import PredictParams
from bodysounds.params.split_sources import SplitSourcesParams
from bodysounds.types import Classifier, Ensemble, Metrics, Packed, Table

log = logging.getLogger(__name__)


def learn_rule(
    examples: Table,
    split: SplitSourcesParams,
    featurize: FeaturizeParams,
    params: EnsembleParams,
    *,
    members: Sequence[str],
    folds: int,
    **tables: Table,
) -> Metrics:
    """Return the rule: fitted on out-of-fold predictions, chosen on dev."""
    from bodysounds.scoring.member_tables import out_of_fold
    from bodysounds.scoring.rule import make_rule

    unheard = {
        name: out_of_fold([tables[f"{name}_fold_{k}"] for k in range(folds)], name, examples)
        for name in members
    }
    predicted = {name: tables[f"{name}_predicted"] for name in members}
    heard = {
        "clip_s": split.window_s,
        "sample_rate": featurize.sample_rate,
        # where short recordings were dropped, one that comes later is repeated
        "short": "zeros" if split.short == "zeros" else "repeat",
    }
    return make_rule(unheard, predicted, examples, params, heard)


def combine(
    rule: Metrics, examples: Table, descriptors: Table, params: PredictParams, **predicted: Table
) -> Table:
    """Return what the ensemble, its members and the baselines say of each window."""
    from bodysounds.scoring.member_tables import beside
    from bodysounds.scoring.rule import combined_predictions

    rows, members = beside(predicted, examples, rule["labels"])
    return combined_predictions(rule, members, rows, examples, descriptors, params)


def bundle_up(rule: Metrics, **members: Classifier) -> Ensemble:
    """Return the ensemble as one thing that can be saved and asked."""
    from bodysounds.models.ensemble import Ensemble

    return Ensemble(members, rule)


def ask(
    bundle: Ensemble,
    waveforms: Packed,
    examples: Table,
    descriptors: Table,
    manifest: Table,
    subsets: Table,
    params: PredictParams,
) -> Table:
    """Return what a bundle, its members and the baselines say of each window."""
    from bodysounds.models.ensemble import said_of
    from bodysounds.models.heard import warning_of
    from bodysounds.scoring.classes import rated_examples
    from bodysounds.scoring.rule import combined_predictions

    for name, member in bundle.members.items():
        told = warning_of(member.encoder, manifest, subsets)
        if told:
            log.warning("%s: %s", name, told)
    wanted = rated_examples(examples, params.max_train, params.seed)
    members = said_of(bundle, waveforms, wanted["segment_id"].tolist())
    return combined_predictions(bundle.rule, members, wanted, examples, descriptors, params)
