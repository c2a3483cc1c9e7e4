"""Numbers as readers see them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as percent, `n/a` for None and NaN."""
    return "n/a" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}%"


def interval(value: Sequence[float | None] | None) -> str:
    """Return [low, high] as `low to high` in percent, `no interval` where there is none."""
    if not value or any(map(_missing, value)):
        return "no interval"
    return f"{percent(value[0])} to {percent(value[1])}"


def points(value: float | None) -> str:
    """Return a difference of shares in signed percentage points, `n/a` for None."""
    return "n/a" if value is None else f"{100 * value:+.1f}".replace("-", "−")  # noqa: RUF001


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many decimals, `n/a` for None and NaN."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.{digits}f}"
