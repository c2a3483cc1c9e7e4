"""The rule of an ensemble: fitted out of fold, chosen on dev, and all of it plain JSON.

Three kinds of data decide three things. Temperatures, weights and the meta-classifier are fitted on
out-of-fold predictions of train; dev chooses which system answers, and when none does; test is only
ever scored. Figures of dev flatter what dev chose.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from bodysounds.metrics.classification import class_rates, tallies
from bodysounds.params.ensemble import EnsembleParams
from bodysounds.params.predict import PredictParams
from bodysounds.scoring.abstain import choose_abstain
from bodysounds.scoring.classes import class_order, prediction_table
from bodysounds.scoring.classify import baselines
from bodysounds.scoring.ensemble import COMBINATIONS, abstained, all_systems
from bodysounds.scoring.events import EventRules
from bodysounds.scoring.member_tables import beside, classes_of
from bodysounds.scoring.stacking import cross_fitted, fit_combinations
from bodysounds.scoring.temperature import calibration_figures
from bodysounds.types import Array, Floats, Metrics, Table

logger = logging.getLogger(__name__)


def make_rule(
    unheard: Mapping[str, Table],
    predicted: Mapping[str, Table],
    examples: Table,
    params: EnsembleParams,
    heard: Metrics,
) -> Metrics:
    """Return the rule of an ensemble.

    Parameters
    ----------
    unheard : {member: Table}
        Out-of-fold predictions of train: segment_id, label, fold, p_<class>.
    predicted : {member: Table}
        Predictions of dev, and of others, which are not looked at.
    examples : Table
        segment_id, label, subset.
    heard : dict
        What the members hear: clip_s, sample_rate, short.

    Returns
    -------
    rule : dict
        labels, members, temperatures {member}, weights {member}, meta, chosen, abstain (see
        `choose_abstain`), clip_s, hop_s (seconds), sample_rate, short, usable, events; and, to
        be read, `out_of_fold` and `dev` {system: {accuracy, balanced_accuracy, macro_f1, log_loss,
        brier, ece}}, the former cross-fitted by fold, and `uncalibrated` {member: {log_loss, brier,
        ece}}, out of fold.

    Raises ValueError as `beside` and `fit_combinations`, and where dev has no example.
    """
    classes = classes_of(next(iter(unheard.values())))
    rows, members = beside(unheard, examples, classes)
    folds = beside_folds(unheard, rows)
    labels = rows["label"].to_numpy(object)
    rule = fit_combinations(labels, members, classes, params.meta_c)
    own = cross_fitted(labels, members, folds, classes, params.meta_c)
    dev = set(examples.loc[examples["subset"] == "dev", "segment_id"])
    if not dev:
        raise ValueError("no example is of dev, which chooses the ensemble: raise val_size")
    parts = {name: table[table["segment_id"].isin(dev)] for name, table in predicted.items()}
    dev_rows, dev_members = beside(parts, examples, classes)
    dev_labels = dev_rows["label"].to_numpy(object)
    told = all_systems(rule, dev_members)
    figures = _figures(dev_labels, told, classes, params.n_bins)
    chosen = choose_system(figures, params)
    logger.info("the ensemble answers by %s", chosen)
    quiet = params.events.get("quiet", EventRules.quiet)
    if quiet not in classes:
        logger.warning(
            "ensemble.events.quiet is %r, which is none of the classes (%s): each of them is an "
            "event, and no false alarms are counted", quiet, ", ".join(classes),
        )  # fmt: skip
    return {
        **rule,
        **heard,
        "hop_s": heard["clip_s"] * params.hop_share,
        "chosen": chosen,
        "chosen_by": "dev" if params.choose == "auto" else "parameter",
        "abstain": choose_abstain(
            dev_labels, told[chosen], classes, params.abstain, params.abstain_value
        ),
        "usable": params.usable,
        "events": dict(params.events),
        "n_out_of_fold": len(rows),
        "n_dev": len(dev_rows),
        "out_of_fold": _figures(labels, own, classes, params.n_bins),
        "uncalibrated": {
            name: calibration_figures(labels, table, classes, params.n_bins)
            for name, table in members.items()
        },
        "dev": figures,
    }


def beside_folds(unheard: Mapping[str, Table], rows: Table) -> Array:
    """Return the fold of each row; ValueError where the members were folded differently."""
    columns = {
        name: table.set_index("segment_id")["fold"].reindex(rows["segment_id"]).to_numpy()
        for name, table in unheard.items()
    }
    first, *others = columns.values()
    if any((first != other).any() for other in others):
        raise ValueError("the members were trained on different folds: train them on one split")
    return np.asarray(first)


def choose_system(figures: Mapping[str, Metrics], params: EnsembleParams) -> str:
    """Return the system that answers: the parameter's, or with `auto` the best by dev's figures.

    Of systems that are equal in all that is compared, a combination comes before a member. Raises
    ValueError for a name that is no system.
    """
    if params.choose != "auto":
        if params.choose not in figures:
            raise ValueError(
                f"ensemble.choose must be auto, {', '.join(figures)}, got {params.choose!r}"
            )
        return params.choose
    order = [*COMBINATIONS, *(name for name in figures if name not in COMBINATIONS)]

    def worth(name: str) -> tuple[float, float, int]:
        own = figures[name]
        first = own["balanced_accuracy"] if params.choose_by == "balanced_accuracy" else 0.0
        return -first, own["log_loss"], order.index(name)

    return min(figures, key=worth)


def combined_predictions(
    rule: Metrics,
    members: Mapping[str, Floats],
    wanted: Table,
    examples: Table,
    descriptors: Table,
    params: PredictParams,
) -> Table:
    """Return `prediction_table` of ours, each member, each combination and each baseline.

    `members` are log-probabilities of the rows of `wanted`, uncalibrated; baselines are fitted on
    the examples of train. Beside its columns there is `abstained`, which only ours can be.
    """
    classes = class_order(rule["labels"], examples["label"])
    told = all_systems(rule, members)
    ours = told[rule["chosen"]]
    others = baselines(examples, wanted, descriptors, classes, params)
    tables = [
        prediction_table(name, wanted, found, classes, params.most_columns)
        for name, found in chain([("ours", ours)], told.items(), others)
    ]
    silent = abstained(rule, ours)
    for number, table in enumerate(tables):
        table["abstained"] = silent if number == 0 else False
    return pd.concat(tables, ignore_index=True)


def _figures(
    labels: Array, systems: Mapping[str, Floats], classes: Sequence[str], n_bins: int
) -> dict[str, Metrics]:
    names = np.asarray(classes, dtype=object)
    return {
        system: class_rates(*tallies(labels, names[table.argmax(axis=1)]))
        | calibration_figures(labels, table, classes, n_bins)
        for system, table in systems.items()
    }
