"""Error rates, areas and costs of ratios agree with scikit-learn's to 1e-9."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from bodysounds.metrics.verification import (
    auc,
    cllr,
    det_curve,
    equal_error_rate,
    min_cllr,
    min_dcf,
)

EXACT = {"rtol": 0, "atol": 1e-9}


def trials(kind):
    rng = np.random.default_rng(7)
    labels = rng.permutation(np.repeat([1, 0], [60, 340]))
    scores = rng.normal(size=400) + 1.5 * labels
    if kind == "tied":
        scores = np.round(scores)
    if kind == "constant":
        scores = np.full(400, 0.25)
    if kind == "perfect":
        scores += 20 * labels
    if kind == "inverted":
        scores -= 20 * labels
    return labels, scores


def balanced(labels, weights):
    """Weights under which each class sums to a half."""
    weights = np.ones(len(labels)) if weights is None else weights
    sums = np.where(labels == 1, weights[labels == 1].sum(), weights[labels == 0].sum())
    return weights / sums / 2


@pytest.fixture(params=["random", "tied", "constant", "perfect", "inverted"])
def columns(request):
    return trials(request.param)


@pytest.fixture(params=["trials weigh equally", "weighted", "some weigh nothing"])
def weights(request):
    rng = np.random.default_rng(8)
    return {
        "trials weigh equally": None,
        "weighted": rng.uniform(0.1, 5, 400),
        "some weigh nothing": rng.integers(0, 3, 400).astype(float),
    }[request.param]


def rows_with_weight(labels, scores, weights):
    kept = slice(None) if weights is None else weights > 0
    return labels[kept], scores[kept], None if weights is None else weights[kept]


def test_every_point_of_the_curve(columns, weights):
    labels, scores = columns
    far, frr, thresholds = det_curve(labels, scores, weights)
    y, s, w = rows_with_weight(labels, scores, weights)
    # roc_curve starts from a threshold of infinity and descends; nothing may be dropped
    roc_far, roc_hit, roc_at = sk.roc_curve(y, s, sample_weight=w, drop_intermediate=False)
    np.testing.assert_allclose(far, roc_far[::-1], **EXACT)
    np.testing.assert_allclose(frr, 1 - roc_hit[::-1], **EXACT)
    assert thresholds.tolist() == roc_at[::-1].tolist()
    # det_curve leaves out the ends where one of the rates stays at 0
    sk_far, sk_frr, sk_at = sk.det_curve(y, s, sample_weight=w, drop_intermediate=False)
    at = np.searchsorted(thresholds, sk_at)
    np.testing.assert_allclose(far[at], sk_far, **EXACT)
    np.testing.assert_allclose(frr[at], sk_frr, **EXACT)
    assert len(sk_at) >= 1


def test_area_and_what_is_read_off_the_curve(columns, weights):
    labels, scores = columns
    y, s, w = rows_with_weight(labels, scores, weights)
    area = sk.roc_auc_score(y, s, sample_weight=w)
    np.testing.assert_allclose(auc(labels, scores, weights), area, **EXACT)
    far, hit, _ = sk.roc_curve(y, s, sample_weight=w, drop_intermediate=False)
    frr = 1 - hit
    eer = np.interp(0.0, far - frr, far)
    np.testing.assert_allclose(equal_error_rate(labels, scores, weights)[0], eer, **EXACT)
    for p, c_miss, c_fa in ((0.01, 1, 1), (0.05, 1, 1), (0.5, 1, 1), (0.01, 10, 1), (0.9, 1, 3)):
        cost = (p * c_miss * frr + (1 - p) * c_fa * far).min() / min(p * c_miss, (1 - p) * c_fa)
        found = min_dcf(labels, scores, p, c_miss, c_fa, weights)
        np.testing.assert_allclose(found, cost, **EXACT)


def test_cllr_is_the_balanced_log_loss_in_bits(columns, weights):
    labels, scores = columns
    expected = sk.log_loss(labels, expit(scores), sample_weight=balanced(labels, weights))
    np.testing.assert_allclose(cllr(labels, scores, weights), expected / np.log(2), **EXACT)


def test_min_cllr_is_cllr_after_isotonic_regression(columns, weights):
    labels, scores = columns
    share = balanced(labels, weights)
    y, s, w = labels[share > 0], scores[share > 0], share[share > 0]
    posterior = IsotonicRegression(y_min=0, y_max=1).fit_transform(s, y, sample_weight=w)
    # log_loss moves 0 and 1 by a rounding; here they cost nothing, as they are never wrong
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -np.where(y == 1, np.log2(posterior), np.log2(1 - posterior))
    np.testing.assert_allclose(min_cllr(labels, scores, weights), w @ bits, **EXACT)
    loss = sk.log_loss(y, posterior, sample_weight=w) / np.log(2)
    np.testing.assert_allclose(min_cllr(labels, scores, weights), loss, **EXACT)
