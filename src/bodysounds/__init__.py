"""Verify infants and speakers by their sounds, tell cries and screams from normal sound."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodysounds.cry_scream import CryScreamClassifier as CryScreamClassifier
    from bodysounds.respiratory import RespiratoryClassifier as RespiratoryClassifier
    from bodysounds.verifier import Verifier as Verifier

__version__ = "0.1.0"

_HOME = {
    "CryScreamClassifier": "cry_scream",
    "RespiratoryClassifier": "respiratory",
    "Verifier": "verifier",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that this package costs nothing at a start."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
