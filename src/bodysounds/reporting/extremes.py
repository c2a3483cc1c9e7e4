"""The interval of an error that was never seen, or always."""

from __future__ import annotations

from collections.abc import Sequence


def with_extremes(
    rate: float | None, between: Sequence[float | None] | None, n_subjects: int, level: float
) -> list[float | None] | None:
    """Return the interval of a rate, widened where the rate is 0 or 1.

    Resampling what never varies gives an interval without width. No error among n subjects still
    allows the share 1 - ((1 - level) / 2) ** (1 / n) of them to meet one (Clopper and Pearson,
    Biometrika 1934), and a rate over their pairs cannot exceed that share.
    """
    if between is None or rate not in (0.0, 1.0):
        return None if between is None else list(between)
    unseen = 1 - ((1 - level) / 2) ** (1 / n_subjects)
    return [0.0, unseen] if rate == 0 else [1 - unseen, 1.0]
