"""Subject resampling against explicit repetition of trials, and a simulation with a known truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from bodysounds.metrics.bootstrap import bootstrap_interval, paired_interval, subject_weights
from bodysounds.metrics.resampling import resampler
from bodysounds.metrics.verification import (
    act_dcf,
    auc,
    cllr,
    equal_error_rate,
    min_cllr,
    min_dcf,
    rates_at,
)


def all_pairs(n_subjects, n_sides, shift, rng, ties=False):
    """Trials of every unordered pair of sides; identity is worth `shift` deviations."""
    who = np.repeat(np.arange(n_subjects), n_sides)
    first, second = np.array(list(itertools.combinations(range(len(who)), 2))).T
    labels = (who[first] == who[second]).astype(int)
    scores = rng.normal(size=len(labels)) + shift * labels
    names = np.array([f"s{i:02d}" for i in who])
    return labels, np.round(scores, 1) if ties else scores, names[first], names[second]


def repeated(labels, scores, enrol, test, counts):
    """The resampled list of trials, written out one by one."""
    rows = []
    for label, score, a, b in zip(labels, scores, enrol, test, strict=True):
        copies = counts[a] if label else counts[a] * counts[b]
        rows += [(label, score)] * int(copies)
    return map(np.array, zip(*rows, strict=True))


@pytest.mark.parametrize("ties", [False, True])
def test_draws_equal_explicit_repetition(ties):
    rng = np.random.default_rng(3)
    labels, scores, enrol, test = all_pairs(6, 3, 1.0, rng, ties)
    sample = resampler(labels, enrol, test, n=20, seed=5)
    drawn = {"eer": sample.draws(scores, "eer"), "auc": sample.draws(scores, "auc")}
    rates = sample.rate_draws(scores, 0.4)
    names = sorted(set(enrol) | set(test))
    assert len({tuple(row) for row in sample.counts}) > 10
    for i, row in enumerate(sample.counts):
        assert row.sum() == len(names)
        y, s = repeated(labels, scores, enrol, test, dict(zip(names, row, strict=True)))
        assert drawn["eer"][i] == pytest.approx(equal_error_rate(y, s)[0])
        assert drawn["auc"][i] == pytest.approx(auc(y, s))
        for name, value in rates_at(y, s, 0.4).items():
            assert rates[name][i] == pytest.approx(value)


def test_callable_statistic_equals_the_sorted_one_with_base_weights():
    labels, scores, enrol, test = all_pairs(8, 3, 1.0, np.random.default_rng(0), ties=True)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(labels))
    for named, function in (("eer", lambda *a: equal_error_rate(*a)[0]), ("auc", auc)):
        one = bootstrap_interval(labels, scores, enrol, test, named, n=50, weights=weights)
        two = bootstrap_interval(labels, scores, enrol, test, function, n=50, weights=weights)
        assert one == pytest.approx(two)


STATISTICS = {
    "eer": lambda y, s, w: equal_error_rate(y, s, w)[0],
    "auc": auc,
    "min_dcf": lambda y, s, w: min_dcf(y, s, 0.2, 3.0, 2.0, w),
    "act_dcf": lambda y, s, w: act_dcf(y, s, 0.2, 3.0, 2.0, w),
    "cllr": cllr,
    "min_cllr": min_cllr,
}


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("ties", [False, True])
def test_every_draw_of_a_named_statistic_is_that_of_its_weights(name, ties):
    labels, scores, enrol, test = all_pairs(9, 3, 1.0, np.random.default_rng(8), ties)
    base = np.random.default_rng(9).integers(0, 3, len(labels)).astype(float)
    sample = resampler(labels, enrol, test, n=30, weights=base)
    options = {"p_target": 0.2, "c_miss": 3.0, "c_fa": 2.0}
    observed, drawn = sample.with_observed(scores, name, base, **options)
    assert observed == pytest.approx(STATISTICS[name](labels, scores, base), abs=1e-12)
    names = sorted(set(enrol) | set(test))
    first, second = np.searchsorted(names, enrol), np.searchsorted(names, test)
    expected = [
        STATISTICS[name](labels, scores, base * w[first] * np.where(labels == 1, 1, w[second]))
        for w in sample.counts
    ]
    np.testing.assert_allclose(drawn, expected, rtol=0, atol=1e-12)
    assert np.std(drawn) > 0
    low, high = bootstrap_interval(labels, scores, enrol, test, name, n=30, weights=base, **options)
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert paired_interval(
        labels, scores, scores + 0.0, enrol, test, name, n=10, weights=base, **options
    ) == (0.0, 0.0, 0.0)


def test_normal_interval_is_centred_on_the_estimate():
    labels, scores, enrol, test = all_pairs(20, 3, 1.0, np.random.default_rng(2))
    worse = scores + np.random.default_rng(3).normal(0, 0.8, len(labels))
    sample = resampler(labels, enrol, test, n=200)
    drawn = sample.draws(scores, "eer") - sample.draws(worse, "eer")
    difference, low, high = paired_interval(
        labels, scores, worse, enrol, test, n=200, level=0.9, method="normal"
    )
    assert (low + high) / 2 == pytest.approx(difference)
    assert (high - low) / 2 == pytest.approx(1.644854 * drawn.std())
    with pytest.raises(ValueError, match="percentile or normal, got 'beta'"):
        paired_interval(labels, scores, worse, enrol, test, method="beta")


def test_beta_interval_knows_that_no_error_so_far_is_not_none_at_all():
    labels, scores, enrol, test = all_pairs(30, 2, 50.0, np.random.default_rng(5))
    trials = labels, scores, enrol, test, "eer"
    assert bootstrap_interval(*trials, n=50) == pytest.approx((0.0, 0.0), abs=1e-12)
    low, high = bootstrap_interval(*trials, n=50, method="beta")
    assert low == pytest.approx(0, abs=1e-12)
    # 30 subjects with one target trial each: Jeffreys' upper end for 0 of 4 * 30
    assert high == pytest.approx(stats.beta.ppf(0.975, 0.5, 120.5))
    # and where many are wrong it agrees with the percentiles
    labels, scores, enrol, test = all_pairs(60, 2, 1.0, np.random.default_rng(5))
    plain = bootstrap_interval(labels, scores, enrol, test, "eer", n=400)
    beta = bootstrap_interval(labels, scores, enrol, test, "eer", n=400, method="beta")
    assert beta == pytest.approx(plain, abs=0.02)


def test_interval_contains_the_truth_as_often_as_it_says():
    truth = 0.2119  # shift 1.6: two normal distributions cut at 0.8, norm.cdf(-0.8)
    inside, widths = 0, []
    for seed in range(40):
        trials = all_pairs(25, 3, 1.6, np.random.default_rng(seed))
        low, high = bootstrap_interval(*trials, "eer", n=200, seed=seed)
        inside += low <= truth <= high
        widths.append(high - low)
    assert inside >= 34  # 85% of 40 at a nominal 95%
    assert np.mean(widths) < 0.25


def test_one_side_repeated_many_times_does_not_narrow_the_interval():
    labels, scores, enrol, test = all_pairs(12, 2, 1.0, np.random.default_rng(2))
    plain = bootstrap_interval(labels, scores, enrol, test, "eer", n=300)
    many = bootstrap_interval(*(np.tile(a, 5) for a in (labels, scores, enrol, test)), "eer", n=300)
    assert plain == pytest.approx(many)


def test_seed_decides_and_order_of_rows_does_not():
    labels, scores, enrol, test = all_pairs(10, 3, 1.0, np.random.default_rng(4), ties=True)
    first = bootstrap_interval(labels, scores, enrol, test, "eer", n=100, seed=1)
    mixed = np.random.default_rng(0).permutation(len(labels))
    weights = subject_weights(labels, enrol, test)
    shuffled = [column[mixed] for column in (labels, scores, enrol, test)]
    again = bootstrap_interval(*shuffled, "eer", n=100, seed=1)
    assert first == again
    assert first != bootstrap_interval(labels, scores, enrol, test, "eer", n=100, seed=2)
    weighted = [
        bootstrap_interval(
            labels[o], scores[o], enrol[o], test[o], "eer", n=100, weights=weights[o]
        )
        for o in (np.arange(len(labels)), mixed)
    ]
    assert weighted[0] == weighted[1]


def test_paired_interval_is_tighter_than_the_two_apart():
    rng = np.random.default_rng(6)
    labels, scores, enrol, test = all_pairs(30, 3, 1.5, rng)
    worse = scores + rng.normal(0, 0.8, len(labels))
    difference, low, high = paired_interval(labels, scores, worse, enrol, test, n=300)
    expected = equal_error_rate(labels, scores)[0] - equal_error_rate(labels, worse)[0]
    assert difference == pytest.approx(expected)
    assert low < difference < high < 0
    apart = [bootstrap_interval(labels, s, enrol, test, "eer", n=300) for s in (scores, worse)]
    assert high - low < sum(b - a for a, b in apart) / 2
    assert paired_interval(labels, scores, scores, enrol, test, n=50) == (0.0, 0.0, 0.0)
    area, *_ = paired_interval(labels, scores, worse, enrol, test, "auc", n=20)
    assert area == pytest.approx(auc(labels, scores) - auc(labels, worse))


def test_draws_of_one_class_are_replaced_and_counted():
    # only subject a has targets: over a third of the draws miss it
    labels, enrol, test = [1, 0, 0, 0], ["a", "a", "b", "a"], ["a", "b", "c", "c"]
    sample = resampler(labels, enrol, test, n=200)
    assert 50 < sample.redrawn < 300
    assert sample.counts.shape == (200, 3)
    assert (sample.counts[:, 0] > 0).all()
    assert not np.isnan(sample.draws([1.0, 0.2, 0.3, 0.4], "eer")).any()


def test_names_joined_by_a_target_are_one_subject():
    # the two periods of a baby under two names, as in a challenge that hides its identities
    same = bootstrap_interval([1, 1, 0, 0], [3, 1, 2, 0], list("abab"), list("abba"), "eer", n=50)
    hidden = bootstrap_interval([1, 1, 0, 0], [3, 1, 2, 0], list("abab"), list("xyyx"), "eer", n=50)
    assert same == hidden


def test_subject_weights_by_hand():
    labels = [1, 1, 1, 1, 0, 0, 0]
    enrol = ["a", "a", "a", "b", "a", "b", "a"]
    test = ["a", "a", "a", "b", "b", "a", "c"]
    weights = subject_weights(labels, enrol, test)
    # two subjects share 4 targets: 2 each; two pairs (ab, ac) share 3 non-targets: 1.5 each
    assert weights.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2, 0.75, 0.75, 1.5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"enrol_subjects": ["a", None, "a", "b"]}, "trial 1 has a side without a subject"),
        ({"enrol_subjects": ["a", "b", "a"]}, "enrol_subjects has 3"),
        ({"labels": [1, 0, 0, 0]}, "trial 1 is labelled non-target, but its sides 'b' and 'b'"),
        ({"scores": [1, 2, np.nan, 4]}, r"scores\[2\] is NaN"),
        ({"labels": [0, 0, 0, 0], "test_subjects": list("cdba")}, "no target pair"),
        ({"statistic": "far"}, "callable or one of eer, auc, min_dcf, .*, got 'far'"),
        ({"statistic": "min_dcf"}, "min_dcf needs p_target"),
        ({"statistic": "act_dcf", "p_target": 1.5}, "p_target must lie between 0 and 1.* got 1.5"),
        ({"method": "bca"}, "one of percentile, normal, beta, got 'bca'"),
        ({"statistic": "auc", "method": "beta"}, "beta is for statistic eer, got 'auc'"),
        ({"level": 95}, "between 0 and 1, got 95"),
        ({"n": 0}, "at least 1 resample, got 0"),
        ({"labels": [1, 1, 1, 0], "enrol_subjects": list("abxa"), "test_subjects": list("abbb"),
          "weights": [0, 0, 1, 0]}, "no non-target pair"),
    ],
)  # fmt: skip
def test_bad_input_is_named(change, message):
    good = {
        "labels": [1, 1, 0, 0], "scores": [3, 1, 2, 0], "enrol_subjects": list("abab"),
        "test_subjects": list("abba"), "statistic": "eer", "n": 10,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(**(good | change))
