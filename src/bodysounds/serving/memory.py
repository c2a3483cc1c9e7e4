"""All that a stream's workflow knows, which one run of it hands to the next. Plain JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bodysounds.scoring.events import Event, EventState
from bodysounds.serving.messages import Heard, NewChunk, Totals
from bodysounds.serving.timeline import Timeline, follow
from bodysounds.serving.windows import Window

TOLD = 5  # events and refusals that a status tells
CHUNKS_AT_ONCE = 16


@dataclass
class Memory:
    """A stream so far. Standard library only: a workflow that must replay exactly runs this."""

    timeline: Timeline
    started_at: float
    """Unix seconds."""
    found_at: float
    """When the folder's latest file was found."""
    events: EventState
    pending: dict[int, NewChunk] = field(default_factory=dict)
    """Chunks that came and have not been looked at, by number."""
    next_index: int = 0
    finished: bool = False
    """Whether no more chunks are signalled."""
    totals: Totals = field(default_factory=Totals)
    heard: dict[str, Any] | None = None
    """The latest window."""
    refusals: list[str] = field(default_factory=list)
    recent: list[Event] = field(default_factory=list)

    def accept(self, chunk: NewChunk, came_at: float) -> None:
        """Take a chunk that was signalled, unless its number came before."""
        if chunk.index >= self.next_index and chunk.index not in self.pending:
            sent_at = came_at if chunk.sent_at is None else chunk.sent_at
            self.pending[chunk.index] = replace(chunk, sent_at=sent_at)

    def found(self, chunks: Sequence[NewChunk], now: float) -> None:
        """Take files that were found in the folder, behind those that wait."""
        first = max(self.pending, default=self.next_index - 1) + 1
        for number, chunk in enumerate(chunks):
            self.pending[first + number] = replace(chunk, index=first + number)
        if chunks:
            self.found_at = now

    def following(self) -> list[NewChunk]:
        """Return the chunks that are next, without a hole."""
        batch: list[NewChunk] = []
        while len(batch) < CHUNKS_AT_ONCE and self.next_index + len(batch) in self.pending:
            batch.append(self.pending[self.next_index + len(batch)])
        return batch

    def probed(self, chunk: NewChunk, length: int, reason: str | None) -> None:
        """Put a chunk on the timeline, or a wall where it was refused."""
        if reason is not None:
            self.timeline.wall()
            self.refuse(f"{chunk.path}: {reason}")
        else:
            self.timeline.add(chunk.index, chunk.path, length, chunk.sent_at or 0.0)
        self.pending.pop(chunk.index, None)
        self.next_index = max(self.next_index, chunk.index + 1)
        self.totals = replace(
            self.totals,
            chunks=self.totals.chunks + 1,
            rejected=self.totals.rejected + (reason is not None),
            seconds=self.timeline.total / self.timeline.sample_rate,
        )

    def answered(self, window: Window, heard: Heard) -> list[Event]:
        """Count a window, and return the events that have ended with it."""
        self.events, closed = follow(self.events, heard.labels, heard.frames, window.after_gap)
        self.heard = {
            "window": window.number,
            "label": heard.label,
            "confidence": heard.confidence,
            "reason": heard.reason,
        }
        self.totals = replace(
            self.totals,
            windows=self.totals.windows + 1,
            unheard=self.totals.unheard + (heard.reason is not None),
        )
        return closed

    def stored(self, events: list[Event]) -> None:
        """Count events that have been written."""
        self.totals = replace(self.totals, events=self.totals.events + len(events))
        self.recent = [*self.recent, *events][-TOLD:]

    def refuse(self, sentence: str) -> None:
        self.refusals = [*self.refusals, sentence][-TOLD:]

    def batch(self, at_most: int, real: bool, now: float) -> list[Window]:
        """Take the windows that can be heard by now; at the sound's own pace if `real`."""
        windows: list[Window] = []
        rate = self.timeline.sample_rate
        there = self.timeline.total
        if real:
            there = min(there, int((now - self.started_at) * rate))
        while len(windows) < at_most and (window := self.timeline.take(there)):
            if real:
                played_at = self.started_at + window.stop / rate
                window = replace(window, ready_at=max(window.ready_at, played_at))
            windows.append(window)
        return windows

    def nothing_left(self) -> bool:
        """Whether no window can be made of what has come."""
        return not self.timeline.ready(self.timeline.total)

    def plays_at(self) -> float:
        """Return when the next window will have been played (unix seconds)."""
        return self.started_at + self.timeline.next_stop() / self.timeline.sample_rate
