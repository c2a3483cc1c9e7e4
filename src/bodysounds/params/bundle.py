"""Parameters of `bundle`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import whole_numbers, within


@dataclass(frozen=True)
class BundleParams:
    """What a verifier takes for worth an answer."""

    seed: int = 0
    min_s: float = 0.25
    """Seconds of all recordings of a side together; a shorter one gets no answer. Below a quarter
    of a second a network hears a side again and again."""
    silence_dbfs: float = -60.0
    """A recording whose peak is lower gets no answer (dB full scale)."""
    clipped_share: float = 0.1
    """A recording of which more samples are at full scale gets no answer."""

    def __post_init__(self) -> None:
        whole_numbers("bundle", self)
        within("bundle.min_s", self.min_s, 0.001, 60.0)
        within("bundle.silence_dbfs", self.silence_dbfs, -200.0, 0.0)
        within("bundle.clipped_share", self.clipped_share, 0.0, 1.0)

    @property
    def usable(self) -> dict[str, float]:
        """The limits, as `scoring.frames.unusable` reads them."""
        names = ("min_s", "silence_dbfs", "clipped_share")
        return {name: getattr(self, name) for name in names}
