"""What the parameters of every demo corpus are asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def check_counts(params: Any, lowest: Mapping[str, int]) -> None:
    """Raise ValueError for a field that is no whole number from its lowest on."""
    for name, low in lowest.items():
        value = getattr(params, name)
        if not _is_integer(value) or value < low:
            raise ValueError(f"demo.{name} must be a whole number from {low}, got {value!r}")


def check_ranges(params: Any, names: Iterable[str]) -> None:
    """Raise ValueError for a field that is not [fewest, most]; YAML may hold anything there."""
    for name in names:
        pair = getattr(params, name)
        if not _is_range(pair, 1, 999):
            raise ValueError(
                f"demo.{name} must be [fewest, most], whole numbers with "
                f"1 <= fewest <= most <= 999, got {pair!r}"
            )


def check_switches(params: Any, names: Iterable[str]) -> None:
    """Raise ValueError for a field that is neither true nor false."""
    for name in names:
        if not isinstance(getattr(params, name), bool):
            raise ValueError(f"demo.{name} must be true or false, got {getattr(params, name)!r}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_range(value: object, low: int, high: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(map(_is_integer, value))
        and low <= value[0] <= value[1] <= high
    )
