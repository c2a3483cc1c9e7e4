"""What else the embeddings of a classifier tell: abnormal or not, and what a patient has.

A linear probe: logistic regression on what is frozen, its penalty chosen on dev, and test
classified once.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bodysounds.params.tasks import TasksParams
from bodysounds.scoring.class_baselines import standardised
from bodysounds.types import Array, Floats, Metrics, Table

ABNORMAL, UNSEEN = "abnormal", "unseen_patient"
FIRST = ("task", "system", "unit_id", "patient", "condition", "label", "predicted")


def task_predictions(
    features: Mapping[str, Floats], examples: Table, params: TasksParams
) -> tuple[Table, Metrics]:
    """Return what logistic regression on each system's features says of test, and how it was fit.

    Parameters
    ----------
    features : dict of float arrays (n, dim), finite
        By system: `ours`, the embeddings, and what stands beside them. A row an example.
    examples : Table
        segment_id, label, subset, condition, session_id (the patient), and diagnosis for the task
        of that name.

    Returns
    -------
    predictions : Table
        task, system, unit_id (the cycle of `binary`, the patient of `diagnosis`), patient,
        condition, label, predicted, and float64 p_<class> for the classes of all tasks, NaN for
        those of another task. A row for each unit of test, of patients whom training did not hear
        where there are some, by task and system as asked for, then unit_id.
    facts : dict
        {task: {classes, c {system: number}, chosen_on (`dev`, or None), n_train, n_dev, n_test
        (units), n_heard (test units left out, for training heard their patients), left_out
        {diagnosis: patients}, skipped (None, or a sentence)}}.

    A patient is the mean of the log-probabilities of its cycles. In the fit classes weigh alike
    and, of `diagnosis`, patients within a class. Rows may come in any order. Raises ValueError for
    features of another length or that are not finite, and for a patient of two diagnoses.
    """
    order = np.argsort(examples["segment_id"].to_numpy(object).astype(str), kind="stable")
    table = examples.iloc[order].reset_index(drop=True)
    ordered = {name: _checked(name, found, examples)[order] for name, found in features.items()}
    tables, facts = [], {}
    for task in params.tasks:
        units, left_out, why = (_diagnosis if task == "diagnosis" else _binary)(table, params)
        parts, told = _parts(task, units, why)
        facts[task] = {**told, "left_out": left_out, "c": {}}
        for system in () if told["skipped"] else ordered:
            found, c = _probe(parts, ordered[system], told["classes"], params)
            found.insert(0, "system", system)
            found.insert(0, "task", task)
            facts[task]["c"][system] = c
            tables.append(found)
    return _one_table(tables), facts


def _checked(name: str, features: Floats, examples: Table) -> Floats:
    values = np.asarray(features)
    if values.ndim != 2 or len(values) != len(examples):
        raise ValueError(
            f"features of {name} must have a row for each of the {len(examples)} examples, "
            f"got {values.shape}"
        )
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        first = examples["segment_id"].iloc[int(np.argmin(finite))]
        raise ValueError(f"the features of {name} are not finite for {first}")
    return values.astype(np.float64)


def _binary(table: Table, params: TasksParams) -> tuple[Table, dict[str, int], str | None]:
    """Return the rows with `class`, `unit` and its share of `weight`; nobody is left out."""
    own = table["label"].where(table["label"] == params.negative, ABNORMAL)
    return _told(table, own, table["segment_id"]), {}, None


def _diagnosis(table: Table, params: TasksParams) -> tuple[Table, dict[str, int], str | None]:
    """Return the same of patients, those left out by diagnosis, and why there is no such task."""
    if "diagnosis" not in table or table["diagnosis"].isna().all():
        nobody = table.iloc[:0]
        why = "the task diagnosis is skipped: the corpus names no diagnosis of a patient"
        return _told(nobody, nobody["label"], nobody["session_id"]), {}, why
    named = table["diagnosis"].astype(object)
    patients = table["session_id"].astype(object)
    several = named.groupby(patients).nunique()
    if (several > 1).any():
        name = str(several.index[int(np.argmax(several > 1))])
        both = sorted(set(named[patients == name].dropna()))
        raise ValueError(
            f"patient {name} has the diagnoses {' and '.join(both)}: a patient is of one group, "
            "correct the table of diagnoses"
        )
    group = {own: name for name, names in params.diagnoses.items() for own in names}
    told = named.map(group)
    out = pd.DataFrame({"diagnosis": named.fillna("unknown"), "patient": patients})[told.isna()]
    left_out = out.groupby("diagnosis")["patient"].nunique().sort_index()
    counts = {str(name): int(n) for name, n in left_out.items()}
    kept = told.notna()
    return _told(table[kept], told[kept], table["session_id"][kept]), counts, None


def _told(rows: Table, classes: pd.Series[str], units: pd.Series[str]) -> Table:
    rows = rows.copy()
    rows["class"], rows["unit"] = classes.astype(object), units.astype(object)
    # a patient of many cycles counts like one of few
    rows["weight"] = 1.0 / rows.groupby(["subset", "unit"])["unit"].transform("size")
    return rows


def _parts(task: str, rows: Table, why: str | None) -> tuple[dict[str, Table], Metrics]:
    """Return the rows of train, dev and test, and facts; `why` the task is skipped, if it is."""
    parts = {name: rows[rows["subset"] == name] for name in ("train", "dev", "test")}
    unheard = parts["test"][parts["test"]["condition"] == UNSEEN]
    tested = parts["test"]["unit"].nunique()
    if len(unheard):
        parts["test"] = unheard
    classes = sorted(set(parts["train"]["class"]))
    facts: Metrics = {f"n_{name}": int(part["unit"].nunique()) for name, part in parts.items()}
    return parts, {
        **facts,
        "classes": classes,
        "n_heard": int(tested - facts["n_test"]),
        "chosen_on": "dev" if parts["dev"]["class"].isin(classes).any() else None,
        "skipped": why or _skipped(task, parts, classes),
    }


def _probe(
    parts: Mapping[str, Table], values: Floats, classes: Sequence[str], params: TasksParams
) -> tuple[Table, float]:
    """Return the test units as one system has them, and the penalty that dev chose."""
    train = parts["train"].index.to_numpy()
    standard = standardised(values, train)
    own = parts["train"]["class"].to_numpy(object)
    weight = _weights(own, parts["train"]["weight"].to_numpy(np.float64))

    def told(c: float, asked: Table) -> Table:
        said = _said(standard, train, own, weight, c, asked, params)
        return _units(asked, said, classes)

    choices = sorted(float(c) for c in params.c)
    c, dev = choices[len(choices) // 2], parts["dev"]
    dev = dev[dev["class"].isin(classes)]
    if len(dev):
        c = choices[int(np.argmin([_loss(told(c, dev), classes) for c in choices]))]
    return told(c, parts["test"]), c


def _skipped(task: str, parts: dict[str, Table], classes: Sequence[str]) -> str | None:
    for name in ("train", "test"):
        there = sorted(set(parts[name]["class"]))
        if len(there) < 2:
            told = f"only {there[0]}" if there else "nothing that is known"
            return f"the task {task} is skipped: {name} has {told}, and it takes two classes"
    strange = sorted(set(parts["test"]["class"]) - set(classes))
    if strange:
        return f"the task {task} is skipped: test has {strange[0]}, which train does not know"
    return None


def _weights(classes: Array, weights: Floats) -> Floats:
    """Return weights with which classes weigh alike in sum; their mean is 1."""
    total = pd.Series(weights).groupby(classes).transform("sum").to_numpy(np.float64)
    even: Floats = weights / total * len(weights) / len(set(classes))
    return even


def _said(
    standard: Floats,
    train: Array,
    classes: Array,
    weights: Floats,
    c: float,
    asked: Table,
    params: TasksParams,
) -> Floats:
    """Return log-probabilities (n_asked, n_classes), columns in alphabetical order."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(C=c, max_iter=params.max_iterations)
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore")  # a fit that has not quite converged still stands
        model.fit(standard[train], classes.astype(str), sample_weight=weights)
    said: Floats = np.asarray(model.predict_log_proba(standard[asked.index.to_numpy()]))
    return said


