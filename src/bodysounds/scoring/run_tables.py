"""Runs of several methods over folds or seeds, as one table of predictions.

A run is a table with `KEPT`, method and p_<class> of the rows that did not teach it; a run that
was not asked for has no rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bodysounds.metrics.respiratory import icbhi_score
from bodysounds.scoring.classes import prediction_table
from bodysounds.scoring.classify import ALONE
from bodysounds.scoring.member_tables import PREFIX, classes_of
from bodysounds.types import Array, Metrics, Table

log = logging.getLogger(__name__)

KEPT = ("segment_id", "label", "subset", "condition", "chooses")
OURS = "ours"
RUN_COLUMNS = (
    "method", "seed", "dev_score", "score", "se", "sp", "score_any", "se_any",
)  # fmt: skip


def no_run() -> Table:
    """Return a run without rows."""
    return pd.DataFrame({name: pd.Series([], dtype="str") for name in (*KEPT, "method")})


def named(run: Table) -> Array:
    """Return the class that is the most probable in each row, object (n,)."""
    classes = classes_of(run)
    order = run[[f"{PREFIX}{name}" for name in classes]].to_numpy(np.float64).argmax(axis=1)
    found: Array = np.array(classes, dtype=object)[order]
    return found


def dev_score(run: Table, negative: str) -> float:
    """Return the ICBHI Score, exact, of the rows that chose the run's epoch."""
    own = run[run["chooses"].astype(bool)]
    return icbhi_score(own["label"], named(own), negative=negative).score


def best_method(runs: Mapping[str, Table], negative: str) -> str:
    """Return the method whose run has the highest `dev_score`, the first of equals."""
    scores = {name: dev_score(run, negative) for name, run in runs.items() if len(run)}
    if not scores:
        raise ValueError("no method was trained: list one in runs.methods")
    return max(scores, key=scores.__getitem__)


def pool_folds(
    examples: Table,
    runs: Sequence[Mapping[str, Table]],
    by_cycle: Sequence[Table],
    baselines: Sequence[Table],
    negative: str,
    most: int,
) -> Table:
    """Return the predictions of every method on the folds it was not taught, pooled.

    Parameters
    ----------
    examples : Table
        Of the task; each must be tested once.
    runs : one {method: run} a fold
    by_cycle : one run a fold, dealt by random cycle; those without rows are left out.
    baselines : one table of predictions a fold
    negative : str
        The class without a finding.
    most : int
        Of `prediction_table`.

    Returns
    -------
    predictions : Table
        Of the systems `ours` (in each fold the method whose inner dev scored best), each method and
        each baseline, test rows only, with fold and method (that spoke; of baselines missing); the
        rows by random cycle are `ours` again, of the condition `random_cycle`.

    Raises ValueError where a method was not trained in each fold, or a cycle not tested once.
    """
    parts = []
    for fold, tables in enumerate(runs):
        chosen = best_method(tables, negative)
        systems = {OURS: tables[chosen], **{n: run for n, run in tables.items() if len(run)}}
        told = [said(name, _tested(run), most) for name, run in systems.items()]
        if len(by_cycle[fold]):
            told.append(said(OURS, _tested(by_cycle[fold]), most))
        parts += [table.assign(fold=fold) for table in (*told, baselines[fold])]
    return _complete(in_order(pd.concat(parts, ignore_index=True)), examples)


def _tested(run: Table) -> Table:
    return run[run["subset"] == "test"]


def _complete(pooled: Table, examples: Table) -> Table:
    """Return the systems that speak of every cycle once; only a property may be left out."""
    wanted = sorted(examples["segment_id"])
    for (system, condition), own in pooled.groupby(["system", "condition"]):
        if sorted(own["segment_id"]) == wanted:
            continue
        if not str(system).startswith(ALONE):
            raise ValueError(
                f"{system} ({condition}) speaks {len(own)} times of {len(wanted)} cycles, and each "
                "is tested once: set split_patients.folds to 5, and train all folds alike"
            )
        log.info("%s is left out: it does not vary in the training of every fold", system)
        pooled = pooled[pooled["system"] != system]
    return pooled.reset_index(drop=True)


