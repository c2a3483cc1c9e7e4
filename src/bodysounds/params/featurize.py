"""Parameters of `featurize`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import within


@dataclass(frozen=True)
class FeaturizeParams:
    """How recordings become packed waveforms and descriptors."""

    seed: int = 0
    sample_rate: int = 16_000
    """Every recording is resampled to this rate (Hz)."""
    n_mfcc: int = 20
    """Cepstral coefficients whose mean and deviation describe a segment."""
    workers: int = 0
    """Threads that decode; 0 takes every core."""

    def __post_init__(self) -> None:
        within("featurize.sample_rate", self.sample_rate, 4_000, 192_000)
        within("featurize.n_mfcc", self.n_mfcc, 2, 40)
