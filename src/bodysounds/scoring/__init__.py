"""Embeddings of sides, scores of pairs, their normalisation and calibration, thresholds."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "cosine_blocks": "cosine",
    "cosine_scores": "cosine",
    "identify": "identification",
    "as_norm": "normalise",
    "centre": "normalise",
    "cohort_means": "normalise",
    "s_norm": "normalise",
    "t_norm": "normalise",
    "z_norm": "normalise",
    "model_scores": "models",
    "Calibration": "calibration",
    "cross_fitted_llrs": "calibration",
    "fit_calibration": "calibration",
    "trial_features": "calibration",
    "cross_fitted_fusion": "fusion",
    "fuse": "fusion",
    "choose_threshold": "threshold",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that this package costs nothing at a start."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
