"""Areas and reliability of classifiers against scikit-learn and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from bodysounds.metrics.class_areas import (
    average_precision,
    drawn_areas,
    precision_recall_curve,
)
from bodysounds.metrics.curve import auc
from bodysounds.metrics.groups import draw_groups
from bodysounds.metrics.reliability import (
    at_temperature,
    expected_calibration_error,
    log_loss,
    reliability_bins,
    risk_coverage,
)


def tied(seed: int, n: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether of the class, scores of a few distinct values, and groups."""
    rng = np.random.default_rng(seed)
    target = rng.random(n) < 0.3
    scores = np.round(rng.normal(size=n) + target, 1)
    return target, scores, rng.integers(20, size=n).astype(str)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_average_precision_is_that_of_scikit_learn(seed: int) -> None:
    target, scores, _ = tied(seed)
    weights = np.random.default_rng(seed).uniform(0, 3, len(target))
    assert average_precision(target, scores) == pytest.approx(
        sklearn_metrics.average_precision_score(target, scores)
    )
    assert average_precision(target, scores, weights) == pytest.approx(
        sklearn_metrics.average_precision_score(target, scores, sample_weight=weights)
    )
    precision, recall = precision_recall_curve(target, scores)
    slow, slow_recall, _ = sklearn_metrics.precision_recall_curve(target, scores)
    assert precision == pytest.approx(slow[-2::-1])
    assert recall == pytest.approx(slow_recall[-2::-1])


def test_a_draw_has_the_areas_of_its_copied_rows() -> None:
    target, scores, groups = tied(3)
    draws = draw_groups(groups, n=30, seed=1)
    found = drawn_areas(target, scores, draws.codes, draws.counts)
    for k, counts in enumerate(draws.counts):
        weights = counts[draws.codes]
        assert found["auc"][k] == pytest.approx(auc(target, scores, weights))
        area = average_precision(target, scores, weights)
        assert found["average_precision"][k] == pytest.approx(area)


def test_draws_in_blocks_are_those_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    target, scores, groups = tied(4)
    draws = draw_groups(groups, n=30, seed=1)
    whole = drawn_areas(target, scores, draws.codes, draws.counts)
    monkeypatch.setattr("bodysounds.metrics.class_areas.BLOCK", 7 * len(target))
    parts = drawn_areas(target, scores, draws.codes, draws.counts)
    for name, values in whole.items():
        assert (values == parts[name]).all()


def test_a_draw_without_the_class_or_the_others_has_no_area() -> None:
    codes = np.array([0, 0, 1, 1])
    counts = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    found = drawn_areas(np.array([1, 1, 0, 0], bool), np.array([0.9, 0.4, 0.5, 0.1]), codes, counts)
    for values in found.values():
        assert np.isnan(values[:2]).all()
    assert found["auc"][2] == 0.75
    with pytest.raises(ValueError, match="no target"):
        average_precision([0, 0], [0.1, 0.2])


def test_calibration_error_is_that_of_a_slow_loop() -> None:
    rng = np.random.default_rng(5)
    sure = rng.uniform(0.3, 1, 400)
    right = rng.random(400) < sure**2
    slow = 0.0
    for low in np.arange(10) / 10:
        own = (sure >= low) & (sure < low + 0.1) if low < 0.9 else sure >= 0.9
        if own.any():
            slow += own.mean() * abs(sure[own].mean() - right[own].mean())
    assert expected_calibration_error(right, sure, 10) == pytest.approx(slow)
    bins = reliability_bins(right, sure, 10)
    assert bins.n.sum() == 400
    assert np.isnan(bins.accuracy[:3]).all()
    assert reliability_bins([True], [1.0], 10).n[-1] == 1


def test_a_temperature_is_undone_and_log_loss_is_that_of_scikit_learn() -> None:
    logits = np.random.default_rng(6).normal(size=(50, 3)) * 2
    raw = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    cooled = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(axis=1, keepdims=True)
    assert at_temperature(cooled, 2.5) == pytest.approx(raw)
    labels = np.arange(50) % 3
    assert log_loss(labels, raw) == pytest.approx(sklearn_metrics.log_loss(labels, raw))
    assert np.isfinite(log_loss([0], [[0.0, 1.0]]))
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="a temperature must be above 0"):
            at_temperature(raw, wrong)


def test_risk_is_counted_over_the_surest_and_ties_are_answered_together() -> None:
    coverage, risk, threshold = risk_coverage(
        [True, True, False, True, False], [0.9, 0.8, 0.8, 0.6, 0.5]
    )
    assert coverage == pytest.approx([0.2, 0.6, 0.8, 1.0])
    assert risk == pytest.approx([0.0, 1 / 3, 1 / 4, 2 / 5])
    assert threshold == pytest.approx([0.9, 0.8, 0.6, 0.5])


@pytest.mark.parametrize(
    ("right", "sure", "message"),
    [
        ([], [], "no example to rate"),
        ([True], [0.5, 0.5], "one row an example"),
        ([True], [1.2], r"confidence\[0\] is 1.2"),
        ([True, True], [0.5, float("nan")], r"confidence\[1\] is nan"),
    ],
)
def test_what_is_no_confidence_is_named(right: list, sure: list, message: str) -> None:
    for rate in (expected_calibration_error, risk_coverage):
        with pytest.raises(ValueError, match=message):
            rate(right, sure)
    with pytest.raises(ValueError, match="n_bins"):
        reliability_bins([True], [0.5], 0)
