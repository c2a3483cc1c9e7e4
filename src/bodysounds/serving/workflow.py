"""The workflow of one stream: chunks in, windows out to activities, events together.

Nothing here reads a clock, a file or a model: a worker that dies leaves a history from which
another one takes the stream up where it was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from bodysounds.scoring.events import Event, EventState, finish, ongoing
    from bodysounds.serving.asking import WATCH, WATCH_S, ask, said
    from bodysounds.serving.memory import Memory
    from bodysounds.serving.messages import (
        REFUSED,
        Classify,
        Close,
        Heard,
        NewChunk,
        Open,
        Opened,
        Probe,
        Probed,
        Status,
        StoreEvents,
        StreamSpec,
        Totals,
        Watch,
        check_spec,
    )
    from bodysounds.serving.timeline import timeline_of
    from bodysounds.serving.windows import Window

Answer = TypeVar("Answer")

MANY_PENDING = 200  # the folder's watcher rests while so many chunks wait
MANY_CHUNKS = 200  # chunks are left waiting while so many make windows that wait


@workflow.defn(name="StreamWorkflow")
class StreamWorkflow:
    """One stream, from its first chunk to its last event."""

    @workflow.init
    def __init__(self, spec: StreamSpec, memory: Memory | None = None) -> None:
        self.spec = spec
        self.state = "opening"
        self.waiting_for: str | None = None
        self.source_over = False  # the folder gives no chunk any more
        self.sound_over = False  # and the last chunk is on the timeline
        self.sent = 0
        self.sent_all = False
        self.under_way: deque[tuple[list[Window], asyncio.Task[list[Heard]]]] = deque()
        self.memory = memory or Memory(timeline_of(spec), _now(), _now(), EventState())
        self.opened = memory is not None

    @workflow.run
    async def run(self, spec: StreamSpec, memory: Memory | None = None) -> Totals:
        """Return the stream's totals once it has ended."""
        if not self.opened:
            await self._open()
        self.state = "running"
        jobs = [self._take_chunks(), self._send_windows(), self._collect()]
        if spec.folder is not None:
            jobs.append(self._watch())
        await asyncio.gather(*jobs)
        if not self.sound_over or not self.memory.nothing_left():
            workflow.continue_as_new(args=[spec, self.memory])
        await self._store(finish(self.memory.events))
        await self._ask("close_stream", Close(spec.stream_id, self.memory.totals), None)
        self.state = "finished"
        return self.memory.totals

    @workflow.signal
    def add_chunk(self, chunk: NewChunk) -> None:
        """Take a chunk, unless its number came before."""
        if self.spec.folder is not None:
            self.memory.refuse(f"{chunk.path}: was signalled, and the stream watches a folder")
        elif self.memory.finished:
            self.memory.refuse(f"{chunk.path}: came after the stream was finished")
        else:
            self.memory.accept(chunk, _now())

    @workflow.signal
    def finish(self) -> None:
        """No chunk comes after those that have been signalled or lie in the folder."""
        self.memory.finished = True

    @workflow.query
    def status(self) -> Status:
        """Return how far the stream is."""
        memory = self.memory
        waits = self.waiting_for is not None and self.state != "finished"
        return Status(
            state="waiting" if waits else self.state,
            waiting_for=self.waiting_for,
            totals=memory.totals,
            pending=len(memory.pending),
            waiting_windows=memory.timeline.waiting(),
            heard=memory.heard,
            ongoing=ongoing(memory.events) if self.state != "finished" else [],
            recent=memory.recent,
            refusals=memory.refusals,
        )

    async def _open(self) -> None:
        try:
            check_spec(self.spec)
        except ValueError as error:
            raise ApplicationError(str(error), type=REFUSED, non_retryable=True) from error
        request = Open(self.spec, workflow.info().first_execution_run_id)
        opened = await self._ask("open_stream", request, Opened)
        self.memory.timeline = timeline_of(self.spec, opened.sample_rate)
        self.memory.events = EventState(opened.events)
        self.memory.started_at = self.memory.found_at = _now()

    # The jobs of a run, side by side

    async def _take_chunks(self) -> None:
        """Look at chunks in order and put them on the timeline."""
        memory = self.memory
        while True:
            await workflow.wait_condition(self._chunks_or_end)
            if self._full():
                return
            if not memory.pending:
                break
            if batch := memory.following():
                await self._probe(batch)
            elif not await self._came():
                await self._lose()
        memory.timeline.wall()
        self.sound_over = True

    async def _send_windows(self) -> None:
        """Hand windows to activities, several at once where several wait."""
        patience, real = self.spec.patience, self.spec.pace == "real"
        while not self._full():
            await workflow.wait_condition(self._room)
            await workflow.wait_condition(self._window_or_end)
            if real and not self.memory.nothing_left():
                await workflow.sleep(max(0.0, self.memory.plays_at() - _now()) + 0.001)
            batch = self.memory.batch(patience.windows_at_once, real, _now())
            if batch:
                self.sent += len(batch)
                self.under_way.append((batch, asyncio.create_task(self._classify(batch))))
            elif self.sound_over and self.memory.nothing_left():
                break
        self.sent_all = True

    async def _collect(self) -> None:
        """Take the answers in the windows' order and make events of them."""
        while True:
            await workflow.wait_condition(lambda: bool(self.under_way) or self.sent_all)
            if not self.under_way:
                return
            windows, task = self.under_way[0]
            closed: list[Event] = []
            for window, heard in zip(windows, await task, strict=True):
                closed += self.memory.answered(window, heard)
            await self._store(closed)
            self.under_way.popleft()

    async def _watch(self) -> None:
        """Take the folder's new files as chunks until the stream is finished or idle."""
        memory, idle_s = self.memory, self.spec.idle_s
        while not self._full() and not self.source_over:
            await workflow.wait_condition(
                lambda: len(memory.pending) < MANY_PENDING or self._full()
            )
            if not memory.finished:
                await self._look_until_told()
            if memory.finished and not self._full():
                # what is being written when the stream is finished is its last
                self.source_over = not await self._look(0.0, 0.0)
            elif idle_s is not None and _now() - memory.found_at >= idle_s and not memory.pending:
                self.source_over = True

    # Their steps

    async def _probe(self, batch: list[NewChunk]) -> None:
        request = self._probe_of(batch)
        try:
            probed = await self._ask("probe_chunks", request, Probed, give_up=True)
        except ActivityError as error:
            lost = replace(request, lost=f"it could not be looked at ({said(error)})")
            probed = await self._ask("probe_chunks", lost, Probed)
        for chunk, length, reason in zip(batch, probed.lengths, probed.reasons, strict=True):
            self.memory.probed(chunk, length, reason)

    async def _came(self) -> bool:
        """Wait for the next chunk while later ones are there; whether it (or the end) came."""
        memory = self.memory
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: memory.next_index in memory.pending or memory.finished or self._full(),
                timeout=self.spec.patience.missing_s,
            )
        return memory.next_index in memory.pending or self._full()

    async def _lose(self) -> None:
        """Write down that chunks never came, and go on behind them."""
        first, beyond = self.memory.next_index, min(self.memory.pending)
        name = f"chunk {first}" if beyond == first + 1 else f"chunks {first} to {beyond - 1}"
        lost = NewChunk(first, f"({name})", _now())
        request = replace(self._probe_of([lost]), lost="it never came")
        await self._ask("probe_chunks", request, Probed)
        self.memory.probed(lost, 0, "it never came")
        self.memory.next_index = beyond

    async def _classify(self, windows: list[Window]) -> list[Heard]:
        rate = self.memory.timeline.sample_rate
        request = Classify(self.spec.stream_id, rate, self.spec.frame_hop_s, windows)
        try:
            return await self._ask("classify_windows", request, list[Heard], give_up=True)
        except ActivityError as error:
            if len(windows) > 1:  # one must not cost those beside it theirs
                return [heard for window in windows for heard in await self._classify([window])]
            given_up = replace(request, given_up=f"it was given up ({said(error)})")
            return await self._ask("classify_windows", given_up, list[Heard])

    async def _store(self, events: list[Event]) -> None:
        if events:
            rate = self.memory.timeline.sample_rate
            await self._ask("store_events", StoreEvents(self.spec.stream_id, rate, events), None)
            self.memory.stored(events)

    async def _look_until_told(self) -> None:
        """Look into the folder; stop looking when the stream is finished or the history long."""
        look = asyncio.create_task(self._look(WATCH_S, self.spec.settle_s))
        await workflow.wait_condition(lambda: look.done() or self.memory.finished or self._full())
        if look.done():
            await look
            return
        look.cancel()
        with suppress(asyncio.CancelledError, ActivityError):
            await look

    async def _look(self, wait_s: float, settle_s: float) -> bool:
        """Take what lies in the folder; whether there was anything new."""
        memory, idle_s = self.memory, self.spec.idle_s
        if idle_s is not None:
            wait_s = min(wait_s, max(0.1, memory.found_at + idle_s - _now()))
        taken = [chunk.path for chunk in memory.pending.values()]
        folder = self.spec.folder or ""
        request = Watch(self.spec.stream_id, folder, taken, settle_s, wait_s)
        found = await self._ask(WATCH, request, list[NewChunk])
        memory.found(found, _now())
        return bool(found)

    async def _ask(
        self, name: str, request: Any, answer: type[Answer] | None, give_up: bool = False
    ) -> Answer:
        return await ask(name, request, answer, self.spec.patience, self._tell, give_up)

    def _tell(self, waiting_for: str | None) -> None:
        self.waiting_for = waiting_for

    def _probe_of(self, chunks: list[NewChunk]) -> Probe:
        timeline = self.memory.timeline
        return Probe(self.spec.stream_id, timeline.sample_rate, timeline.total, chunks)

    # What they wait for

    def _full(self) -> bool:
        """Whether this run's history is long enough."""
        suggested = workflow.info().is_continue_as_new_suggested()
        return suggested or self.sent >= self.spec.patience.windows_per_run

    def _chunks_or_end(self) -> bool:
        if self._full():
            return True
        if self.memory.pending:
            many = len(self.memory.timeline.chunks) > MANY_CHUNKS
            return not many or self.memory.nothing_left()
        return self.source_over if self.spec.folder is not None else self.memory.finished

    def _room(self) -> bool:
        return len(self.under_way) < self.spec.patience.activities_at_once

    def _window_or_end(self) -> bool:
        return self.sound_over or self._full() or not self.memory.nothing_left()


def _now() -> float:
    return workflow.now().timestamp()
