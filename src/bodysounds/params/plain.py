"""Parameters as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any


def plain(parameters: Any) -> Any:
    """Return parameters as plain dictionaries and lists, the dataclasses below any key unfolded."""
    if is_dataclass(parameters) and not isinstance(parameters, type):
        return asdict(parameters)
    if isinstance(parameters, Mapping):
        return {key: plain(value) for key, value in parameters.items()}
    return parameters
