"""One table of predictions, and the baselines beside ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bodysounds.params import PredictParams
from bodysounds.scoring.class_baselines import logistic, most_frequent, property_features
from bodysounds.scoring.classes import class_order, prediction_table, rated_examples
from bodysounds.scoring.classify import baselines, classify

CLASSES = ["a", "b", "c"]


def examples(n: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    subset = np.array(["train", "dev", "test"])[np.arange(n) % 3]
    table = pd.DataFrame({"segment_id": [f"s{k:03d}" for k in range(n)], "subset": subset})
    table["label"] = rng.choice(CLASSES, n)
    table["condition"] = np.where(subset == "train", "train", "unknown")
    return table


def descriptors(table: pd.DataFrame) -> pd.DataFrame:
    """Cepstra and bandwidth that tell the labels apart, other properties that do not."""
    rng = np.random.default_rng(1)
    code = table["label"].map({name: k for k, name in enumerate(CLASSES)}).to_numpy(float)
    found = {"segment_id": table["segment_id"]}
    for name in ("duration_s", "level_dbfs", "peak_dbfs", "noise_floor_dbfs", "silence_share"):
        found[name] = rng.standard_normal(len(table))
    found["clipped_share"] = 0.0
    found["bandwidth_hz"] = 1000 * code + rng.standard_normal(len(table))
    for name in ("mfcc_mean_00", "mfcc_mean_01", "mfcc_std_00"):
        found[name] = code + 0.5 * rng.standard_normal(len(table))
    return pd.DataFrame(found)


def test_a_prediction_names_the_most_probable_and_the_labels_rank() -> None:
    wanted = examples(3).assign(label=["a", "b", "c"])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.4, 0.4, 0.2]])
    table = prediction_table("ours", wanted, np.log(probabilities), CLASSES, 50)
    assert table["predicted"].tolist() == ["a", "a", "a"]
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["probability"].tolist() == pytest.approx([0.7, 0.5, 0.4])
    assert table[["p_a", "p_b", "p_c"]].to_numpy() == pytest.approx(probabilities)
    assert set(table["system"]) == {"ours"}


def test_of_many_classes_the_five_most_probable_are_kept() -> None:
    rng = np.random.default_rng(0)
    classes = [f"k{k:02d}" for k in range(51)]
    wanted = examples(20).assign(label=rng.choice(classes, 20))
    probabilities = rng.dirichlet(np.ones(51), 20)
    table = prediction_table("ours", wanted, np.log(probabilities), classes, 50)
    assert not [name for name in table if name.startswith("p_k")]
    order = np.argsort(-probabilities, axis=1)
    for k in range(5):
        assert table[f"top_{k + 1}"].tolist() == [classes[j] for j in order[:, k]]
        best = np.take_along_axis(probabilities, order, 1)[:, k]
        assert table[f"p_top_{k + 1}"].to_numpy() == pytest.approx(best, rel=1e-5)
    assert (table["top_1"] == table["predicted"]).all()


def test_bad_probabilities_and_labels_are_refused() -> None:
    wanted = examples(2)
    with pytest.raises(ValueError, match=r"\(2, 3\), got \(2, 2\)"):
        prediction_table("ours", wanted, np.zeros((2, 2)), CLASSES, 50)
    with pytest.raises(ValueError, match="is NaN"):
        prediction_table("ours", wanted, np.full((2, 3), np.nan), CLASSES, 50)
    with pytest.raises(ValueError, match=r"knows 2 classes, and 1 of the examples' labels .*\(c\)"):
        class_order(["a", "b"], pd.Series(["a", "c"]))


def test_train_is_sampled_whatever_the_rows_order() -> None:
    table = examples(300)
    kept = rated_examples(table, 10)
    assert kept["subset"].value_counts().to_dict() == {"dev": 100, "test": 100, "train": 10}
    again = rated_examples(table.sample(frac=1, random_state=0), 10)
    assert kept["segment_id"].tolist() == again["segment_id"].tolist()
    assert len(rated_examples(table, 10**6)) == 300


def test_logistic_regression_is_standardised_and_fitted_on_train() -> None:
    table = examples(120)
    features = np.random.default_rng(2).standard_normal((120, 4)) * [1, 10, 100, 0] + 5
    features[:, 0] += 2 * (table["label"] == "b")
    wanted = table[table["subset"] == "test"]
    found = logistic(features, table, wanted, CLASSES, PredictParams())
    train, rows = (table["subset"] == "train").to_numpy(), wanted.index
    oracle = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    oracle.fit(features[train], table["label"][train])
    assert found == pytest.approx(oracle.predict_log_proba(features[rows]), abs=1e-4)
    order = np.random.default_rng(3).permutation(120)
    mixed = logistic(features[order], table.iloc[order], wanted, CLASSES, PredictParams())
    assert mixed == pytest.approx(found, abs=1e-9)


def test_a_class_that_train_lacks_is_never_first() -> None:
    table = examples(60)
    table.loc[(table["subset"] == "train") & (table["label"] == "c"), "label"] = "a"
    features = np.random.default_rng(0).standard_normal((60, 2))
    found = logistic(features, table, table, CLASSES, PredictParams())
    assert (found.argmin(axis=1) == 2).all()
    common = most_frequent(table["label"][table["subset"] == "train"], CLASSES, 2)
    assert common.shape == (2, 3)
    assert (common.argmax(axis=1) == 0).all()
    with pytest.raises(ValueError, match="s003 are not finite"):
        logistic(np.where(np.arange(60)[:, None] == 3, np.nan, features), table, table, CLASSES,
                 PredictParams())  # fmt: skip


def test_a_property_in_the_middle_singles_a_class_out() -> None:
    table = examples(300)
    value = table["label"].map({"a": -1.0, "b": 0.0, "c": 1.0}).to_numpy()
    noise = 0.1 * np.random.default_rng(0).standard_normal(300)
    told = pd.DataFrame({"level_dbfs": value + noise})
    train = (table["subset"] == "train").to_numpy()
    features = property_features(told, ["level_dbfs"], train)
    found = logistic(features, table, table, CLASSES, PredictParams()).argmax(axis=1)
    assert (np.array(CLASSES)[found] == table["label"]).mean() > 0.99


def test_each_baseline_hears_what_its_name_says() -> None:
    table = examples(300)
    wanted = table[table["subset"] == "test"].reset_index(drop=True)
    found = dict(baselines(table, wanted, descriptors(table), CLASSES, PredictParams()))
    right = {
        name: (np.array(CLASSES)[told.argmax(axis=1)] == wanted["label"]).mean()
        for name, told in found.items()
    }
    assert right["mfcc"] > 0.8
    assert right["recording"] > 0.8
    assert right["alone_bandwidth_hz"] > 0.95
    assert max(right["most_frequent"], right["alone_level_dbfs"], right["alone_peak_dbfs"]) < 0.5
    # what is the same for all is not audited
    assert "alone_clipped_share" not in found
    few = dict(baselines(table, wanted, descriptors(table), CLASSES,
                         PredictParams(baselines=["most_frequent"], audit=False)))  # fmt: skip
    assert set(few) == {"most_frequent"}
    with pytest.raises(ValueError, match="'s000' has no row in descriptors"):
        list(baselines(table, wanted, descriptors(table).iloc[1:], CLASSES, PredictParams()))


def test_classes_that_no_example_has_are_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from bodysounds.models import classifier

    table = examples(60).assign(label="a")
    table.loc[::2, "label"] = "b"
    logits = np.log(np.full((60, 3), 1 / 3))
    monkeypatch.setattr(classifier, "predict", lambda *_, **__: logits)
    known: Any = SimpleNamespace(labels=CLASSES)
    asked = PredictParams(baselines=["most_frequent"], audit=False)
    found = classify(known, None, table, descriptors(table), asked)  # type: ignore[arg-type]
    assert set(found["system"]) == {"ours", "most_frequent"}
    assert "knows 3 classes, and the examples are of 2" in caplog.text


def test_unknown_baselines_are_named() -> None:
    with pytest.raises(ValueError, match="mfcc, recording, most_frequent, got 'plda'"):
        PredictParams(baselines=["plda"])
