"""Parameters of `featurize`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import whole_numbers, within


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
    shards: int = 1
    """Parts that recordings are decoded in, each kept as soon as it is packed: on the workers of
    Dask where the node runs on one, else one after the other."""
    work_dir: str = "data/.work"
    """Holds the parts until all are there."""

    def __post_init__(self) -> None:
        whole_numbers("featurize", self)
        within("featurize.shards", self.shards, 1, 100_000)
        within("featurize.sample_rate", self.sample_rate, 4_000, 192_000)
        within("featurize.n_mfcc", self.n_mfcc, 2, 40)
        within("featurize.workers", self.workers, 0, 1024)
