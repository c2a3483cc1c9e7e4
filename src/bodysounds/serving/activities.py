"""The activities: all that a stream does outside its workflow. Each may be repeated at any time."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Connection, insert, select, update
from temporalio import activity
from temporalio.exceptions import ApplicationError

from bodysounds.audio.read import AudioError
from bodysounds.scoring.events import EventRules
from bodysounds.serving import tables
from bodysounds.serving.audio import probe
from bodysounds.serving.batcher import Answer, Batcher
from bodysounds.serving.folder import new_files
from bodysounds.serving.hearing import Model, clips_of, heard_of, window_row
from bodysounds.serving.messages import (
    DATABASE_GONE,
    FOLDER_GONE,
    REFUSED,
    Classify,
    Close,
    Heard,
    NewChunk,
    Open,
    Opened,
    Probe,
    Probed,
    StoreEvents,
    Watch,
)
from bodysounds.serving.meters import Meters
from bodysounds.serving.store import DatabaseGone, Store, plain

log = logging.getLogger("bodysounds.serving")

LOOK_S = 0.25  # between two looks into a folder
Result = TypeVar("Result")
Method = Callable[[Any, Any], Awaitable[Result]]


def alive(method: Method[Result]) -> Method[Result]:
    """Give signs of life while an activity runs, and say plainly that the database is gone."""

    @functools.wraps(method)
    async def lively(self: Any, request: Any) -> Result:
        timeout = activity.info().heartbeat_timeout
        beating = asyncio.create_task(_beat(timeout.total_seconds() / 3)) if timeout else None
        try:
            return await method(self, request)
        except DatabaseGone as error:
            raise ApplicationError(str(error), type=DATABASE_GONE, non_retryable=True) from error
        finally:
            if beating:
                beating.cancel()

    return lively


async def _beat(every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)  # first: most activities are over by then
        activity.heartbeat()


class Activities:
    """The activities of one worker, around its model, its database and its threads."""

    def __init__(
        self,
        model: Model,
        model_name: str,
        store: Store,
        batcher: Batcher,
        threads: Executor,
        meters: Meters,
    ) -> None:
        self.model = model
        self.model_name = model_name
        self.store = store
        self.batcher = batcher
        self.threads = threads
        self.meters = meters

    @activity.defn(name="open_stream")
    @alive
    async def open_stream(self, request: Open) -> Opened:
        """Write the stream's row; refuse an id that another stream had."""
        spec = request.spec
        if spec.folder is not None and not Path(spec.folder).is_dir():
            raise _refused(f"{spec.folder} is no folder that the worker can see: give another")

        try:
            rules = replace(self.model.event_rules, **spec.events)
        except (TypeError, ValueError) as error:
            raise _refused(f"the events' rules cannot be: {error}") from error
        if "quiet" in spec.events and rules.quiet not in self.model.labels:
            raise _refused(
                f"quiet must be one of {', '.join(self.model.labels)}, got {rules.quiet!r}"
            )

        def work(connection: Connection) -> Opened:
            table = tables.streams
            query = select(table.c.run, table.c.sample_rate, table.c.events)
            row = connection.execute(query.where(table.c.stream_id == spec.stream_id)).first()
            if row is not None and row.run != request.run:
                raise _refused(
                    f"the database has a stream {spec.stream_id!r} already: choose another id"
                )
            if row is not None:
                return Opened(int(row.sample_rate), EventRules(**row.events))
            values = {
                "stream_id": spec.stream_id,
                "run": request.run,
                "spec": asdict(spec),
                "sample_rate": self.model.sample_rate,
                "labels": list(self.model.labels),
                "events": asdict(rules),
                "model": self.model_name,
                "opened_at": time.time(),
            }
            connection.execute(insert(table).values(values))
            return Opened(self.model.sample_rate, rules)

        opened: Opened = await self._thread(self.store.run, work)
        log.info("stream opened", extra={"stream": spec.stream_id})
        return opened

    @activity.defn(name="probe_chunks")
    @alive
    async def probe_chunks(self, request: Probe) -> Probed:
        """Measure chunks or refuse them, and write down which."""
        return await self._thread(self._probe, request)

    @activity.defn(name="watch_folder")
    @alive
    async def watch_folder(self, request: Watch) -> list[NewChunk]:
        """Wait for new files; an empty answer after `wait_s`, or where the worker stops."""
        until = time.monotonic() + request.wait_s
        stored = await self._thread(self.store.rows, tables.chunks, request.stream_id)
        taken = {row["path"] for row in stored} | set(map(plain, request.taken))
        while True:
            try:
                found = await self._thread(
                    new_files, request.folder, taken, request.settle_s, request.at_most
                )
            except OSError as error:
                raise ApplicationError(
                    f"the folder {request.folder} cannot be read ({error.strerror}): bring it back",
                    type=FOLDER_GONE,
                    non_retryable=True,
                ) from error
            rest = until - time.monotonic()
            if found or rest <= 0 or activity.is_worker_shutdown():
                return found
            await asyncio.sleep(min(LOOK_S, rest))

    @activity.defn(name="classify_windows")
    @alive
    async def classify_windows(self, request: Classify) -> list[Heard]:
        """Read windows, ask the model, write the rows."""
        if request.given_up is not None:
            heard = [Heard([], [], reason=request.given_up) for _ in request.windows]
        else:
            heard = await self._hear(request)
        stored_at = time.time()
        rows = [
            window_row(request, window, said, self.model_name, stored_at)
            for window, said in zip(request.windows, heard, strict=True)
        ]
        added = await self._thread(self.store.add, tables.windows, rows)
        self.meters.windows.add(added)
        # a second try of an activity whose rows are there counts nothing twice
        for row in rows if added else []:
            self.meters.latency.record(max(0.0, stored_at - row["ready_at"]))
            fields = {key: row[key] for key in ("window", "label", "confidence", "reason")}
            if row["reason"] is not None:
                self.meters.unheard.add(1)
                log.info("window without a label", extra={"stream": request.stream_id, **fields})
            else:
                log.debug("window", extra={"stream": request.stream_id, **fields})
        return heard

    @activity.defn(name="store_events")
    @alive
    async def store_events(self, request: StoreEvents) -> None:
        """Write events; those that are there stay."""
        rows = [
            {
                "stream_id": request.stream_id,
                "onset_sample": round(event.onset_s * request.sample_rate),
                **asdict(event),
                "stored_at": time.time(),
            }
            for event in request.events
        ]
        self.meters.events.add(await self._thread(self.store.add, tables.events, rows))
        for event in request.events:
            log.info("event", extra={"stream": request.stream_id, **asdict(event)})

    @activity.defn(name="close_stream")
    @alive
    async def close_stream(self, request: Close) -> None:
        """Write down that the stream has ended, and its totals."""
        table, totals = tables.streams, asdict(request.totals)
        values = {"closed_at": time.time(), "totals": totals}

        def work(connection: Connection) -> None:
            row = table.c.stream_id == request.stream_id
            connection.execute(update(table).where(row).values(values))

        await self._thread(self.store.run, work)
        log.info("stream closed", extra={"stream": request.stream_id, **totals})

    async def _hear(self, request: Classify) -> list[Heard]:
        read = await asyncio.gather(
            *(self._thread(clips_of, window, request, self.model) for window in request.windows)
        )
        clips = np.concatenate([part.clips for part in read])
        answer = await self.batcher.ask(clips) if len(clips) else self._nothing()
        heard, start = [], 0
        for window, part in zip(request.windows, read, strict=True):
            own = slice(start, start + len(part.clips))
            said = Answer(answer.log_probabilities[own], answer.abstained[own])
            heard.append(heard_of(window, part, said, request.sample_rate, self.model))
            start = own.stop
        return heard

    def _nothing(self) -> Answer:
        return Answer(np.zeros((0, len(self.model.labels)), np.float32), np.zeros(0, bool))

    def _probe(self, request: Probe) -> Probed:
        lengths: list[int] = []
        reasons: list[str | None] = []
        for chunk in request.chunks:
            length, reason = _looked_at(chunk, request)
            lengths.append(length)
            reasons.append(reason)
        rate, start, rows = request.sample_rate, request.start, []
        for chunk, length, reason in zip(request.chunks, lengths, reasons, strict=True):
            rows.append(
                {
                    "stream_id": request.stream_id,
                    "chunk": chunk.index,
                    "path": plain(chunk.path),
                    "start_s": start / rate,
                    "duration_s": length / rate,
                    "reason": reason,
                }
            )
            start += length
        self.store.add(tables.chunks, rows)
        for row in rows:
            if row["reason"] is not None:
                self.meters.rejected.add(1)
                fields = {key: row[key] for key in ("chunk", "path", "reason")}
                log.warning("chunk refused", extra={"stream": request.stream_id, **fields})
        return Probed(lengths, reasons)

    async def _thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, functools.partial(work, *arguments))


def _looked_at(chunk: NewChunk, request: Probe) -> tuple[int, str | None]:
    """Return a chunk's samples, or 0 and why it is refused."""
    if request.lost is not None:
        return 0, request.lost
    try:
        length = probe(chunk.path, request.sample_rate)
    except AudioError as error:
        return 0, str(error)
    except Exception as error:  # it must not cost those beside it theirs
        return 0, f"{chunk.path} cannot be read ({error})"
    return (length, None) if length else (0, f"{chunk.path} is shorter than one sample")


def _refused(sentence: str) -> ApplicationError:
    return ApplicationError(sentence, type=REFUSED, non_retryable=True)
