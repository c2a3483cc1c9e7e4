"""`audio.statistics.long_term_statistics` in operations that ONNX has, which knows no quantile."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bodysounds.audio.statistics import LOUD, PERCENTILES, QUIET


def statistics(features: Tensor) -> Tensor:
    """Return the statistics (batch, 16 * n_mels) of features (batch, frames, n_mels) float32.

    Raises ValueError for fewer than two frames.
    """
    if features.shape[1] < 2:
        raise ValueError(f"an exported backend needs at least 2 frames, got {features.shape[1]}")
    level = features.mean(dim=2, keepdim=True)
    loud, quiet = level >= percentiles(level, (LOUD,)), level <= percentiles(level, (QUIET,))
    return torch.cat(
        [
            percentiles(features, PERCENTILES).flatten(1),
            *moments(features, torch.ones_like(loud)),
            (features[:, 1:] - features[:, :-1]).abs().mean(dim=1),
            *moments(features, loud),
            *moments(features, quiet),
        ],
        dim=1,
    )


def percentiles(values: Tensor, wanted: Sequence[float]) -> Tensor:
    """Return percentiles over frames, (batch, frames, n) -> (batch, len(wanted), n)."""
    ordered = values.sort(dim=1).values
    ranks = torch.tensor(wanted) / 100 * (values.shape[1] - 1)
    below, above = (
        ordered.index_select(1, place.long()) for place in (ranks.floor(), ranks.ceil())
    )
    return torch.lerp(below, above, (ranks - ranks.floor()).unsqueeze(1))


def moments(features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return each band's mean and deviation over the frames that are true, (batch, frames, 1)."""
    share = frames.float()
    share = share / share.sum(dim=1, keepdim=True)
    mean = (share * features).sum(dim=1)
    squares = (features - mean.unsqueeze(1)).square()
    return mean, (share * squares).sum(dim=1).sqrt()
