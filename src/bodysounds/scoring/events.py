"""Events in a stream of frames: an onset, an offset, and no flicker between them.

Only the standard library is imported here: a workflow that must replay exactly runs this code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import isfinite

SLACK_S = 1e-6
"""Seconds by which two frames that touch may seem apart: sums of seconds are rounded."""


@dataclass(frozen=True)
class EventRules:
    """When an event begins, goes on and ends."""

    onset: float = 0.6
    """Probability from which a frame begins an event."""
    offset: float = 0.4
    """Probability from which a frame goes on with an event that has begun (hysteresis)."""
    min_s: float = 0.0
    """Seconds; a shorter event is none."""
    merge_s: float = 0.0
    """Seconds between two events of one label up to which they are one."""
    quiet: str = "normal"
    """The label that is no event."""

    def __post_init__(self) -> None:
        if not 0 < self.offset <= self.onset <= 1:
            raise ValueError(
                "events need 0 < offset <= onset <= 1, as probabilities, got "
                f"offset={self.offset!r} and onset={self.onset!r}"
            )
        for name in ("min_s", "merge_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a number of seconds from 0, got {value!r}")


@dataclass(frozen=True)
class Frame:
    """What a stretch of sound was heard as."""

    start_s: float
    end_s: float
    probabilities: dict[str, float]
    """By label; one that is missing counts as 0, and so does all of a frame that was not heard."""
    unsure: bool = False
    """Whether the classifier abstained: such a frame begins no event, but may go on with one."""


@dataclass(frozen=True)
class Event:
    """Something that was heard, in seconds of the stream."""

    label: str
    onset_s: float
    """Start of the first frame that was loud enough."""
    offset_s: float
    """End of the last one."""
    confidence: float
    """Mean probability of the frames that made it."""


@dataclass(frozen=True)
class Track:
    """An event in the making, or one that has ended and may still be merged with the next."""

    label: str
    onset_s: float
    offset_s: float
    total: float
    """Sum of the probabilities of its frames."""
    n_frames: int
    open: bool
    """Whether the latest frame was part of it."""


@dataclass(frozen=True)
class EventState:
    """All that a stream's past says of its future: at most one track a label. Plain JSON values."""

    rules: EventRules = field(default_factory=EventRules)
    tracks: tuple[Track, ...] = ()
    last_start_s: float | None = None
    """Start of the latest frame."""


def step(state: EventState, frame: Frame) -> tuple[EventState, list[Event]]:
    """Return the state after a frame, and the events that it closed, by onset and label.

    Frames come in the order of their starts and may overlap. Labels are apart: two may be on at
    once. An event is closed by the first frame that starts more than `merge_s` after its offset,
    which a gap in the stream makes too. Raises ValueError for a frame that starts before the one
    before it, that does not end after its start, or whose probabilities are not within [0, 1].
    """
    check_frame(frame, state.last_start_s)
    rules = state.rules
    tracks = {track.label: track for track in state.tracks}
    closed = []
    for label, track in list(tracks.items()):
        if frame.start_s - track.offset_s > rules.merge_s + SLACK_S:
            closed.append(tracks.pop(label))
    for label in sorted({*frame.probabilities, *tracks} - {rules.quiet}):
        probability = frame.probabilities.get(label, 0.0)
        found = tracks.get(label)
        if found is not None and found.open:
            loud = probability >= rules.offset
        else:
            loud = probability >= rules.onset and not frame.unsure
        if loud:
            tracks[label] = _extended(found, label, frame, probability)
        elif found is not None:
            tracks[label] = replace(found, open=False)
    kept = tuple(tracks[label] for label in sorted(tracks))
    return EventState(rules, kept, frame.start_s), _events(closed, rules)


def finish(state: EventState) -> list[Event]:
    """Return the events that the end of the stream closes, by onset and label."""
    return _events(state.tracks, state.rules)


def ongoing(state: EventState) -> list[Event]:
    """Return the events that the latest frame was part of, as far as they have come."""
    return _events([track for track in state.tracks if track.open], state.rules)


def events_of(frames: Iterable[Frame], rules: EventRules) -> list[Event]:
    """Return the events of a whole stream, by onset and label; errors as `step`."""
    state, found = EventState(rules), []
    for frame in frames:
        state, closed = step(state, frame)
        found += closed
    return sorted(found + finish(state), key=_place)


def check_frame(frame: Frame, last_start_s: float | None = None) -> None:
    """Raise ValueError for a frame that cannot follow one which starts at `last_start_s`."""
    if not (isfinite(frame.start_s) and isfinite(frame.end_s) and frame.end_s > frame.start_s):
        raise ValueError(f"a frame must end after its start, got {frame.start_s} to {frame.end_s}")
    if last_start_s is not None and frame.start_s < last_start_s:
        raise ValueError(
            f"a frame that starts at {frame.start_s} s came after one at {last_start_s} s: "
            "give them in the order of their starts"
        )
    for label, probability in frame.probabilities.items():
        if not 0 <= probability <= 1:  # NaN too
            raise ValueError(f"the probability of {label!r} is {probability}: it lies in [0, 1]")


def _extended(track: Track | None, label: str, frame: Frame, probability: float) -> Track:
    if track is None:
        return Track(label, frame.start_s, frame.end_s, probability, 1, True)
    return replace(
        track,
        offset_s=max(track.offset_s, frame.end_s),
        total=track.total + probability,
        n_frames=track.n_frames + 1,
        open=True,
    )


def _events(tracks: Iterable[Track], rules: EventRules) -> list[Event]:
    events = [
        Event(track.label, track.onset_s, track.offset_s, track.total / track.n_frames)
        for track in tracks
        if track.offset_s - track.onset_s >= rules.min_s
    ]
    return sorted(events, key=_place)


def _place(event: Event) -> tuple[float, str]:
    return event.onset_s, event.label
