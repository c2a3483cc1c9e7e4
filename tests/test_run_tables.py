"""Runs over folds and seeds become one table: each cycle tested once, dev alone choosing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bodysounds import checks
from bodysounds.metrics.respiratory import icbhi_score
from bodysounds.models.classifier import Classifier, save_classifier
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import build_body
from bodysounds.params import (
    PredictParams,
    RunsParams,
    SplitPatientsParams,
    TrainRespiratoryParams,
)
from bodysounds.pipelines.runs.nodes import pool
from bodysounds.scoring.classes import prediction_table
from bodysounds.scoring.run_baselines import fold_baselines
from bodysounds.scoring.run_tables import (
    best_method,
    dev_score,
    fold_rule,
    gather_seeds,
    no_run,
    pool_folds,
    seed_rule,
)
from bodysounds.splitting.patient_folds import of_fold

CLASSES = ["both", "crackle", "normal", "wheeze"]
METHODS = ("sl", "scl", "hybrid")
SPLIT = SplitPatientsParams(dev_share=0.3)


def made(n: int = 40, cycles: int = 8, seed: int = 0) -> pd.DataFrame:
    """Examples as `split_patients` gives them, of n patients dealt to five folds."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"p{patient:02d}_1#{k:03d}", f"p{patient:02d}_1", f"p{patient:02d}", patient % 5,
         CLASSES[(patient // 5 + k) % 4], "ABCD"[patient % 4], rng.uniform(1, 5))
        for patient in range(n)
        for k in range(cycles)
    ]  # fmt: skip
    names = ["segment_id", "recording_id", "session_id", "fold", "label", "domain", "duration_s"]
    table = pd.DataFrame(rows, columns=names)
    table["subset"] = np.where(table["fold"] == 0, "test", "train")
    table.loc[table["fold"] == 1, "subset"] = "dev"
    table["condition"] = np.where(table["subset"] == "train", "train", "unseen_patient")
    table["chooses"] = table["subset"] == "dev"
    return table


def run(examples: pd.DataFrame, method: str, skill: float, seed: int) -> pd.DataFrame:
    """What a method of some skill says of dev and test."""
    rng = np.random.default_rng(seed)
    rest = examples[examples["subset"] != "train"].sort_values("segment_id", ignore_index=True)
    logits = rng.gumbel(size=(len(rest), 4))
    logits[np.arange(len(rest)), pd.Index(CLASSES).get_indexer(rest["label"])] += skill
    told = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    columns = pd.DataFrame(told.astype(np.float32), columns=[f"p_{name}" for name in CLASSES])
    kept = rest[["segment_id", "label", "subset", "condition", "chooses"]]
    return pd.concat([kept, columns], axis=1).assign(method=method)


def baseline(examples: pd.DataFrame) -> pd.DataFrame:
    rest = examples[examples["subset"] == "test"]
    told = np.log(np.tile([0.1, 0.1, 0.7, 0.1], (len(rest), 1)))
    return prediction_table("most_frequent", rest, told, CLASSES, 50)


def folds(examples: pd.DataFrame, by_cycle: bool = False) -> list[pd.DataFrame]:
    return [of_fold(examples, fold, SPLIT, by_cycle) for fold in range(5)]


@pytest.fixture(scope="module")
def examples() -> pd.DataFrame:
    return made()


@pytest.fixture(scope="module")
def runs(examples: pd.DataFrame) -> list[dict[str, pd.DataFrame]]:
    skills = {"sl": (1, 3, 1, 1, 2), "scl": (3, 1, 1, 2, 1), "hybrid": (1, 1, 3, 1, 1)}
    return [
        {name: run(table, name, skills[name][k], 10 * k + j) for j, name in enumerate(METHODS)}
        | {"mscl": no_run()}
        for k, table in enumerate(folds(examples))
    ]


def pooled(examples: pd.DataFrame, runs: Any, by_cycle: Any = None) -> pd.DataFrame:
    others = by_cycle if by_cycle is not None else [no_run()] * 5
    baselines = [baseline(table) for table in folds(examples)]
    found = pool_folds(examples, runs, others, baselines, "normal", 50)
    checks.predictions(found)
    return found


def test_ours_is_in_each_fold_what_its_own_dev_scored_best(
    examples: pd.DataFrame, runs: list[dict[str, pd.DataFrame]]
) -> None:
    found = pooled(examples, runs)
    assert list(found["system"].unique()) == ["ours", *METHODS, "most_frequent"]
    ours = found[found["system"] == "ours"].set_index("segment_id")
    for fold, tables in enumerate(runs):
        scores = {}
        for name in METHODS:
            dev = tables[name][tables[name]["subset"] == "dev"]
            said = [CLASSES[k] for k in dev[[f"p_{c}" for c in CLASSES]].to_numpy().argmax(axis=1)]
            right = np.array(said) == dev["label"].to_numpy()
            normal = (dev["label"] == "normal").to_numpy()
            scores[name] = (right[normal].mean() + right[~normal].mean()) / 2
            assert dev_score(tables[name], "normal") == pytest.approx(scores[name])
        best = max(scores, key=scores.__getitem__)
        own = ours[ours["fold"] == fold]
        assert set(own["method"]) == {best}
        test = tables[best][tables[best]["subset"] == "test"].set_index("segment_id")
        assert set(test.index) == set(own.index)
        np.testing.assert_allclose(own["p_wheeze"], test["p_wheeze"].loc[own.index], rtol=1e-6)
    rule = fold_rule(runs, "normal")
    assert rule["members"] == list(METHODS)
    assert rule["labels"] == CLASSES
    chosen = ours.groupby("fold")["method"].first()
    assert [choice["chosen"] for choice in rule["choices"]] == chosen.tolist()
    assert chosen.nunique() > 1


def test_test_labels_choose_nothing(
    examples: pd.DataFrame, runs: list[dict[str, pd.DataFrame]]
) -> None:
    for tables in runs:
        other = {}
        for name in METHODS:
            table = tables[name].copy()
            test = table["subset"] == "test"
            table.loc[test, "label"] = table.loc[test, "label"].to_numpy()[::-1]
            other[name] = table
        assert best_method(other, "normal") == best_method(tables, "normal")


def test_every_cycle_is_tested_once_by_each_system(
    examples: pd.DataFrame, runs: list[dict[str, pd.DataFrame]]
) -> None:
    found = pooled(examples, runs)
    assert set(found["subset"]) == {"test"}
    for _, own in found.groupby("system"):
        assert sorted(own["segment_id"]) == sorted(examples["segment_id"])
    fold = examples.set_index("segment_id")["fold"]
    assert (found["segment_id"].map(fold) == found["fold"]).all()
    lacking = [dict(tables) for tables in runs]
    lacking[2]["scl"] = no_run()
    with pytest.raises(ValueError, match=r"scl \(unseen_patient\) speaks 256 times of 320 cycles"):
        pooled(examples, lacking)
    with pytest.raises(ValueError, match="no method was trained"):
        pooled(examples, [{"sl": no_run()}] * 5)


def test_the_folds_by_random_cycle_are_a_condition_of_their_own(
    examples: pd.DataFrame, runs: list[dict[str, pd.DataFrame]]
) -> None:
    mixed = [run(table, "scl", 4.0, k) for k, table in enumerate(folds(examples, by_cycle=True))]
    found = pooled(examples, runs, mixed)
    claimed = found[found["condition"] == "random_cycle"]
    assert set(claimed["system"]) == {"ours"}
    assert sorted(claimed["segment_id"]) == sorted(examples["segment_id"])
    rest = found[found["condition"] != "random_cycle"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, pooled(examples, runs))


def test_a_property_that_one_fold_does_not_have_is_left_out(
    examples: pd.DataFrame, runs: list[dict[str, pd.DataFrame]]
) -> None:
    tables = folds(examples)
    baselines = [baseline(table) for table in tables]
    for fold in range(4):
        alone = baseline(tables[fold]).assign(system="alone_sex")
        baselines[fold] = pd.concat([baselines[fold], alone], ignore_index=True)
    found = pool_folds(examples, runs, [no_run()] * 5, baselines, "normal", 50)
    pd.testing.assert_frame_equal(found, pooled(examples, runs))


def test_seeds_make_a_table_and_a_mean(examples: pd.DataFrame) -> None:
    skills = {"sl": 1.0, "scl": 2.5}
    runs = [
        {name: run(examples, name, skill, 7 * k + int(skill)) for name, skill in skills.items()}
        | {"mscl": no_run()}
        for k in range(3)
    ]
    runs.append(dict.fromkeys(("sl", "scl", "mscl"), no_run()))
    rest = examples[examples["subset"] != "train"]
    told = np.log(np.tile([0.1, 0.1, 0.7, 0.1], (len(rest), 1)))
    baselines = prediction_table("most_frequent", rest, told, CLASSES, 50)
    table, found = gather_seeds(runs, baselines, "normal", 50, first_seed=5)
    checks.predictions(found)
    assert list(zip(table["method"], table["seed"], strict=True)) == [
        (name, seed) for name in skills for seed in (5, 6, 7)
    ]
    columns = [f"p_{name}" for name in CLASSES]
    for row in table.itertuples():
        own = runs[row.seed - 5][row.method]
        test = own[own["subset"] == "test"]
        said = [CLASSES[k] for k in test[columns].to_numpy().argmax(axis=1)]
        for kind, suffix in (("exact", ""), ("any", "_any")):
            score = icbhi_score(test["label"], said, kind)
            assert getattr(row, f"score{suffix}") == pytest.approx(score.score)
            assert getattr(row, f"se{suffix}") == pytest.approx(score.se)
        assert row.sp == pytest.approx(score.sp)
    by_dev = table.groupby("method")["dev_score"].mean()
    assert by_dev.idxmax() == "scl"
    ours = found[found["system"] == "ours"].set_index("segment_id")
    assert set(ours["method"]) == {"scl"}
    assert set(ours["subset"]) == {"dev", "test"}
    mean = sum(tables["scl"].set_index("segment_id")[columns] for tables in runs[:3]) / 3
    np.testing.assert_allclose(ours[columns], mean.loc[ours.index], rtol=1e-5)
    rule = seed_rule(runs, table)
    assert (rule["chosen"], rule["members"], rule["labels"]) == ("scl", ["sl", "scl"], CLASSES)
    assert rule["chosen_by"] == "dev"
    with pytest.raises(ValueError, match="no run was trained"):
        gather_seeds([{"sl": no_run()}], baselines, "normal", 50)
    short = [runs[0], {name: own.iloc[1:] for name, own in runs[1].items()}]
    with pytest.raises(ValueError, match="do not speak of the same cycles"):
        gather_seeds(short, baselines, "normal", 50)


def test_seeds_whose_epoch_test_chose_say_so_and_know_the_classes_that_test_lacks(
    examples: pd.DataFrame,
) -> None:
    """The protocol `published`: there is no dev, and a small test half may lack a class."""
    test = (examples["fold"] == 0) & (examples["label"] != "wheeze")
    published = examples.assign(
        subset=np.where(test, "test", "train"),
        condition=np.where(test, "unseen_patient", "train"),
        chooses=test,
    )
    runs = [{"sl": run(published, "sl", 1.0, k), "scl": no_run()} for k in range(2)]
    table, found = gather_seeds(runs, baseline(published), "normal", 50)
    assert set(found["label"]) == {"both", "crackle", "normal"}
    rule = seed_rule(runs, table)
    assert rule["labels"] == CLASSES
    assert rule["chosen_by"] == "test"


def test_what_the_weights_to_start_from_have_heard_stands_in_the_rule(
    examples: pd.DataFrame, runs: list[dict[str, pd.DataFrame]], tmp_path: Path
) -> None:
    architecture = {"name": "cnn6", "width": 0.125}
    front_end = {"name": "log_mel", "sample_rate": 4000, "n_fft": 256, "hop": 128, "f_max": 1800.0,
                 "clip_s": 1.0, "fill": "circular"}  # fmt: skip
    state = build_body(architecture, seed=0).state_dict()
    encoder = Encoder(state, architecture, front_end, {"heard": ["ab12", "cd34"]})
    head = {"weight": torch.zeros(4, 64), "bias": torch.zeros(4)}
    path = tmp_path / "c.safetensors"
    save_classifier(path, Classifier(encoder, head, CLASSES))
    tables = {
        f"{name}_{k}": own[name] for k, own in enumerate(runs) for name in METHODS
    } | {f"{name}_{k}": table for k, fold in enumerate(folds(examples))
         for name, table in (("baselines", baseline(fold)), ("by_cycle", no_run()))}  # fmt: skip
    for published, heard in ((str(path), ["ab12", "cd34"]), (None, [])):
        params = TrainRespiratoryParams(published=published)
        _, rule = pool(examples, params, PredictParams(), methods=METHODS, folds=5, **tables)
        assert rule["heard"] == heard


def test_baselines_are_fitted_on_what_each_fold_trains_on(examples: pd.DataFrame) -> None:
    described = examples[["segment_id", "duration_s"]].copy()
    rng = np.random.default_rng(0)
    for name in ("level_dbfs", "peak_dbfs", "noise_floor_dbfs", "bandwidth_hz", "silence_share"):
        described[name] = rng.normal(size=len(described))
    described["clipped_share"] = 0.0
    uneven = examples.copy()  # fold by fold, other classes are frequent in what is left
    own = (uneven["fold"] == 2) & (uneven["label"] == "both")
    others = uneven.index[(uneven["fold"] != 2) & (uneven["label"] == "normal")]
    uneven.loc[own, "label"] = "normal"
    uneven.loc[others[: len(others) // 4], "label"] = "crackle"
    params = PredictParams(baselines=["most_frequent"], metadata=["device"])
    runs = RunsParams(by_cycle=True)
    for fold in range(5):
        packed: Any = None
        found = fold_baselines(packed, uneven, described, SPLIT, params, runs, fold)
        assert set(found["condition"]) == {"unseen_patient"}
        table = of_fold(uneven, fold, SPLIT)
        train = table[table["subset"] == "train"]
        told = found[found["system"] == "most_frequent"]
        assert sorted(told["segment_id"]) == sorted(
            table.loc[table["subset"] == "test", "segment_id"]
        )
        counts = train["label"].value_counts()
        assert told["p_normal"].iloc[0] == pytest.approx(counts["normal"] / len(train), rel=1e-5)
        assert "alone_device" in set(found["system"])
