"""The discrete equal error rate is SpeechBrain's, wherever that one is defined."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from bodysounds.metrics.verification import det_curve, eer_and_min_dcf, equal_error_rate


@pytest.fixture(scope="module")
def peer():
    import torch

    importlib.import_module("bodysounds._speechbrain")  # first, so that it changes no numerics
    from speechbrain.utils import metric_stats

    def rates(labels, scores, p_target):
        positive, negative = (torch.tensor(scores[labels == k]) for k in (1, 0))
        eer, _ = metric_stats.EER(positive, negative)
        raw, _ = metric_stats.minDCF(positive, negative, p_target=p_target)
        return eer, raw

    return rates


def defined(labels, scores):
    """Whether one threshold is nearest to equality by more than single precision can confuse."""
    far, frr, _ = det_curve(labels, scores)
    near = np.argsort(np.abs(far - frr))[:2]
    apart = np.diff(np.abs(far - frr)[near])[0] > 1e-6
    return apart or np.ptp((far + frr)[near]) < 1e-9


@pytest.mark.parametrize("kind", ["random", "tied", "perfect", "inverted", "constant", "few"])
def test_discrete_equals_speechbrain(peer, kind):
    compared = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n = 5 if kind == "few" else 60
        labels = rng.permutation(np.repeat([1, 0], [n, 2 * n + seed]))
        shift = {"perfect": 30.0, "inverted": -30.0}.get(kind, 1.0)
        scores = rng.normal(size=len(labels)) + shift * labels
        scores = np.zeros_like(scores) if kind == "constant" else scores
        # eighths are exact in single precision, and so are the middles between them
        scores = np.round(scores * 8) / 8 if kind != "random" else scores
        if not defined(labels, scores):
            continue
        compared += 1
        eer, raw = peer(labels, scores, 0.05)
        assert equal_error_rate(labels, scores, method="discrete")[0] == pytest.approx(
            eer, abs=1e-6
        )
        # its cost is not divided by that of the better trivial decision, and it never accepts all
        together = eer_and_min_dcf(labels, scores, 0.05, method="discrete")
        assert together[0] == pytest.approx(eer, abs=1e-6)
        assert together[2] * 0.05 == pytest.approx(raw, abs=1e-6)
    assert compared >= 6
