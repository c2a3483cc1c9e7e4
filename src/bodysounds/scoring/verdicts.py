"""What a verifier answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Heard:
    """A side that was heard once, to be compared with many."""

    embedding: npt.NDArray[np.float32] | None
    """float32 (dim,), of unit length; None where there is no answer."""
    seconds: float
    """Of its recordings together."""
    abstained: str | None
    """Why there is no answer (too short, silent, clipped), or None."""
    made_by: Mapping[str, Any] | None = field(default=None, repr=False)
    """The encoder, and how it was heard: others' embeddings cannot be compared with it."""


@dataclass(frozen=True)
class Verification:
    """Whether two sides are of one subject."""

    same: bool | None
    """Whether the score is at or above the threshold; None where there is no answer."""
    score: float | None
    """Of the bundle's kind (a cosine, or a normalised score); None where there is no answer."""
    threshold: float
    """That the score was held against."""
    probability: float | None
    """That they are of one subject, at the prior asked for; None without a calibration."""
    llr: float | None
    """Calibrated log-likelihood ratio (natural logarithm); None without a calibration."""
    abstained: str | None
    """Why there is no answer, by side and recording (too short, silent, clipped), or None."""


@dataclass(frozen=True)
class Candidate:
    """Somebody of the gallery."""

    subject: str
    score: float
    """Of the bundle's kind; the mean over the subject's references."""
    probability: float | None
    """That the probe and this one are one subject, as in `Verification`."""


@dataclass(frozen=True)
class Identification:
    """Who of a gallery was heard."""

    subject: str | None
    """The best candidate; None where its score is below the threshold (unknown), or where there is
    no answer."""
    candidates: list[Candidate]
    """The best first, whether known or not; empty where there is no answer."""
    threshold: float
    """That the best score was held against."""
    abstained: str | None
    """Why there is no answer, or None."""
