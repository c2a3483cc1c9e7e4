"""Quiet clips laid under others, as rooms have them."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

SMALLEST = 1e-8


def lay_under(
    waveforms: Tensor,
    quiet: Tensor,
    generator: Generator,
    p: float,
    snr_db: tuple[float, float],
) -> Tensor:
    """Return waveforms (batch, samples) with one of the quiet ones of the batch under some.

    Parameters
    ----------
    waveforms : (batch, samples) float32
    quiet : bool (batch,)
        Those that may lie under others: the background.
    p : float in [0, 1]
        Probability of each to be changed.
    snr_db : (low, high)
        The ratio of powers over the clip is drawn between these (decibels).

    A clip never lies under itself. A silent one stays silent, and a silent background adds nothing.
    """
    n_items = len(waveforms)
    rows = torch.nonzero(quiet).flatten()
    drawn = torch.rand((3, n_items), generator=generator, device=waveforms.device)
    ratio = (snr_db[0] + (snr_db[1] - snr_db[0]) * drawn[0])[:, None]
    if not len(rows):
        return waveforms
    chosen = rows[(drawn[1] * len(rows)).long().clamp_max(len(rows) - 1)]
    under = waveforms[chosen]
    gain = _rms(waveforms) / _rms(under).clamp_min(SMALLEST) * torch.pow(10.0, -ratio / 20)
    own = torch.arange(n_items, device=waveforms.device)
    mixed = waveforms + gain.clamp_max(1 / SMALLEST) * under
    return torch.where(((drawn[2] < p) & (chosen != own))[:, None], mixed, waveforms)


def _rms(waveforms: Tensor) -> Tensor:
    return waveforms.square().mean(dim=-1, keepdim=True).sqrt()
