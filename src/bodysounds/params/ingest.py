"""Parameters of `ingest`."""

from __future__ import annotations

from dataclasses import dataclass

from bodysounds.params.rules import one_of, whole_numbers, within


@dataclass(frozen=True)
class IngestParams:
    """How a folder of recordings becomes a manifest."""

    seed: int = 0
    """Unused by the readers themselves; recorded with the run."""
    min_duration_s: float = 0.05
    """Shorter recordings are rejected (seconds)."""
    silence_dbfs: float = -80.0
    """A recording whose peak stays below this level is rejected as silent (dB full scale)."""
    max_rejected_share: float = 0.1
    """The run stops when more than this share of the listed files is rejected."""
    workers: int = 0
    """Threads that read and hash; 0 takes every core."""
    duplicates: str = "keep"
    """Recordings of equal content (sha256): `keep` all, or `drop` all but one, unless a listed
    trial names them; what is dropped is listed in `rejected`, and is no broken file."""

    def __post_init__(self) -> None:
        whole_numbers("ingest", self)
        within("ingest.min_duration_s", self.min_duration_s, 0.0, 60.0)
        within("ingest.silence_dbfs", self.silence_dbfs, -200.0, 0.0)
        within("ingest.max_rejected_share", self.max_rejected_share, 0.0, 1.0)
        within("ingest.workers", self.workers, 0, 1024)
        one_of("ingest.duplicates", self.duplicates, ("keep", "drop"))
