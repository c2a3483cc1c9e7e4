"""What workflow, activities and client say to each other: small, plain, JSON; never audio.

Only the standard library is imported here: a workflow that must replay exactly runs this code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from bodysounds.scoring.events import Event, EventRules
from bodysounds.serving.windows import Window

DATABASE_GONE = "DatabaseGone"
"""Type of the error of an activity that could not reach the database."""
FOLDER_GONE = "FolderGone"
"""Type of the error of an activity that could not read the folder it watches."""
WAITED_FOR = (DATABASE_GONE, FOLDER_GONE)
REFUSED = "Refused"
"""Type of the error of an activity that no repetition helps."""


@dataclass(frozen=True)
class Patience:
    """How long a stream waits for what fails, and how much it asks for at once."""

    attempts: int = 10
    """Times an activity is tried; then its windows are stored with the reason instead."""
    retry_s: float = 1.0
    """Seconds before the second try; twice as long before each further one, 30 s at most."""
    heartbeat_s: float = 10.0
    """Seconds without a sign of life after which a worker counts as dead."""
    timeout_s: float = 120.0
    """Seconds that one try may take."""
    database_s: float = 60.0
    """Seconds, at most, from one try to the next while the database is gone."""
    missing_s: float = 30.0
    """Seconds that chunks wait for an earlier one that has not come; then it counts as lost."""
    windows_at_once: int = 8
    """Windows in one activity, where so many wait."""
    activities_at_once: int = 3
    """Activities of one stream under way."""
    windows_per_run: int = 1000
    """Windows after which the history starts anew (continue-as-new)."""


@dataclass(frozen=True)
class StreamSpec:
    """What a stream is: where its sound comes from, how it is cut, what counts as an event."""

    stream_id: str
    window_s: float = 10.0
    """Seconds of a window."""
    hop_s: float | None = None
    """Seconds from one window to the next; None: as long as a window."""
    frame_hop_s: float | None = None
    """Seconds between the clips of a window that the model hears; None: what its rule says."""
    pace: str = "fast"
    """fast: as soon as the sound is there; real: as if it were playing now."""
    folder: str | None = None
    """Folder whose new files are the chunks, by name; None: chunks are signalled."""
    settle_s: float = 1.0
    """Seconds that a file in the folder must have lain unchanged."""
    idle_s: float | None = None
    """Seconds without a new file after which the stream ends; None: it ends by a signal."""
    events: dict[str, Any] = field(default_factory=dict)
    """Fields of EventRules that are to differ from the model's."""
    patience: Patience = field(default_factory=Patience)


def check_spec(spec: StreamSpec) -> None:
    """Raise ValueError for a stream that cannot be."""
    hop = spec.window_s if spec.hop_s is None else spec.hop_s
    if not spec.stream_id or len(spec.stream_id) > 100:
        raise ValueError(f"a stream's id has 1 to 100 characters, got {spec.stream_id!r}")
    if not (isfinite(spec.window_s) and 1 <= spec.window_s <= 60):
        raise ValueError(f"window_s must lie in [1, 60] seconds, got {spec.window_s!r}")
    if not 0.1 <= hop <= spec.window_s:
        raise ValueError(
            f"hop_s must lie in [0.1, {spec.window_s:g}], so that no sound is left out, "
            f"got {spec.hop_s!r}"
        )
    if spec.frame_hop_s is not None and not spec.frame_hop_s >= 0.01:
        raise ValueError(f"frame_hop_s must be 0.01 s at least, got {spec.frame_hop_s!r}")
    if spec.idle_s is not None and not spec.idle_s > 0:
        raise ValueError(f"idle_s must be above 0, got {spec.idle_s!r}")
    if spec.pace not in ("fast", "real"):
        raise ValueError(f"pace must be fast or real, got {spec.pace!r}")


@dataclass(frozen=True)
class NewChunk:
    """A chunk that a client signals."""

    index: int
    """0, 1, 2, ...: chunks are heard in this order; one that came before is ignored."""
    path: str
    """A file that the worker can read."""
    sent_at: float | None = None
    """Unix seconds when its sound was there; None: when the signal came."""


@dataclass(frozen=True)
class Open:
    """Request: write down that a stream begins."""

    spec: StreamSpec
    run: str
    """Id of the workflow's first run: a stream's id belongs to one."""


@dataclass(frozen=True)
class Opened:
    sample_rate: int
    """Hz of the stream's timeline."""
    events: EventRules


@dataclass(frozen=True)
class Probe:
    """Request: look at chunks, in order."""

    stream_id: str
    sample_rate: int
    start: int
    """Place on the timeline of the first one, in samples."""
    chunks: list[NewChunk]
    lost: str | None = None
    """Why the chunks were never there, instead of a look."""


@dataclass(frozen=True)
class Probed:
    lengths: list[int]
    """Samples at the stream's rate; 0 for a chunk that is refused."""
    reasons: list[str | None]
    """Why a chunk is refused; None for one that is not."""


@dataclass(frozen=True)
class Watch:
    """Request: wait for files that have not been taken."""

    stream_id: str
    folder: str
    taken: list[str]
    """Paths that are not in the database yet."""
    settle_s: float
    wait_s: float
    """Seconds after which nothing is an answer."""
    at_most: int = 100


@dataclass(frozen=True)
class Classify:
    """Request: hear windows, store what they are."""

    stream_id: str
    sample_rate: int
    frame_hop_s: float | None
    windows: list[Window]
    given_up: str | None = None
    """Why the windows are stored without having been heard."""


@dataclass(frozen=True)
class Heard:
    """What a window was heard as: its frames, enough for events."""

    labels: list[str]
    frames: list[list[float]]
    """start_s, end_s (of the stream), 1.0 if unsure else 0.0, a probability a label."""
    probabilities: list[float] | None = None
    """Their means, of the clips that are not silent."""
    label: str | None = None
    confidence: float | None = None
    abstained: bool | None = None
    """Whether no class is probable enough."""
    reason: str | None = None
    """Why it has no label: it was not heard, is silent, or clipped."""


@dataclass(frozen=True)
class StoreEvents:
    stream_id: str
    sample_rate: int
    events: list[Event]


@dataclass(frozen=True)
class Totals:
    """A stream in numbers."""

    chunks: int = 0
    rejected: int = 0
    windows: int = 0
    unheard: int = 0
    events: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Close:
    stream_id: str
    totals: Totals


@dataclass(frozen=True)
class Status:
    """What a stream's workflow answers to the query `status`."""

    state: str
    """opening, running, waiting, finished."""
    waiting_for: str | None
    totals: Totals
    pending: int
    """Chunks that came and have not been looked at."""
    waiting_windows: int
    heard: dict[str, Any] | None
    """The latest window: number, label, confidence."""
    ongoing: list[Event]
    recent: list[Event]
    """The latest events that have ended."""
    refusals: list[str]
    """The latest chunks that were refused, and why."""