def gather_seeds(
    runs: Sequence[Mapping[str, Table]],
    baselines: Table,
    negative: str,
    most: int,
    first_seed: int = 0,
) -> tuple[Table, Table]:
    """Return a row a run, and the predictions of each method by the mean of its probabilities.

    Parameters
    ----------
    runs : one {method: run} a seed
    baselines : Table
        Predictions on the same split.
    negative, most
        As in `pool_folds`.

    Returns
    -------
    table : Table
        `RUN_COLUMNS`, by method, then seed: the ICBHI Score of the rows that chose the epoch, and
        under both definitions on all of test, whoever was heard.
    predictions : Table
        Systems `ours`, the method of the highest mean dev_score, each method and each baseline.
    """
    rows, mean = [], {}
    for name in runs[0]:
        own = {first_seed + k: run[name] for k, run in enumerate(runs) if len(run[name])}
        rows += [{"method": name, "seed": k, **rates_of(run, negative)} for k, run in own.items()]
        if own:
            mean[name] = mean_run(list(own.values()))
    if not rows:
        raise ValueError("no run was trained: list a method in runs.methods")
    table = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    chosen = str(table.groupby("method", sort=False)["dev_score"].mean().idxmax())
    systems = {OURS: mean[chosen], **mean}
    parts = [said(name, run, most) for name, run in systems.items()]
    return table, in_order(pd.concat([*parts, baselines], ignore_index=True))


def rates_of(run: Table, negative: str) -> dict[str, float]:
    """Return dev_score, and the rates of test under both definitions of sensitivity."""
    test = run[run["subset"] == "test"]
    exact = icbhi_score(test["label"], named(test), "exact", negative)
    some = icbhi_score(test["label"], named(test), "any", negative)
    return {
        "dev_score": dev_score(run, negative),
        **exact._asdict(),
        "score_any": some.score,
        "se_any": some.se,
    }


def mean_run(runs: Sequence[Table]) -> Table:
    """Return a run of the mean probabilities; ValueError where the runs are of other rows."""
    first = runs[0]
    columns = [PREFIX + name for name in classes_of(first)]
    for other in runs:
        if list(other["segment_id"]) != list(first["segment_id"]) or set(columns) - set(other):
            raise ValueError("the runs do not speak of the same cycles: train them on one split")
    mean = np.mean([run[columns].to_numpy(np.float64) for run in runs], axis=0)
    return first.assign(**{name: mean[:, k] for k, name in enumerate(columns)})


def said(system: str, run: Table, most: int) -> Table:
    """Return a run as `prediction_table`, with the method that spoke."""
    classes = classes_of(run)
    with np.errstate(divide="ignore"):
        told = np.log(run[[f"{PREFIX}{name}" for name in classes]].to_numpy(np.float64))
    table = prediction_table(system, run, told, classes, most)
    return table.assign(method=run["method"].to_numpy(object)).astype({"method": "str"})


def in_order(predictions: Table) -> Table:
    """Return predictions with a system's rows together, in the order in which systems came."""
    order = {name: k for k, name in enumerate(predictions["system"].unique())}
    place = predictions["system"].map(order)
    return (
        predictions.assign(place=place)
        .sort_values(["place", "condition", "segment_id"], ignore_index=True)
        .drop(columns="place")
    )


def fold_rule(runs: Sequence[Mapping[str, Table]], negative: str) -> Metrics:
    """Return the classes, the methods, and by fold each method's dev_score and the one chosen."""
    methods = [name for name, run in runs[0].items() if len(run)]
    return {
        "labels": classes_of(runs[0][methods[0]]),
        "members": methods,
        "chosen": "the method that scored best in the dev of each fold",
        "chosen_by": "dev",
        "choices": [
            {
                "fold": fold,
                "chosen": best_method(tables, negative),
                "dev_score": {name: dev_score(tables[name], negative) for name in methods},
            }
            for fold, tables in enumerate(runs)
        ],
    }


def seed_rule(runs: Sequence[Mapping[str, Table]], table: Table) -> Metrics:
    """Return the classes, the methods, each one's mean dev_score, and the one chosen by it.

    `runs` and `table` are those of `gather_seeds`; chosen_by is dev, or test where that chose the
    epochs too, as the protocol `published` has it.
    """
    means = table.groupby("method", sort=False)["dev_score"].mean()
    some = next(run for tables in runs for run in tables.values() if len(run))
    chose = set(some.loc[some["chooses"].astype(bool), "subset"])
    return {
        "labels": classes_of(some),
        "members": list(means.index),
        "chosen": str(means.idxmax()),
        "chosen_by": "test" if "test" in chose else "dev",
        "dev_score": {str(name): float(value) for name, value in means.items()},
    }
