"""The three equal error rates, detection costs and costs of ratios: laws and hand-worked cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from bodysounds.metrics.verification import (
    EER_METHODS,
    act_dcf,
    cllr,
    det_curve,
    eer_and_min_dcf,
    equal_error_rate,
    min_cllr,
    min_dcf,
    min_dcf_threshold,
    rates_at,
)

# few distinct scores, so that ties are frequent; halves are exact and keep their order when mapped
ROW = st.tuples(st.integers(0, 1), st.integers(-8, 8).map(lambda n: n / 2), st.integers(1, 3))
ROWS = st.lists(ROW, min_size=2, max_size=40).filter(
    lambda rows: {row[0] for row in rows} == {0, 1}
)
SHARES = st.floats(0.001, 0.999)
COSTS = st.floats(0.1, 20)


def columns(rows, weighted):
    labels, scores, weights = map(np.array, zip(*rows, strict=True))
    return labels, scores.astype(float), weights.astype(float) if weighted else None


def slow_costs(labels, scores, p, c_miss, c_fa, weights):
    """The cost of every threshold between two scores, and beyond both ends, one by one."""
    weights = np.ones(len(labels)) if weights is None else weights
    found = {}
    values = np.unique(scores)
    for threshold in (values[0] - 1, *(values[:-1] + values[1:]) / 2, values[-1] + 1):
        missed = sum(w for y, s, w in zip(labels, scores, weights, strict=True)
                     if y == 1 and s < threshold)  # fmt: skip
        passed = sum(w for y, s, w in zip(labels, scores, weights, strict=True)
                     if y == 0 and s >= threshold)  # fmt: skip
        cost = p * c_miss * missed / weights[labels == 1].sum()
        cost += (1 - p) * c_fa * passed / weights[labels == 0].sum()
        found[threshold] = cost / min(p * c_miss, (1 - p) * c_fa)
    return found


def everything(labels, scores, weights, p=0.1):
    """Every figure that only the order of the scores decides."""
    return [
        *(equal_error_rate(labels, scores, weights, method)[0] for method in EER_METHODS),
        min_dcf(labels, scores, p, weights=weights),
        min_cllr(labels, scores, weights),
    ]


@settings(deadline=None)
@given(ROWS, st.booleans(), SHARES, COSTS, COSTS)
@example([(1, 0.0, 1), (1, 0.0, 1), (0, 0.0, 1), (0, 0.0, 1)], False, 0.01, 1.0, 1.0)
def test_min_dcf_is_the_least_of_all_thresholds(rows, weighted, p, c_miss, c_fa):
    labels, scores, weights = columns(rows, weighted)
    slow = slow_costs(labels, scores, p, c_miss, c_fa, weights)
    cost, threshold = min_dcf_threshold(labels, scores, p, c_miss, c_fa, weights)
    assert cost == pytest.approx(min(slow.values()), abs=1e-12)
    assert 0 <= cost <= 1
    # the threshold gives that cost, and no lower one does
    rates = rates_at(labels, scores, threshold, weights)
    raw = p * c_miss * rates["frr"] + (1 - p) * c_fa * rates["far"]
    assert raw / min(p * c_miss, (1 - p) * c_fa) == pytest.approx(cost, abs=1e-12)
    lower = [value for at, value in slow.items() if at < threshold - 0.5]
    assert min(lower, default=2.0) > cost - 1e-9


@settings(deadline=None)
@given(ROWS, st.booleans(), SHARES, COSTS, COSTS)
def test_swapping_classes_costs_and_prior_changes_no_cost(rows, weighted, p, c_miss, c_fa):
    labels, scores, weights = columns(rows, weighted)
    one = min_dcf(labels, scores, p, c_miss, c_fa, weights)
    two = min_dcf(1 - labels, -scores, 1 - p, c_fa, c_miss, weights)
    assert one == pytest.approx(two, abs=1e-9)
    assert cllr(labels, scores, weights) == pytest.approx(cllr(1 - labels, -scores, weights))
    assert min_cllr(labels, scores, weights) == pytest.approx(
        min_cllr(1 - labels, -scores, weights)
    )
    for method in ("interpolated", "hull"):
        one = equal_error_rate(labels, scores, weights, method)[0]
        two = equal_error_rate(1 - labels, -scores, weights, method)[0]
        assert one == pytest.approx(two)


@settings(deadline=None)
@given(ROWS, st.booleans(), st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_bit(rows, weighted, shuffler):
    labels, scores, weights = columns(rows, weighted)
    scores[0] = -0.0 if scores[0] == 0 else scores[0]
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    shuffled = labels[order], scores[order], None if weights is None else weights[order]
    assert everything(labels, scores, weights) == everything(*shuffled)
    first = [*eer_and_min_dcf(labels, scores, 0.1, weights=weights), *det_curve(labels, scores)[2]]
    again = eer_and_min_dcf(*shuffled[:2], 0.1, weights=shuffled[2])
    second = [*again, *det_curve(*shuffled[:2])[2]]
    assert np.array(first).tobytes() == np.array(second).tobytes()


@settings(deadline=None)
@given(ROWS, st.booleans(), st.sampled_from([np.arctan, np.cbrt, lambda s: 3 * s - 100, np.exp]))
def test_monotone_maps_change_nothing_that_order_decides(rows, weighted, rising):
    labels, scores, weights = columns(rows, weighted)
    assert everything(labels, rising(scores), weights) == everything(labels, scores, weights)


@settings(deadline=None)
@given(ROWS, st.booleans(), SHARES)
def test_calibration_cannot_beat_the_best_one(rows, weighted, p):
    labels, llrs, weights = columns(rows, weighted)
    for scale in (0.1, 1.0, 30.0):
        lowest = min_cllr(labels, scale * llrs, weights)
        assert 0 <= lowest <= 1
        assert lowest <= cllr(labels, scale * llrs, weights) + 1e-12
        cost = min_dcf(labels, scale * llrs, p, weights=weights)
        assert cost <= act_dcf(labels, scale * llrs, p, weights=weights) + 1e-12


@settings(deadline=None)
@given(ROWS, st.booleans())
def test_integer_weights_are_repetitions(rows, weighted):
    labels, scores, weights = columns(rows, True)
    repeated = [np.repeat(column, weights.astype(int)) for column in (labels, scores)]
    whole = everything(labels, scores, weights)
    assert whole == pytest.approx(everything(*repeated, None), abs=1e-12)
    assert cllr(labels, scores, weights) == pytest.approx(cllr(*repeated))
    assert act_dcf(labels, scores, 0.3, 1, 2, weights) == pytest.approx(
        act_dcf(*repeated, 0.3, 1, 2)
    )


@settings(deadline=None)
@given(ROWS, st.booleans(), st.sampled_from(EER_METHODS), SHARES)
def test_one_sort_gives_what_two_calls_give(rows, weighted, method, p):
    labels, scores, weights = columns(rows, weighted)
    together = eer_and_min_dcf(labels, scores, p, 2.0, 3.0, weights, method)
    apart = (
        *equal_error_rate(labels, scores, weights, method),
        *min_dcf_threshold(labels, scores, p, 2.0, 3.0, weights),
    )
    assert together == apart


@settings(deadline=None)
@given(ROWS, st.booleans())
def test_discrete_is_the_mean_at_the_least_difference(rows, weighted):
    labels, scores, weights = columns(rows, weighted)
    far, frr, _ = det_curve(labels, scores, weights)
    nearest = np.abs(far - frr).round(12)
    index = int(np.argmin(nearest))  # the lowest threshold among equals
    eer, threshold = equal_error_rate(labels, scores, weights, "discrete")
    assert eer == pytest.approx((far[index] + frr[index]) / 2)
    rates = rates_at(labels, scores, threshold, weights)
    assert (rates["far"], rates["frr"]) == pytest.approx((far[index], frr[index]))


@settings(deadline=None)
@given(ROWS, st.booleans())
def test_hull_is_the_corner_of_a_convex_hull_by_another_algorithm(rows, weighted):
    labels, scores, weights = columns(rows, weighted)
    far, frr, _ = det_curve(labels, scores, weights)
    # Quickhull of the curve and a far corner; its edge towards the origin is cut by FAR = FRR
    points = np.column_stack([[*far, 2.0], [*frr, 2.0]])
    hull = ConvexHull(points)
    normals = hull.equations[hull.equations[:, :2].sum(axis=1) < -1e-9]
    expected = max(-c / (a + b) for a, b, c in normals)
    eer, threshold = equal_error_rate(labels, scores, weights, "hull")
    assert eer == pytest.approx(expected, abs=1e-9)
    assert eer <= equal_error_rate(labels, scores, weights)[0] + 1e-12
    assert eer <= 0.5 + 1e-12
    assert np.isfinite(threshold)


@pytest.mark.parametrize("labels", [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
@pytest.mark.parametrize("method", EER_METHODS)
def test_four_equal_scores_tell_nothing_in_whatever_order(labels, method):
    assert equal_error_rate(labels, [0.5] * 4, method=method)[0] == 0.5
    assert min_dcf(labels, [0.5] * 4, p_target=0.01) == 1.0
    assert min_cllr(labels, [0.5] * 4) == 1.0


def test_costs_by_hand():
    #  scores  1 2 3 4 5, targets at 2, 4, 5: reject up to 3 (miss 1/3, no false alarm) or
    labels, scores = [0, 1, 0, 1, 1], [1.0, 2.0, 3.0, 4.0, 5.0]
    #  up to 1 (no miss, half the false alarms)
    assert min_dcf_threshold(labels, scores, 0.5) == pytest.approx((1 / 3, 3.5))
    assert min_dcf_threshold(labels, scores, 0.9) == pytest.approx((0.5, 1.5))
    # 0.6 * 5 * 1/3 = 1, 0.4 * 4 * 1/2 = 0.8, over min(3, 1.6)
    assert min_dcf_threshold(labels, scores, 0.6, 5, 4) == pytest.approx((0.5, 1.5))
    assert min_dcf(labels, scores, 0.01) == pytest.approx(1 / 3)


def test_decisions_are_made_at_the_bayes_threshold_itself():
    # log((1 - p) / p) is log 4 at p = 0.2: the second ratio, equal to it, is accepted
    llrs = [np.log(3.9), np.log(0.8) - np.log(0.2), 5.0]
    assert act_dcf([1, 1, 0], llrs, 0.2) == pytest.approx(0.5 + 4)
    assert act_dcf([1, 0, 0], llrs, 0.2) == pytest.approx(1 + 4)
    # a false alarm at a quarter of the cost moves the threshold to 0
    assert act_dcf([1, 1, 0], [0.1, -0.1, 5.0], 0.2, c_fa=0.25) == pytest.approx(0.5 + 1)
    assert act_dcf([1, 0], [100.0, -100.0], 0.01) == 0.0


def test_cllr_by_hand_and_without_overflow():
    assert cllr([1, 0], [np.log(3), -np.log(7)]) == pytest.approx(
        (np.log2(4 / 3) + np.log2(8 / 7)) / 2
    )
    assert cllr([1, 0], [-2000.0, -1.0]) == pytest.approx(
        (2000 / np.log(2) + np.log2(1 + np.exp(-1))) / 2
    )
    assert cllr([1, 0], [2000.0, -2000.0]) == 0.0


def test_min_cllr_of_one_pooled_block_by_hand():
    # the middle two scores are the wrong way round: one block of 1/2 target, 1/3 of non-targets
    a, b = 1 / 2, 1 / 3
    expected = (a * np.log2((a + b) / a) + b * np.log2((a + b) / b)) / 2
    assert min_cllr([0, 0, 1, 0, 1], [1, 2, 3, 4, 5]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: min_dcf([0, 1], [0, 1], 0.0), "p_target must lie between 0 and 1.* got 0.0"),
        (lambda: min_dcf([0, 1], [0, 1], float("nan")), "p_target .* got nan"),
        (lambda: act_dcf([0, 1], [0, 1], 1.0), "p_target .* got 1.0"),
        (lambda: min_dcf([0, 1], [0, 1], 0.5, c_miss=0), "c_miss must be a finite number above 0"),
        (lambda: act_dcf([0, 1], [0, 1], 0.5, c_fa=np.inf), "c_fa must be a finite .* got inf"),
        (lambda: eer_and_min_dcf([0, 1], [0, 1], 0.5, method="both"), "hull, got 'both'"),
        (lambda: eer_and_min_dcf([0, 1], [0, 1], 5), "p_target .* got 5"),
    ],
)
def test_arguments_out_of_range_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("scores", [[-0.0, 0.0, 1.0], [0.0, -0.0, 1.0], [0.0, 0.0, 1.0]])
def test_zeros_of_either_sign_are_one_threshold(scores):
    for labels in ([1, 1, 0], [0, 0, 1], [1, 0, 1]):
        thresholds = det_curve(labels, scores)[2]
        assert thresholds.tobytes() == np.array([0.0, 1.0, np.inf]).tobytes()


def test_arguments_are_left_as_they_were():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 50), rng.normal(size=50)
    weights = rng.uniform(size=50)
    before = [column.copy() for column in (labels, scores, weights)]
    everything(labels, scores, weights), everything(labels, scores, None)
    cllr(labels, scores, weights), act_dcf(labels, scores, 0.1, weights=weights)
    for column, copy in zip((labels, scores, weights), before, strict=True):
        np.testing.assert_array_equal(column, copy)


def test_single_precision_and_lists_give_the_same_as_double():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 200)
    scores = (rng.normal(size=200) + labels).astype(np.float32)
    expected = eer_and_min_dcf(labels, scores.astype(float), 0.1)
    assert eer_and_min_dcf(labels.astype(bool), scores, 0.1) == expected
    assert eer_and_min_dcf(labels.astype(float), scores, 0.1) == expected
    assert eer_and_min_dcf(labels.tolist(), scores.tolist(), 0.1) == expected
