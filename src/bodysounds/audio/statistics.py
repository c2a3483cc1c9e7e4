"""How log-mel features are spread over a clip, whatever their order in time."""

from __future__ import annotations

import torch
from torch import Tensor

PERCENTILES = (2.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0)
LOUD, QUIET = 60.0, 30.0
"""Frames from this percentile of the frames' levels up are loud, up to that one quiet."""
PER_BAND = len(PERCENTILES) + 7


def long_term_statistics(features: Tensor) -> Tensor:
    """Return what a clip sounds like in the long run: voice where it is loud, room where it is not.

    Parameters
    ----------
    features : (batch, frames, n_mels) float32
        Log-mel, no mean subtracted: the level and the microphone count.

    Returns
    -------
    statistics : (batch, 16 * n_mels) float32
        Of each band nine percentiles over time, mean, deviation and mean step from frame to frame;
        then mean and deviation over the 40% loudest frames, and over the 30% quietest.
    """
    features = features.float()
    shares = torch.tensor(PERCENTILES, device=features.device) / 100
    spread = torch.quantile(features, shares, dim=1).transpose(0, 1).flatten(1)
    step = features.diff(dim=1).abs().mean(dim=1)
    if features.shape[1] == 1:
        step = torch.zeros_like(features[:, 0])
    level = features.mean(dim=2)
    loud = level >= torch.quantile(level, LOUD / 100, dim=1, keepdim=True)
    quiet = level <= torch.quantile(level, QUIET / 100, dim=1, keepdim=True)
    whole = torch.ones_like(loud)
    return torch.cat(
        [
            spread,
            *_mean_and_deviation(features, whole),
            step,
            *_mean_and_deviation(features, loud),
            *_mean_and_deviation(features, quiet),
        ],
        dim=1,
    )


def _mean_and_deviation(features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return each band's mean and deviation over the frames that are true, at least one."""
    weights = frames.float() / frames.sum(dim=1, keepdim=True)
    mean = torch.einsum("bt,btf->bf", weights, features)
    centred = features - mean[:, None]
    return mean, torch.einsum("bt,btf->bf", weights, centred.square()).sqrt()
