"""Tasks from embeddings: abnormal or not, and what a patient has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from bodysounds.params import ReportClassesParams
from bodysounds.params.tasks import TasksParams
from bodysounds.reporting.respiratory_tasks import tasks_of
from bodysounds.scoring.downstream import task_predictions

GROUPS = {"Healthy": 0, "COPD": 1, "Asthma": 1, "URTI": 2}
PARAMS = TasksParams()


def cohort(seed: int = 0, signal: float = 2.0) -> tuple[np.ndarray, pd.DataFrame]:
    """Forty patients of 3 to 14 cycles; embeddings know class and diagnosis."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(40):
        diagnosis = list(GROUPS)[patient % 4]
        subset = ("train", "train", "dev", "test", "train")[patient // 4 % 5]
        for k in range(int(rng.integers(3, 15))):
            label = rng.choice(["normal", "normal", "crackle", "wheeze", "both"])
            rows.append((f"{patient:03d}#{k:02d}", f"{patient:03d}", diagnosis, subset, label))
    table = pd.DataFrame(rows, columns=["segment_id", "session_id", "diagnosis", "subset", "label"])
    table["condition"] = np.where(table["subset"] == "train", "train", "unseen_patient")
    values = rng.standard_normal((len(table), 12))
    values[:, 0] += signal * (table["label"] != "normal")
    group = table["diagnosis"].map(GROUPS).to_numpy()
    for k in range(3):
        values[:, 1 + k] += signal * (group == k)
    values[:, 11] = 3.0
    return values.astype(np.float32), table


def test_a_probe_is_a_regression_that_dev_chose() -> None:
    values, table = cohort()
    found, facts = task_predictions({"ours": values}, table, TasksParams(tasks=["binary"]))
    train, dev, test = (np.flatnonzero(table["subset"] == name) for name in
                        ("train", "dev", "test"))  # fmt: skip
    spread = values[train].std(axis=0)
    standard = (values - values[train].mean(axis=0)) / np.where(spread > 0, spread, 1)
    own = np.where(table["label"] == "normal", "normal", "abnormal")
    losses = {}
    for c in PARAMS.c:
        model = LogisticRegression(C=c, max_iter=500, class_weight="balanced")
        model.fit(standard[train].astype(float), own[train])
        said = model.predict_log_proba(standard[dev].astype(float))
        losses[c] = -np.mean([said[own[dev] == name, k].mean() for k, name in
                              enumerate(model.classes_)])  # fmt: skip
    best = min(losses, key=losses.__getitem__)
    assert facts["binary"]["c"] == {"ours": best}
    assert facts["binary"]["chosen_on"] == "dev"
    model = LogisticRegression(C=best, max_iter=500, class_weight="balanced")
    slow = model.fit(standard[train], own[train]).predict_proba(standard[test])
    assert found["unit_id"].tolist() == table["segment_id"].iloc[test].tolist()
    assert found[["p_abnormal", "p_normal"]].to_numpy() == pytest.approx(slow, abs=2e-3)
    assert (found["predicted"] == np.where(found["p_abnormal"] > 0.5, "abnormal", "normal")).all()
    assert (found["label"].to_numpy() == own[test]).all()


def test_a_patient_is_the_vote_of_its_cycles() -> None:
    values, table = cohort()
    found, facts = task_predictions({"ours": values}, table, PARAMS)
    own = found[found["task"] == "diagnosis"]
    assert facts["diagnosis"]["classes"] == ["acute", "chronic", "healthy"]
    tested = sorted(set(table.loc[table["subset"] == "test", "session_id"]))
    assert own["unit_id"].tolist() == own["patient"].tolist() == tested
    assert (own["label"] == own["predicted"]).mean() > 0.9
    names = ["p_acute", "p_chronic", "p_healthy"]
    assert own[names].sum(axis=1).to_numpy() == pytest.approx(1)
    assert own[["p_abnormal", "p_normal"]].isna().all(axis=None)
    # a patient's vote is the geometric mean of its cycles, each asked as a patient of its own
    first = tested[0]
    rows = table["session_id"] == first
    alone = table.copy()
    alone.loc[rows, "session_id"] = table.loc[rows, "segment_id"]
    split, _ = task_predictions({"ours": values}, alone, TasksParams(tasks=["diagnosis"]))
    cycles = split[split["unit_id"].str.startswith(f"{first}#")][names].to_numpy()
    mean = np.exp(np.log(cycles).mean(axis=0))
    assert own.loc[own["unit_id"] == first, names].to_numpy()[0] == pytest.approx(mean / mean.sum())


def test_rows_may_come_in_any_order() -> None:
    values, table = cohort()
    order = np.random.default_rng(1).permutation(len(table))
    found, facts = task_predictions({"ours": values, "log_mel": values[:, :2]}, table, PARAMS)
    again, told = task_predictions(
        {"ours": values[order], "log_mel": values[order, :2]}, table.iloc[order], PARAMS
    )
    pd.testing.assert_frame_equal(found, again, check_exact=True)
    assert facts == told
    assert found.groupby(["task", "system"]).ngroups == 4


def test_test_labels_change_no_prediction() -> None:
    values, table = cohort()
    other = table.copy()
    other.loc[other["subset"] == "test", "label"] = "wheeze"
    other.loc[other["segment_id"] == other.loc[other["subset"] == "test", "segment_id"].min(),
              "label"] = "normal"  # fmt: skip
    first, second = (task_predictions({"ours": values}, rows, PARAMS)[0] for rows in (table, other))
    numbers = [name for name in first if name.startswith("p_")]
    assert first[numbers].equals(second[numbers])


def test_who_has_no_known_diagnosis_is_left_out_and_counted() -> None:
    values, table = cohort()
    ill = table["session_id"].isin(["000", "003"])
    table.loc[ill, "diagnosis"] = np.nan
    table.loc[table["session_id"] == "013", "diagnosis"] = "Sarcoidosis"
    found, facts = task_predictions({"ours": values}, table, PARAMS)
    assert facts["diagnosis"]["left_out"] == {"Sarcoidosis": 1, "unknown": 2}
    assert "013" not in set(found.loc[found["task"] == "diagnosis", "unit_id"])
    assert facts["diagnosis"]["n_train"] == 24 - 2
    assert facts["diagnosis"]["n_test"] == 8 - 1
    # their cycles are told apart all the same
    assert "013" in set(found.loc[found["task"] == "binary", "patient"])


def test_a_task_of_one_class_is_skipped_with_a_sentence() -> None:
    values, table = cohort()
    well = table.assign(diagnosis="Healthy")
    found, facts = task_predictions({"ours": values}, well, PARAMS)
    assert facts["diagnosis"]["skipped"] == (
        "the task diagnosis is skipped: train has only healthy, and it takes two classes"
    )
    assert set(found["task"]) == {"binary"}
    quiet = table.copy()
    quiet.loc[quiet["subset"] == "test", "label"] = "normal"
    facts = task_predictions({"ours": values}, quiet, PARAMS)[1]
    assert "test has only normal" in facts["binary"]["skipped"]
    none, facts = task_predictions({"ours": values}, quiet.drop(columns="diagnosis"), PARAMS)
    assert "names no diagnosis" in facts["diagnosis"]["skipped"]
    assert none.empty
    assert {"task", "unit_id", "patient", "label", "predicted"} <= set(none)
    strange = table[(table["diagnosis"] != "URTI") | (table["subset"] != "train")]
    facts = task_predictions({"ours": values[strange.index]}, strange, PARAMS)[1]
    assert "test has acute, which train does not know" in facts["diagnosis"]["skipped"]


def test_heard_patients_are_not_asked_and_test_never_chooses() -> None:
    values, table = cohort()
    heard = table["session_id"].isin(["012", "014"])
    assert set(table.loc[heard, "subset"]) == {"test"}
    table.loc[heard, "condition"] = "heard_patient"
    found, facts = task_predictions({"ours": values}, table, PARAMS)
    assert not set(found["patient"]) & {"012", "014"}
    assert facts["diagnosis"]["n_heard"] == 2
    assert facts["binary"]["n_heard"] == heard.sum()
    # the protocol `published` has no dev: its test rows choose the epoch, and nothing here
    table["subset"] = table["subset"].replace("dev", "train")
    table["chooses"] = table["subset"] == "test"
    facts = task_predictions({"ours": values}, table, PARAMS)[1]
    assert facts["binary"]["chosen_on"] is None
    assert facts["binary"]["c"] == {"ours": 0.01}


def test_classes_and_patients_weigh_alike() -> None:
    """One patient of many cycles does not decide what the others have."""
    values, table = cohort(signal=1.0)
    params = TasksParams(tasks=["diagnosis"], c=[0.1])
    found, _ = task_predictions({"ours": values}, table, params)
    train = np.flatnonzero(table["subset"] == "train")
    own = np.array(["healthy", "chronic", "acute"])[table["diagnosis"].map(GROUPS)][train]
    patient = table["session_id"].to_numpy()[train]
    weight = [
        len(train) / (3 * len(set(patient[own == own[row]])) * np.sum(patient == patient[row]))
        for row in range(len(train))
    ]
    spread = values[train].std(axis=0)
    standard = (values - values[train].mean(axis=0)) / np.where(spread > 0, spread, 1)
    model = LogisticRegression(C=0.1, max_iter=500)
    model.fit(standard[train].astype(float), own, sample_weight=weight)
    first = found["unit_id"].iloc[0]
    rows = (table["session_id"] == first).to_numpy()
    vote = np.exp(model.predict_log_proba(standard[rows].astype(float)).mean(axis=0))
    names = [f"p_{name}" for name in model.classes_]
    assert found[names].iloc[0].to_numpy() == pytest.approx(vote / vote.sum(), abs=1e-3)


def test_bad_input_is_refused() -> None:
    values, table = cohort()
    with pytest.raises(ValueError, match=r"features of ours must have a row for each of the \d+"):
        task_predictions({"ours": values[1:]}, table, PARAMS)
    broken = values.copy()
    broken[5, 0] = np.nan
    with pytest.raises(ValueError, match=f"not finite for {table['segment_id'][5]}"):
        task_predictions({"ours": broken}, table, PARAMS)
    two = table.copy()
    two.loc[two["segment_id"] == "000#00", "diagnosis"] = "COPD"
    with pytest.raises(ValueError, match="patient 000 has the diagnoses COPD and Healthy"):
        task_predictions({"ours": values}, two, PARAMS)
    for wrong, told in (
        ({"tasks": ["sex"]}, "tasks.tasks must be one of binary, diagnosis"),
        ({"c": []}, "tasks.c must be a list"),
        ({"c": [0]}, "tasks.c must lie in"),
        ({"diagnoses": {"a": ["A"], "b": ["A"]}}, "A in two groups"),
        ({"negative": ""}, "tasks.negative must name a class"),
    ):
        with pytest.raises(ValueError, match=told):
            TasksParams(**wrong)  # type: ignore[arg-type]


def test_the_report_rates_each_system_by_patient() -> None:
    values, table = cohort()
    noise = np.random.default_rng(5).standard_normal(values.shape)
    found, facts = task_predictions({"ours": values, "log_mel": noise}, table, PARAMS)
    params = ReportClassesParams(n_bootstrap=200)
    told: dict[str, Any] = tasks_of(found, params, "unseen_patient", facts)
    own = found[(found["task"] == "binary") & (found["system"] == "ours")]
    ill, said = own["label"] == "abnormal", own["predicted"] == "abnormal"
    assert told["binary"]["se"] == pytest.approx(said[ill].mean())
    assert told["binary"]["sp"] == pytest.approx((~said)[~ill].mean())
    assert told["binary"]["n_groups"] == own["patient"].nunique()
    beside = told["diagnosis"]["beside"]["log_mel"]
    gap = told["diagnosis"]["balanced_accuracy"] - beside["balanced_accuracy"]
    assert beside["ours_minus"]["difference"] == pytest.approx(gap)
    assert gap > 0.2
    assert told["diagnosis"]["fit"]["c"] == facts["diagnosis"]["c"]


def test_embeddings_are_what_the_head_reads(tmp_path: Any, one_thread: None) -> None:
    import torch

    from bodysounds.audio.packed import write_packed
    from bodysounds.models.class_embeddings import embeddings_of
    from bodysounds.models.classifier import Classifier, predict
    from bodysounds.models.encoder import Encoder
    from bodysounds.models.network import build_body, detached

    rng = np.random.default_rng(0)
    pieces = [(f"s{k:02d}", rng.integers(-9000, 9000, 3000 + 50 * k).astype(np.int16))
              for k in range(70)]  # fmt: skip
    packed = write_packed(tmp_path / "packed", pieces, 4000)
    architecture = {"name": "resnet18", "width": 4}
    front_end = {"name": "stft_image", "sample_rate": 4000, "clip_s": 0.5, "size": 32, "n_fft": 256}
    body = detached(build_body(architecture, 0))
    dim = 32
    torch.manual_seed(0)
    head = {"weight": torch.randn(4, dim), "bias": torch.randn(4)}
    known = Classifier(Encoder(body, architecture, front_end), head, list("abcd"))
    names = [name for name, _ in pieces]
    found = embeddings_of(known, packed, names, "cpu")
    assert found.shape == (70, dim)
    assert found.dtype == np.float32
    logits = found @ head["weight"].numpy().T + head["bias"].numpy()
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert logs == pytest.approx(predict(known, packed, names, "cpu"), abs=1e-4)
    order = rng.permutation(70)
    again = embeddings_of(known, packed, [names[k] for k in order], "cpu")
    assert (again == found[order]).all()
    with pytest.raises(ValueError, match="no audio, such as 'nobody'"):
        embeddings_of(known, packed, ["nobody"], "cpu")
    body["conv1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="embedding of segment 's00' is not finite"):
        embeddings_of(known, packed, names, "cpu")
