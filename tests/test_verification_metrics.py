"""Error rates against hand-worked tables, an independent implementation and invariants."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from bodysounds.metrics import cost, curve, eer, llr
from bodysounds.metrics.verification import (
    act_dcf,
    auc,
    cllr,
    det_curve,
    eer_and_min_dcf,
    equal_error_rate,
    min_cllr,
    min_dcf,
    rates_at,
)

# few distinct scores, so that ties are frequent
TRIALS = st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=2, max_size=40).filter(
    lambda rows: {label for label, _ in rows} == {0, 1}
)


def columns(rows):
    labels, scores = zip(*rows, strict=True)
    return np.array(labels), np.array(scores, dtype=float)


def slow_rates(labels, scores, threshold, weights=None):
    weights = np.ones(len(labels)) if weights is None else weights
    wrong = {0: 0.0, 1: 0.0}
    total = {0: 0.0, 1: 0.0}
    for label, score, weight in zip(labels, scores, weights, strict=True):
        total[int(label)] += weight
        wrong[int(label)] += weight * ((score >= threshold) != label)
    return wrong[0] / total[0], wrong[1] / total[1]


@pytest.mark.parametrize("module", [cost, curve, eer, llr])
def test_docstrings_run(module):
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted >= 1


def test_det_curve_by_hand_with_ties():
    #              below .2: T .; at .2: 1 target, 1 other; at .5: 2 others; at .9: 1 target
    far, frr, thresholds = det_curve([1, 0, 0, 1, 0], [0.2, 0.2, 0.5, 0.9, 0.5])
    assert thresholds.tolist() == [0.2, 0.5, 0.9, np.inf]
    np.testing.assert_allclose(far, [1, 2 / 3, 0, 0])
    np.testing.assert_allclose(frr, [0, 1 / 2, 1 / 2, 1])


@pytest.mark.parametrize(
    ("labels", "scores", "eer", "threshold"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9], 0.0, 0.4),  # perfect: the middle of the gap
        ([0, 1], [1.0, 3.0], 0.0, 2.0),
        ([1, 1, 0, 0], [0.1, 0.2, 0.6, 0.9], 1.0, 0.4),  # inverted
        ([0, 1, 0, 1], [7.0, 7.0, 7.0, 7.0], 0.5, 7.0),  # constant
        ([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], 0.5, 2.5),  # one of each class on the wrong side
        # vertices (1, 0) (1/2, 0) (1/2, 1/3) (0, 1/3) ...: FAR meets FRR on the fall from 1/2
        ([0, 1, 0, 1, 1], [1.0, 2.0, 3.0, 4.0, 5.0], 1 / 3, 2.5),
        # a tie of 1 target and 1 non-target: (1/2, 0) to (0, 1/2), cut in its middle
        ([0, 0, 1, 1], [1.0, 2.0, 2.0, 3.0], 0.25, 1.5),
    ],
)
def test_eer_by_hand(labels, scores, eer, threshold):
    found, at = equal_error_rate(labels, scores)
    assert found == pytest.approx(eer)
    assert at == pytest.approx(threshold)


def test_threshold_of_the_eer_is_finite_and_between_neighbours_of_any_size():
    _, at = equal_error_rate([0, 1], [-1.7e308, 1.7e308])
    assert at == 0.0
    low, high = 1.0, float(np.nextafter(1.0, 2))
    _, at = equal_error_rate([0, 1], [low, high])
    assert at == high  # no number lies between them; low must stay rejected


@given(TRIALS)
def test_curve_agrees_with_a_slow_loop_and_with_sklearn(rows):
    labels, scores = columns(rows)
    far, frr, thresholds = det_curve(labels, scores)
    assert thresholds.tolist() == [*sorted(set(scores)), np.inf]
    for point in zip(far, frr, thresholds, strict=True):
        assert point[:2] == pytest.approx(slow_rates(labels, scores, point[2]))
    roc_far, roc_hit, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(far, roc_far[::-1], atol=1e-12)
    np.testing.assert_allclose(frr, 1 - roc_hit[::-1], atol=1e-12)
    assert auc(labels, scores) == pytest.approx(sk.roc_auc_score(labels, scores))


def test_det_curve_agrees_with_sklearns_on_continuous_scores():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 400)
    scores = rng.normal(size=400) + labels
    far, frr, thresholds = det_curve(labels, scores)
    sk_far, sk_frr, sk_thresholds = sk.det_curve(labels, scores)
    at = np.isin(thresholds, sk_thresholds)
    kept = np.isin(sk_thresholds, thresholds)
    assert at.sum() > 300
    np.testing.assert_allclose(far[at], sk_far[kept])
    np.testing.assert_allclose(frr[at], sk_frr[kept])


@given(TRIALS)
def test_eer_lies_on_the_curve_and_its_threshold_is_the_nearest_point(rows):
    labels, scores = columns(rows)
    eer, threshold = equal_error_rate(labels, scores)
    far, frr, _ = det_curve(labels, scores)
    # on the polyline, FAR = FRR is where one interpolates (FRR - FAR), a rising function, at 0
    assert eer == pytest.approx(np.interp(0.0, frr - far, frr))
    gap = np.abs(np.subtract(*slow_rates(labels, scores, threshold)))
    assert gap == pytest.approx(np.abs(far - frr).min())
    assert np.isfinite(threshold)


@given(TRIALS, st.randoms(use_true_random=False), st.data())
def test_order_of_rows_changes_no_bit(rows, shuffler, data):
    labels, scores = columns(rows)
    weights = np.array(
        data.draw(
            st.lists(st.floats(0.1, 10), min_size=len(rows), max_size=len(rows)), label="weights"
        )
    )
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    for weight, shuffled in ((None, None), (weights, weights[order])):
        first = det_curve(labels, scores, weight)
        second = det_curve(labels[order], scores[order], shuffled)
        for a, b in zip(first, second, strict=True):
            assert a.tobytes() == b.tobytes()
        assert equal_error_rate(labels, scores, weight) == equal_error_rate(
            labels[order], scores[order], shuffled
        )


@settings(deadline=None)
@given(TRIALS, st.data())
def test_integer_weights_are_repetitions_and_zero_is_absence(rows, data):
    labels, scores = columns(rows)
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    )
    repeated = np.repeat(labels, weights), np.repeat(scores, weights)
    if set(repeated[0]) != {0, 1}:
        with pytest.raises(ValueError, match=r"no (target|non-target) pair"):
            det_curve(labels, scores, weights)
        return
    for a, b in zip(det_curve(labels, scores, weights), det_curve(*repeated), strict=True):
        np.testing.assert_allclose(a, b)
    np.testing.assert_allclose(
        equal_error_rate(labels, scores, weights), equal_error_rate(*repeated)
    )
    assert auc(labels, scores, weights) == pytest.approx(auc(*repeated))
    found, expected = rates_at(labels, scores, 0.5, weights), rates_at(*repeated, 0.5)
    assert found == pytest.approx(expected, nan_ok=True)


def test_rates_by_hand_and_the_threshold_itself_is_accepted():
    rates = rates_at([1, 1, 1, 0, 0, 0, 0, 0], [3, 2, 0, 2, 1, 1, 0, 0], 2.0)
    assert rates == pytest.approx(
        {
            "accuracy": 6 / 8,
            "balanced_accuracy": (4 / 5 + 2 / 3) / 2,
            "far": 1 / 5,
            "frr": 1 / 3,
            "precision": 2 / 3,
            "recall": 2 / 3,
        }
    )


def test_precision_is_undefined_where_nothing_is_accepted():
    rates = rates_at([1, 0], [0.0, 1.0], 9.0)
    assert np.isnan(rates["precision"])
    assert [rates[name] for name in ("recall", "far", "accuracy")] == [0, 0, 0.5]


@pytest.mark.parametrize(
    "function",
    [
        det_curve, equal_error_rate, auc, cllr, min_cllr,
        lambda *a: rates_at(*a[:2], 0.5, *a[2:]),
        lambda *a: min_dcf(*a[:2], 0.01, 1, 1, *a[2:]),
        lambda *a: act_dcf(*a[:2], 0.01, 1, 1, *a[2:]),
        lambda *a: eer_and_min_dcf(*a[:2], 0.01, 1, 1, *a[2:]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 0], [0.5, np.nan]), r"scores\[1\] is NaN"),
        (([1, 0], [np.inf, 0.5]), r"scores\[0\] is inf"),
        (([1, 0], [0.5, -np.inf]), r"scores\[1\] is -inf"),
        (([1.0, 0.5], [1, 2]), r"labels\[1\] is 0.5: a label is 1 or 0"),
        (([1, -1], [1, 2]), r"labels\[1\] is -1: a label is 1 or 0"),
        (([True, False], [0.5, None]), r"scores\[1\] is NaN"),
        (([1, 0, np.nan], [1, 2, 3]), r"labels\[2\] is NaN"),
        ((pd.array([1, pd.NA], dtype="Int64"), [1, 2]), r"labels\[1\] is NaN"),
        (([1, 2], [1, 2]), r"labels\[1\] is 2: a label is 1 or 0"),
        (([1, 1], [1, 2]), "no non-target pair among 2 trials"),
        (([0, 0], [1, 2]), "no target pair among 2 trials"),
        (([], []), "labels is empty"),
        (([1, 0], [1.0, 2.0, 3.0]), "but labels has 2, scores has 3"),
        (([1, 0], [1.0, 2.0], [1.0]), "weights has 1"),
        (([1, 0], [1.0, 2.0], [1.0, -2.0]), r"weights\[1\] is -2"),
        (([1, 0], [1.0, 2.0], [0.0, 2.0]), "no target pair"),
        (([1, 0], ["a", "b"]), "scores must be numbers"),
        (([[1, 0]], [[1.0, 2.0]]), "one dimension, got shape"),
    ],
)  # fmt: skip
def test_bad_input_is_named(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_unknown_method_names_the_known_ones():
    with pytest.raises(ValueError, match="one of interpolated, discrete, hull, got 'convex'"):
        equal_error_rate([0, 1], [0, 1], method="convex")


def test_a_threshold_that_is_nan_is_refused():
    with pytest.raises(ValueError, match="threshold is NaN"):
        rates_at([0, 1], [0, 1], float("nan"))
