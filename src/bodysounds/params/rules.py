"""The rules that a parameter's value must keep, and the sentence where it doesn't."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


def within(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless value is a number and low <= value <= high."""
    _number(name, value)
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value!r}")


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise ValueError unless the value is allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")


def whole_numbers(stage: str, params: Any) -> None:
    """Raise ValueError unless each field of a dataclass that is annotated int holds one.

    1.0 and true are none; null is where the annotation says `int | None`. A seed is at least 0.
    """
    for field in fields(params):
        name, value = f"{stage}.{field.name}", getattr(params, field.name)
        if field.type == "int" or (field.type == "int | None" and value is not None):
            _number(name, value)
            if not isinstance(value, int):
                raise ValueError(f"{name} must be a whole number, got {value!r}")
            if field.name == "seed" and value < 0:
                raise ValueError(f"{name} must be at least 0, got {value!r}")


def _number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {value!r}")
