"""Threshold policies against a search over every possible cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodysounds.metrics.verification import equal_error_rate, rates_at
from bodysounds.scoring.threshold import choose_threshold, far_doubles_at

TRIALS = st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=2, max_size=40).filter(
    lambda rows: {label for label, _ in rows} == {0, 1}
)


def cuts(scores):
    return [*sorted(set(scores)), max(scores) + 1]


@given(TRIALS, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_far_is_the_lowest_cut_that_keeps_the_promise_despite_ties(rows, far):
    labels, scores = map(np.array, zip(*rows, strict=True))
    threshold = choose_threshold("far", scores, labels, far=far)
    assert np.isfinite(threshold)
    assert rates_at(labels, scores, threshold)["far"] <= far
    lower = [
        cut
        for cut in cuts(scores)
        if cut < threshold and (scores >= cut).sum() > (scores >= threshold).sum()
    ]
    assert all(rates_at(labels, scores, cut)["far"] > far for cut in lower)


@given(TRIALS)
def test_max_accuracy_beats_every_cut(rows):
    labels, scores = map(np.array, zip(*rows, strict=True))
    threshold = choose_threshold("max_accuracy", scores, labels)
    best = max(rates_at(labels, scores, cut)["accuracy"] for cut in cuts(scores))
    assert rates_at(labels, scores, threshold)["accuracy"] == pytest.approx(best)


def test_eer_policy_is_the_threshold_of_the_eer():
    labels, scores = [0, 1, 0, 1, 1], [1.0, 2.0, 3.0, 4.0, 5.0]
    assert choose_threshold("eer", scores, labels) == equal_error_rate(labels, scores)[1]


def test_policies_by_hand():
    labels, scores = [0, 0, 0, 0, 1, 1], [0.0, 1.0, 2.0, 6.0, 4.0, 8.0]
    assert choose_threshold("far", scores, labels, far=0.25) == 3.0  # between 2 and 4
    assert choose_threshold("far", scores, labels, far=0.24) == 7.0  # between 6 and 8
    assert choose_threshold("max_accuracy", scores, labels) == 3.0  # 5 of 6 right, as at 7
    assert choose_threshold("far", [5.0, 5.0], [0, 1], far=0.0) == np.nextafter(5.0, 6.0)


def test_weights_count():
    labels, scores = [0, 0, 1, 1], [0.0, 3.0, 2.0, 4.0]
    assert choose_threshold("max_accuracy", scores, labels, [1, 9, 1, 1]) == 3.5
    assert choose_threshold("max_accuracy", scores, labels, [1, 1, 9, 1]) == 1.0


@given(TRIALS, st.sampled_from([0.01, 0.3, 0.9]), st.sampled_from([0.5, 1.0, 10.0]))
def test_min_dcf_costs_least_of_every_cut(rows, p_target, c_fa):
    labels, scores = map(np.array, zip(*rows, strict=True))

    def cost(threshold):
        rates = rates_at(labels, scores, threshold)
        return p_target * rates["frr"] + (1 - p_target) * c_fa * rates["far"]

    threshold = choose_threshold("min_dcf", scores, labels, p_target=p_target, c_fa=c_fa)
    assert cost(threshold) == pytest.approx(min(cost(cut) for cut in cuts(scores)))


@given(TRIALS)
def test_balanced_brings_precision_and_recall_together(rows):
    labels, scores = map(np.array, zip(*rows, strict=True))

    def surplus(threshold):
        return abs((scores >= threshold).sum() - labels.sum())

    threshold = choose_threshold("balanced", scores, labels)
    assert surplus(threshold) == min(surplus(cut) for cut in cuts(scores))
    if surplus(threshold) == 0:
        rates = rates_at(labels, scores, threshold)
        assert rates["precision"] == pytest.approx(rates["recall"])


@given(TRIALS, st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0]))
def test_prior_accepts_the_expected_share_and_never_looks_at_labels(rows, prior):
    labels, scores = map(np.array, zip(*rows, strict=True))

    def miss(threshold):
        return abs((scores >= threshold).mean() - prior)

    threshold = choose_threshold("prior", scores, prior=prior)
    assert miss(threshold) == pytest.approx(min(miss(cut) for cut in cuts(scores)))
    assert choose_threshold("prior", scores, labels, prior=prior) == threshold
    assert choose_threshold("prior", scores, 1 - labels, prior=prior) == threshold


def test_prior_counts_weights():
    assert choose_threshold("prior", [1.0, 2.0, 3.0, 4.0], prior=0.5) == 2.5
    assert choose_threshold("prior", [1.0, 2.0, 3.0, 4.0], None, [1, 1, 1, 9], prior=0.75) == 3.5


@given(TRIALS, st.integers(-4, 4))
def test_far_doubles_where_it_says(rows, threshold):
    labels, scores = map(np.array, zip(*rows, strict=True))
    far = rates_at(labels, scores, threshold)["far"]
    doubles = far_doubles_at(labels, scores, threshold)
    lower = [s for s in scores if s <= threshold and rates_at(labels, scores, s)["far"] >= 2 * far]
    assert doubles == (max(lower) if far and lower else None)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            ("best", [1, 2], [0, 1]),
            {},
            "one of eer, max_accuracy, min_dcf, far, balanced, prior, got 'best'",
        ),
        (("eer", [1, 2], [0, 0]), {}, "no target pair among the 2 trials"),
        (("far", [1, 2], [1, 1]), {}, "no non-target pair among the 2 trials"),
        (("eer", [1, 2]), {}, "eer needs labels"),
        (("eer", [1, np.nan], [0, 1]), {}, r"scores\[1\] is NaN"),
        (("far", [1, 2], [0, 1]), {"far": 1.5}, r"far must lie in \[0, 1\], got 1.5"),
        (("eer", [1, 2], [0, 1]), {"far": 0.1}, "eer has no option 'far'"),
        (("min_dcf", [1, 2], [0, 1]), {"prior": 0.1}, "it has p_target, c_miss, c_fa"),
        (("balanced", [1, 2]), {}, "balanced needs labels"),
        (("prior", [1, np.nan]), {}, r"scores\[1\] is NaN"),
        (("prior", []), {}, "empty"),
        (("prior", [1, 2]), {"prior": -0.5}, r"prior must lie in \[0, 1\], got -0.5"),
        (("prior", [1, 2], None, [0, 0]), {}, "no trial has a weight above 0"),
    ],
)
def test_bad_input_is_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        choose_threshold(*arguments, **options)