def _units(asked: Table, said: Floats, classes: Sequence[str]) -> Table:
    """Return a row a unit: its rows' mean log-probabilities, as probabilities that sum to 1."""
    names = [f"p_{name}" for name in classes]
    votes = pd.DataFrame(said, columns=names).assign(unit=asked["unit"].to_numpy(object))
    means = votes.groupby("unit", sort=True)[names].mean()
    first = asked.drop_duplicates("unit").set_index("unit").loc[means.index]
    share = np.exp(means - means.to_numpy().max(axis=1, keepdims=True))
    share = share.div(share.sum(axis=1), axis=0).reset_index(drop=True)
    told = {
        "unit_id": means.index.to_numpy(object),
        "patient": first["session_id"].to_numpy(object),
        "condition": first["condition"].to_numpy(object),
        "label": first["class"].to_numpy(object),
        "predicted": np.asarray(classes, dtype=object)[means.to_numpy().argmax(axis=1)],
    }
    table: Table = pd.concat([pd.DataFrame(told), share], axis=1)
    return table


def _loss(units: Table, classes: Sequence[str]) -> float:
    """Return the mean negative logarithm of the true class's probability, classes alike."""
    names = [f"p_{name}" for name in classes]
    column = pd.Index(classes).get_indexer(pd.Index(units["label"]))
    own = units[names].to_numpy()[np.arange(len(units)), column]
    losses = -np.log(np.maximum(own, 1e-12))
    return float(np.mean([losses[column == k].mean() for k in sorted(set(column))]))


def _one_table(tables: Sequence[Table]) -> Table:
    nothing = pd.DataFrame({name: pd.Series([], dtype="str") for name in FIRST})
    table = pd.concat(tables, ignore_index=True) if tables else nothing
    numbers = sorted(name for name in map(str, table.columns) if name.startswith("p_"))
    return table[[*FIRST, *numbers]].astype(dict.fromkeys(FIRST, "str"))
