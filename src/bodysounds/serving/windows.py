"""Windows over a stream that arrives in chunks: integer samples, no sound left out.

Only the standard library is imported here: a workflow that must replay exactly runs this code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHORTEST_TAIL_S = 0.1  # less than this at a stream's end, or before a gap, says nothing


@dataclass(frozen=True)
class Chunk:
    """A file on the timeline of a stream."""

    index: int
    path: str
    start: int
    """First sample, at the stream's rate."""
    n_samples: int
    ready_at: float
    """Unix seconds when it came."""

    @property
    def stop(self) -> int:
        return self.start + self.n_samples


@dataclass(frozen=True)
class Piece:
    """Samples [start, stop) of a file, counted at the stream's rate."""

    path: str
    start: int
    stop: int


@dataclass(frozen=True)
class Window:
    """Samples [start, stop) of a stream, and the pieces of files that make them."""

    number: int
    start: int
    stop: int
    pieces: list[Piece]
    ready_at: float
    """Unix seconds when its last sample had come."""
    after_gap: bool
    """Whether sound is missing between this window and the one before."""


@dataclass(frozen=True)
class Place:
    """How far windows have been made: where the next begins, and what has been heard."""

    number: int = 0
    start: int = 0
    heard: int = 0
    after_gap: bool = False


def next_window(
    place: Place, window: int, hop: int, there: int, walls: Sequence[int], shortest: int
) -> tuple[Place, tuple[int, int] | None] | None:
    """Return the place after the next window, and its [start, stop) in samples; None if too early.

    Parameters
    ----------
    place : Place
    window, hop : int
        Samples of a window, and from one start to the next; hop <= window, so that all is heard.
    there : int
        Samples of the stream that have come.
    walls : sequence of int, increasing
        Where sound is missing, and where the stream ends: no window crosses one. The window
        before a wall may be shorter, and the next one starts at the wall.
    shortest : int
        A rest before a wall of fewer samples is left out: then [start, stop) is None.
    """
    wall = next((wall for wall in walls if wall > place.start), None)
    stop = place.start + window
    if min(stop, wall or stop) > there:
        return None
    if wall is None or stop < wall:
        after = Place(place.number + 1, place.start + hop, stop)
        return after, (place.start, stop)
    if wall - max(place.start, place.heard) < shortest:
        return Place(place.number, wall, wall, after_gap=True), None
    return Place(place.number + 1, wall, wall, after_gap=True), (place.start, wall)


def pieces(chunks: Sequence[Chunk], start: int, stop: int) -> list[Piece]:
    """Return the pieces of the chunks that make [start, stop) of the timeline, in order."""
    return [
        Piece(
            chunk.path, max(start, chunk.start) - chunk.start, min(stop, chunk.stop) - chunk.start
        )
        for chunk in chunks
        if chunk.start < stop and chunk.stop > start
    ]


def ready_at(chunks: Sequence[Chunk], stop: int) -> float:
    """Return when the chunk came that holds the last sample before `stop` (unix seconds)."""
    return next(chunk.ready_at for chunk in chunks if chunk.start < stop <= chunk.stop)
