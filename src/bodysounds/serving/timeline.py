"""The sound of a stream so far, and the windows that can be made of it. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bodysounds.scoring.events import Event, EventState, Frame, finish, step
from bodysounds.serving.messages import StreamSpec
from bodysounds.serving.windows import (
    SHORTEST_TAIL_S,
    Chunk,
    Place,
    Window,
    next_window,
    pieces,
    ready_at,
)


@dataclass
class Timeline:
    """Chunks one after the other, and the place up to which windows have been made of them.

    A chunk that was refused takes no time, but no window joins the sound before and after it.
    """

    sample_rate: int
    window: int
    hop: int
    place: Place = field(default_factory=Place)
    total: int = 0
    walls: list[int] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)

    def add(self, index: int, path: str, n_samples: int, came_at: float) -> None:
        """Put a chunk behind the others."""
        self.chunks.append(Chunk(index, path, self.total, n_samples, came_at))
        self.total += n_samples

    def wall(self) -> None:
        """Sound is missing here, or the stream has ended."""
        if self.total == self.place.start:  # all that came is in windows: none will end here
            self.place = replace(self.place, after_gap=self.total > 0)
        elif not self.walls or self.walls[-1] < self.total:
            self.walls.append(self.total)

    def ready(self, there: int) -> bool:
        """Whether a window can be made (or a rest left out) of the first `there` samples."""
        return self._next(there) is not None

    def take(self, there: int) -> Window | None:
        """Return the next window and forget the chunks that no other needs; None if too early."""
        while (found := self._next(there)) is not None:
            after_gap = self.place.after_gap
            number = self.place.number
            self.place, span = found
            window = None
            if span is not None:
                parts = pieces(self.chunks, *span)
                came_at = ready_at(self.chunks, span[1])
                window = Window(number, *span, parts, came_at, after_gap)
            self._forget()
            if window is not None:
                return window
        return None

    def next_stop(self) -> int:
        """Return the sample with which the next window will end, as far as is known."""
        wall = next((wall for wall in self.walls if wall > self.place.start), None)
        stop = self.place.start + self.window
        return stop if wall is None else min(stop, wall)

    def waiting(self) -> int:
        """Return how many windows have come and not been taken, about."""
        return max(0, self.total - self.place.start) // self.hop

    def _next(self, there: int) -> tuple[Place, tuple[int, int] | None] | None:
        shortest = round(SHORTEST_TAIL_S * self.sample_rate)
        return next_window(self.place, self.window, self.hop, there, self.walls, shortest)

    def _forget(self) -> None:
        start = self.place.start
        self.chunks = [chunk for chunk in self.chunks if chunk.stop > start]
        self.walls = [wall for wall in self.walls if wall > start]


def timeline_of(spec: StreamSpec, sample_rate: int = 16_000) -> Timeline:
    """Return the empty timeline of a stream, in samples at `sample_rate` Hz."""
    hop_s = spec.window_s if spec.hop_s is None else spec.hop_s
    return Timeline(sample_rate, round(spec.window_s * sample_rate), round(hop_s * sample_rate))


def follow(
    state: EventState, labels: Sequence[str], frames: Sequence[Sequence[float]], after_gap: bool
) -> tuple[EventState, list[Event]]:
    """Return the state after a window's frames and the events that have ended.

    A frame is start_s, end_s, 1.0 where unsure, and a probability a label. Frames that an
    overlapping window brought before are passed over; a gap ends every event.
    """
    closed: list[Event] = []
    if after_gap:
        closed += finish(state)
        state = EventState(state.rules, (), state.last_start_s)
    for start, end, unsure, *probabilities in frames:
        if state.last_start_s is not None and start <= state.last_start_s:
            continue
        by_label = dict(zip(labels, probabilities, strict=True))
        state, ended = step(state, Frame(start, end, by_label, bool(unsure)))
        closed += ended
    return state, closed
