"""Rates of a classifier against scikit-learn, and draws of groups against copied rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from bodysounds.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    per_class,
    top_k_accuracy,
    true_ranks,
)
from bodysounds.metrics.groups import draw_groups

CLASSES = ["a", "b", "c", "d"]


def made(seed: int, n: int = 120, missing: bool = False) -> tuple[np.ndarray, ...]:
    """Labels, tied probabilities that favour them, predictions and weights."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3 if missing else 4, size=n)
    table = rng.integers(0, 4, size=(n, 4)) / 4 + 0.5 * (np.arange(4) == labels[:, None])
    table = table / table.sum(axis=1, keepdims=True)
    names = np.array(CLASSES, dtype=object)
    return names[labels], table, names[table.argmax(axis=1)], rng.uniform(0, 3, n)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rates_are_those_of_scikit_learn(seed: int, missing: bool) -> None:
    labels, table, predicted, weights = made(seed, missing=missing)
    there = sorted(set(labels))
    for weight in (None, weights):
        given = {"sample_weight": weight}
        assert accuracy(labels, predicted, weight) == pytest.approx(
            sklearn_metrics.accuracy_score(labels, predicted, **given)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells of a class that has no example
            recall = sklearn_metrics.balanced_accuracy_score(labels, predicted, **given)
        assert balanced_accuracy(labels, predicted, weight) == pytest.approx(recall)
        f1 = sklearn_metrics.f1_score(labels, predicted, labels=there, average="macro", **given)
        assert macro_f1(labels, predicted, weight) == pytest.approx(f1)
        assert confusion_matrix(labels, predicted, CLASSES, weight) == pytest.approx(
            sklearn_metrics.confusion_matrix(labels, predicted, labels=CLASSES, **given)
        )
        rates = per_class(labels, predicted, CLASSES, table, weight)
        oracle = sklearn_metrics.precision_recall_fscore_support(
            labels, predicted, labels=CLASSES, zero_division=0, **given
        )
        for k, name in enumerate(CLASSES):
            own = rates[name]
            assert own["n"] == (labels == name).sum()
            if name not in there:
                assert own["recall"] is own["f1"] is own["auc"] is None
                continue
            found = [own["precision"], own["recall"], own["f1"]]
            assert found == pytest.approx([part[k] for part in oracle[:3]])
            area = sklearn_metrics.roc_auc_score(labels == name, table[:, k], **given)
            assert own["auc"] == pytest.approx(area)
            area = sklearn_metrics.average_precision_score(labels == name, table[:, k], **given)
            assert own["average_precision"] == pytest.approx(area)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_is_that_of_scikit_learn_where_nothing_ties(k: int) -> None:
    labels, _, _, weights = made(3)
    table = np.random.default_rng(4).dirichlet(np.ones(4), len(labels))
    expected = sklearn_metrics.top_k_accuracy_score(
        labels, table, k=k, labels=CLASSES, sample_weight=weights
    )
    assert top_k_accuracy(labels, table, CLASSES, k, weights) == pytest.approx(expected)


def test_ranks_of_ties_agree_with_argmax() -> None:
    labels, table, predicted, _ = made(5)
    ranks = true_ranks(labels, table, CLASSES)
    assert ((ranks == 1) == (labels == predicted)).all()
    slow = [
        np.argsort(-row, kind="stable").tolist().index(CLASSES.index(label)) + 1
        for row, label in zip(table, labels, strict=True)
    ]
    assert ranks.tolist() == slow


def test_a_never_predicted_class_has_no_precision() -> None:
    rates = per_class(["a", "b"], ["a", "a"], ["a", "b"])
    areas = {"auc": None, "average_precision": None}
    assert rates["b"] == {"precision": None, "recall": 0.0, "f1": 0.0, **areas, "n": 1}


@pytest.mark.parametrize(
    ("labels", "predicted", "weights", "message"),
    [
        ([], [], None, "labels is empty"),
        (["a", None], ["a", "b"], None, r"labels\[1\] is missing"),
        (["a", "b"], ["a", float("nan")], None, r"predictions\[1\] is missing"),
        (["a", "b"], ["a"], None, "2 labels and 1 predictions"),
        (["a", "b"], ["a", "b"], [1, -1], r"weights\[1\] is -1"),
        (["a", "b"], ["a", "b"], [1, float("inf")], r"weights\[1\] is inf"),
        (["a", "b"], ["a", "b"], [0, 0], "weights are all 0"),
        (["a", "b"], ["a", "b"], [1], r"shape \(2,\), got \(1,\)"),
    ],
)
def test_bad_predictions_are_named(
    labels: list, predicted: list, weights: list | None, message: str
) -> None:
    for rate in (accuracy, balanced_accuracy, macro_f1):
        with pytest.raises(ValueError, match=message):
            rate(labels, predicted, weights)


def test_bad_classes_and_probabilities_are_named() -> None:
    with pytest.raises(ValueError, match=r"labels\[1\] is 'z', which is none of the classes"):
        confusion_matrix(["a", "z"], ["a", "a"], ["a", "b"])
    with pytest.raises(ValueError, match="classes must be named once each"):
        confusion_matrix(["a"], ["a"], ["a", "a"])
    with pytest.raises(ValueError, match=r"\(1, 2\), got \(1, 3\)"):
        true_ranks(["a"], [[0.1, 0.2, 0.7]], ["a", "b"])
    with pytest.raises(ValueError, match=r"probabilities\[0, 1\] is NaN"):
        true_ranks(["a"], [[0.1, float("nan")]], ["a", "b"])
    with pytest.raises(ValueError, match="k must be at least 1"):
        top_k_accuracy(["a"], [[0.1, 0.9]], ["a", "b"], 0)


def test_a_draw_is_the_rate_of_its_copied_rows() -> None:
    labels, _, predicted, weights = made(6)
    groups = np.array([f"g{k}" for k in np.random.default_rng(7).integers(9, size=len(labels))])
    draws = draw_groups(groups, n=20, seed=8)
    assert draws.n_groups == 9
    assert (draws.counts.sum(axis=1) == 9).all()
    fast = draws.class_rates(labels, predicted, weights)
    correct = draws.means(labels == predicted)
    names = np.unique(groups)
    for k, counts in enumerate(draws.counts.astype(int)):
        rows = np.concatenate(
            [
                np.flatnonzero(groups == name)
                for name, n in zip(names, counts, strict=True)
                for _ in range(n)
            ]
        )
        copied = labels[rows], predicted[rows], weights[rows]
        assert fast["accuracy"][k] == pytest.approx(accuracy(*copied))
        assert fast["balanced_accuracy"][k] == pytest.approx(balanced_accuracy(*copied))
        assert fast["macro_f1"][k] == pytest.approx(macro_f1(*copied))
        assert correct[k] == pytest.approx(accuracy(*copied[:2]))


def test_draws_do_not_depend_on_the_order_of_the_rows() -> None:
    labels, _, predicted, _ = made(9)
    groups = np.array([f"g{k % 11}" for k in range(len(labels))])
    order = np.random.default_rng(0).permutation(len(labels))
    first = draw_groups(groups, n=50).class_rates(labels, predicted)
    second = draw_groups(groups[order], n=50).class_rates(labels[order], predicted[order])
    for name, draws in first.items():
        assert draws == pytest.approx(second[name]), name


def test_the_interval_widens_as_clips_of_a_session_agree() -> None:
    """Clips that agree within sessions are worth one clip a session."""
    rng = np.random.default_rng(1)
    sessions = np.repeat(np.arange(100), 10).astype(str)
    correct = np.repeat(rng.random(100) < 0.7, 10)
    clustered = draw_groups(sessions, n=2000).means(correct).std()
    shuffled = draw_groups(sessions, n=2000).means(rng.permutation(correct)).std()
    assert clustered == pytest.approx(np.sqrt(0.7 * 0.3 / 100), rel=0.15)
    assert shuffled < clustered / 2


def test_groups_that_cannot_be_drawn_are_named() -> None:
    with pytest.raises(ValueError, match="1 group cannot be resampled"):
        draw_groups(["a", "a"])
    with pytest.raises(ValueError, match=r"groups\[1\] is missing"):
        draw_groups(["a", None, "b"])
    with pytest.raises(ValueError, match=r"values\[0\] is not finite"):
        draw_groups(["a", "b"]).means([float("nan"), 1.0])
