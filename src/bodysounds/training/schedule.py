"""The learning rate as a function of the step."""

from __future__ import annotations

import math


def warmup_cosine(step: int, n_steps: int, peak: float, warmup_share: float) -> float:
    """Return the learning rate of a step: a linear rise, then half a cosine towards 0.

    Parameters
    ----------
    step : int
        From 0 to n_steps - 1.
    n_steps : int
        Of the whole training.
    peak : float
        Reached at the end of the rise.
    warmup_share : float in [0, 1)
        Share of the steps that the rise takes.

    The rate is above 0 at every step. Raises ValueError for a step outside the training.
    """
    if not 0 <= step < n_steps:
        raise ValueError(f"step must lie in [0, {n_steps}), got {step}")
    n_rising = round(warmup_share * n_steps)
    if step < n_rising:
        return peak * (step + 1) / n_rising
    progress = (step - n_rising) / (n_steps - n_rising)
    return peak * 0.5 * (1.0 + math.cos(math.pi * progress))
