"""Numbers as JSON takes them: Python floats, finite or null."""

from __future__ import annotations

import math
from typing import Any

from bodysounds.metrics.bootstrap import percentile_interval
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
