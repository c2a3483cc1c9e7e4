"""The learning rate as a function of the step and of what was seen so far; no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

OPTIONS = {
    "warmup_cosine": ("warmup_share",),
    "cyclic": ("base_lr", "step_size"),
    "plateau": ("factor", "patience"),
    "step": ("factor", "every"),
    "constant": (),
    "cosine": ("t_max", "min_lr"),
}
# a figure counts as better where it is lower by this share
IMPROVEMENT = 1e-4


def check_schedule(
    specs: Sequence[Mapping[str, Any]], peak: float, stage: str = "train_embedding"
) -> None:
    """Raise ValueError unless this is a list of one schedule with all its options in range."""
    names = ", ".join(OPTIONS)
    if not isinstance(specs, Sequence) or len(specs) != 1 or not isinstance(specs[0], Mapping):
        raise ValueError(f"{stage}.schedule must be a list of one of {names}, got {specs!r}")
    options = dict(specs[0])
    name = options.pop("name", None)
    if name not in OPTIONS:
        raise ValueError(f"{stage}.schedule[].name must be one of {names}, got {name!r}")
    if set(options) != set(OPTIONS[name]):
        raise ValueError(
            f"{stage}.schedule {name} takes {', '.join(OPTIONS[name]) or 'no option'}, "
            f"got {', '.join(options) or 'none'}"
        )
    rules = {
        "warmup_share": lambda value: 0 <= value <= 0.9,
        "base_lr": lambda value: 0 <= value <= peak,
        "step_size": lambda value: value >= 1,
        "factor": lambda value: 0 < value < 1,
        "patience": lambda value: value >= 0,
        "every": lambda value: value >= 1,
        "t_max": lambda value: value >= 1,
        "min_lr": lambda value: 0 <= value <= peak,
    }
    ranges = {
        "warmup_share": "[0, 0.9]",
        "base_lr": f"[0, {peak:g}], learning_rate being the highest",
        "step_size": "steps, 1 or more",
        "factor": "(0, 1)",
        "patience": "epochs, 0 or more",
        "every": "epochs, 1 or more",
        "t_max": "epochs, 1 or more",
        "min_lr": f"[0, {peak:g}], learning_rate being the highest",
    }
    for key, value in options.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not rules[key](value):
            raise ValueError(
                f"{stage}.schedule {name}: {key} must lie in {ranges[key]}, got {value!r}"
            )


def learning_rate(
    spec: Mapping[str, Any],
    step: int,
    n_steps: int,
    peak: float,
    figures: Sequence[float],
    stretch: float = 1.0,
) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    spec : dict
        name and options, as `check_schedule` lets pass.
    step : int
        From 0 to n_steps - 1.
    n_steps : int
        Of the whole training.
    peak : float
        The highest rate.
    figures : list of float
        What each finished epoch was judged by, lower is better; `plateau` reads it, and `step` and
        `cosine` how many there are.
    stretch : float
        Length of an epoch in steps against that of the training that the spec was written for;
        only `cyclic` counts in steps.
    """
    name = spec["name"]
    if name == "warmup_cosine":
        return warmup_cosine(step, n_steps, peak, spec["warmup_share"])
    if name == "cyclic":
        return cyclic(step, spec["base_lr"], peak, spec["step_size"] * stretch)
    if name == "plateau":
        return plateau(figures, peak, spec["factor"], spec["patience"])
    if name == "step":
        return float(peak * spec["factor"] ** (len(figures) // spec["every"]))
    if name == "cosine":
        return cosine(len(figures), peak, spec["t_max"], spec["min_lr"])
    return peak


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


def cosine(epoch: int, peak: float, t_max: float, min_lr: float) -> float:
    """Return the rate of an epoch, counted from 0, as torch's CosineAnnealingLR has it.

    It falls from peak to min_lr in t_max epochs by half a cosine, and, there being no restart,
    rises to peak again in as many.
    """
    return min_lr + (peak - min_lr) * 0.5 * (1.0 + math.cos(math.pi * epoch / t_max))


def cyclic(step: int, base: float, peak: float, step_size: float) -> float:
    """Return the triangular cyclic rate (Smith 2017, arXiv 1506.01186).

    It rises by a line from base to peak in step_size steps, falls as long, and so on; the first
    step is one on the way up.
    """
    place = (step + 1) / step_size % 2.0
    return base + (peak - base) * (1.0 - abs(place - 1.0))


def plateau(figures: Sequence[float], peak: float, factor: float, patience: int) -> float:
    """Return the rate after these epochs: peak, times factor for each wait without improvement.

    It falls where more than `patience` epochs in a row were not better, by a share of 1e-4, than
    the best before them; then the wait begins anew.
    """
    rate, best, waited = peak, math.inf, 0
    for figure in figures:
        if figure < best * (1.0 - IMPROVEMENT):
            best, waited = figure, 0
        else:
            waited += 1
        if waited > patience:
            rate, waited = rate * factor, 0
    return rate
