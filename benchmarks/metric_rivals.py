"""Equal error rate and minimum cost as others compute them, beside ours, on the same arrays.

Each function takes labels (int64, 1 for a target), scores (float64) and the prior of a target, and
returns the equal error rate and the minimum detection cost as that program would print them.
"""

from __future__ import annotations

import importlib

import numpy as np

from bodysounds.metrics.verification import eer_and_min_dcf


def ours(labels, scores, p_target):
    eer, _, cost, _ = eer_and_min_dcf(labels, scores, p_target)
    return eer, cost


def wespeaker(labels, scores, p_target, kind=None):
    """WeSpeaker's algorithm (3D-Speaker's and the NIST script's too), in our words.

    The running sums of both classes in ascending order of the scores, a point a trial: trials of
    one score are separate points, in the order that the sort left them in, and the point at which
    all are accepted is missing. The equal error rate lies on the line between the last point with
    FRR < FAR and the first with FRR >= FAR; the cost is found by Python's own `min`.
    """
    hit = labels[np.argsort(scores, kind=kind)] == 1
    frr = np.cumsum(hit) / np.count_nonzero(hit)
    far = 1 - np.cumsum(~hit) / np.count_nonzero(~hit)
    gap = frr - far
    after, before = np.flatnonzero(gap >= 0)[0], np.flatnonzero(gap < 0)[-1]
    part = gap[after] / (gap[after] - gap[before])
    eer = frr[after] - part * (frr[after] - frr[before])
    return float(eer), float(
        min(p_target * frr + (1 - p_target) * far) / min(p_target, 1 - p_target)
    )


def scikit_learn(labels, scores, p_target):
    """scikit-learn's `det_curve`, with the usual two lines that read the figures off it."""
    from sklearn.metrics import det_curve

    far, frr, _ = det_curve(labels, scores)
    nearest = np.argmin(np.abs(far - frr))
    cost = (p_target * frr + (1 - p_target) * far).min() / min(p_target, 1 - p_target)
    return float((far + frr)[nearest] / 2), float(cost)


def speechbrain_eer(labels, scores, p_target):
    return _speechbrain("EER", labels, scores), None


def speechbrain_min_dcf(labels, scores, p_target):
    return None, _speechbrain("minDCF", labels, scores, p_target=p_target)


def _speechbrain(name, labels, scores, **options):
    import torch

    importlib.import_module("bodysounds._speechbrain")  # first, so that it changes no numerics
    function = getattr(importlib.import_module("speechbrain.utils.metric_stats"), name)
    positive, negative = (torch.from_numpy(scores[labels == k]) for k in (1, 0))
    return function(positive, negative, **options)[0]


def argsort_and_gather(labels, scores, p_target):
    """No figures: the least that an algorithm over one argsort has to do."""
    order = np.argsort(scores)
    _ = scores[order], labels[order]
    return None, None


IN_PROCESS = {
    "argsort + gather": argsort_and_gather,
    "ours": ours,
    "WeSpeaker's algorithm": wespeaker,
    "scikit-learn det_curve": scikit_learn,
}
SPEECHBRAIN = {"SpeechBrain EER": speechbrain_eer, "SpeechBrain minDCF": speechbrain_min_dcf}
