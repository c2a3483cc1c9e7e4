"""Numbers as JSON takes them: Python floats, finite or null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bodysounds.metrics.intervals import beta_interval, percentile_interval
from bodysounds.types import Floats


def plain(value: Any) -> float | None:
    """Return a finite Python float, or None."""
    number = float(value)
    return number if math.isfinite(number) else None


def plain_interval(draws: Floats | None, level: float) -> list[float | None] | None:
    """Return [low, high] of the draws, or None where there are none."""
    if draws is None:
        return None
    return [plain(edge) for edge in percentile_interval(draws, level)]


def eer_interval(
    eer: float, draws: Floats | None, counts: Mapping[str, int], level: float
) -> list[float | None] | None:
    """Return [low, high] of an equal error rate, or None where there are no draws.

    `counts` has n_target_subjects and n_target. Percentiles end too low where few targets are
    wrong, so this is `bodysounds.metrics.intervals.beta_interval`.
    """
    if draws is None:
        return None
    behind = counts["n_target_subjects"], counts["n_target"]
    return [plain(edge) for edge in beta_interval(eer, draws, *behind, level)]
