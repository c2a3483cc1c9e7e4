"""Workers, servers and databases that die: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from temporal import Live, ended, expected, own_server, spec, tone, until, write
from temporal import address_fixture as address_fixture
from temporal import live_fixture as live_fixture
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from bodysounds.serving import client as commands
from bodysounds.serving import tables
from bodysounds.serving.client import Handle, send, start, status
from bodysounds.serving.messages import NewChunk, StreamSpec
from bodysounds.serving.workflow import StreamWorkflow

pytestmark = pytest.mark.temporal

KILLS = 20


def on(live: Live, test: Callable[[Client], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await test(await Client.connect(live.server))

    return asyncio.run(main())


async def one(path: Path) -> Any:
    yield str(path)


async def begun(client: Client, live: Live, path: Path, asked: StreamSpec) -> Handle:
    handle = await start(client, asked, live.queue)
    await send(handle, one(path))
    return handle


async def some_windows(live: Live, asked: StreamSpec, count: int) -> None:
    async def there() -> bool:
        return len(live.keys(asked.stream_id)) >= count

    await until(there)


async def attempts(handle: Handle) -> list[int]:
    """Return the number of tries that each activity of a workflow's last run took."""
    history = await handle.fetch_history()
    return [
        event.activity_task_started_event_attributes.attempt
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    ]


def test_twenty_workers_killed_at_random(live: Live) -> None:
    """SIGKILL while they read, hear, write or decide: the stored keys are as expected."""
    random_ = random.Random(20)
    path = write(live.folder / "a.wav", tone(7, 400), tone(113.3))
    # only missing heartbeats can tell a death in time
    patience = {"windows_at_once": 4, "heartbeat_s": 1.0, "timeout_s": 300.0}
    asked = [
        spec(window_s=1.0, hop_s=hop_s, patience=patience | {"windows_per_run": per_run})
        for hop_s, per_run in ((None, 50), (0.5, 50), (1.0, 1000))
    ]
    alive, repeated = 0, 0

    async def test(client: Client) -> None:
        nonlocal alive, repeated
        handles = [await begun(client, live, path, each) for each in asked]
        for _ in range(KILLS):
            worker = live.worker(delay_s=0.05)
            await asyncio.sleep(random_.uniform(0.05, 0.7))
            worker.kill()
            worker.join()
        for handle in handles:
            alive += (await handle.describe()).close_time is None
        live.worker()
        for handle in handles:
            await ended(handle)
            repeated += sum(tries > 1 for tries in await attempts(handle))

    on(live, test)
    assert alive > 0  # else the last kills hit nobody
    assert repeated > 0  # else none hit an activity
    for each in asked:
        assert live.keys(each.stream_id) == expected(120.3, 1.0, each.hop_s)
        rows = live.rows(tables.windows, each.stream_id)
        assert [row["reason"] for row in rows] == [None] * len(rows)
        events = live.rows(tables.events, each.stream_id)
        offset_s = 7.5 if each.hop_s == 0.5 else 7  # its window from 6.5 s is half a cry
        assert [(e["onset_s"], e["offset_s"]) for e in events] == [(0, offset_s)]


def test_a_worker_that_is_told_to_stop_finishes_what_runs(live: Live) -> None:
    """Though an activity takes longer than a worker may be silent: it gives signs of life."""
    path = write(live.folder / "a.wav", tone(80))
    asked = spec(patience={"heartbeat_s": 2.0})

    async def test(client: Client) -> None:
        worker = live.worker(delay_s=0.1)
        handle = await begun(client, live, path, asked)
        await some_windows(live, asked, 2)
        worker.terminate()
        await asyncio.to_thread(worker.join, 20)
        assert worker.exitcode == 0
        stored = len(live.keys(asked.stream_id))
        assert stored < 40
        live.worker()
        await ended(handle)
        assert set(await attempts(handle)) == {1}  # none was cut off, none timed out

    on(live, test)
    assert live.keys(asked.stream_id) == list(range(40))


def test_a_server_that_dies_comes_back_with_its_streams(tmp_path: Path) -> None:
    with own_server(tmp_path / "temporal.db") as server:
        live = Live(server.address, tmp_path)
        asked = spec()
        path = write(tmp_path / "a.wav", tone(20, 400))

        async def test() -> None:
            live.worker(delay_s=0.05)
            client = await Client.connect(live.server)
            handle = await start(client, asked, live.queue)
            await handle.signal(StreamWorkflow.add_chunk, NewChunk(0, str(path)))
            await some_windows(live, asked, 3)
            server.stop(kill=True)
            time.sleep(1)
            server.start()
            await until(lambda: takes(handle, NewChunk(1, str(path))))
            await handle.signal(StreamWorkflow.finish)
            totals = await ended(handle)
            assert (totals.windows, totals.seconds) == (20, 40.0)

        async def takes(handle: Handle, chunk: NewChunk) -> bool:
            try:
                await handle.signal(StreamWorkflow.add_chunk, chunk)
            except Exception:  # it is not up yet
                return False
            return True

        try:
            asyncio.run(test())
        finally:
            live.stop()
        assert live.keys(asked.stream_id) == list(range(20))
        (event,) = live.rows(tables.events, asked.stream_id)
        assert (event["onset_s"], event["offset_s"]) == (0, 40)


def test_a_database_that_is_gone_is_waited_for(live: Live) -> None:
    path = write(live.folder / "a.wav", tone(40))
    asked = spec(patience={"windows_at_once": 1, "attempts": 1})
    file, away = live.folder / "results.db", live.folder / "away.db"

    async def test(client: Client) -> None:
        live.worker(delay_s=0.05)
        handle = await begun(client, live, path, asked)
        await some_windows(live, asked, 2)
        file.rename(away)

        async def waits() -> Any:
            told = await status(handle)
            return told if told.state == "waiting" else None

        told = await until(waits)
        assert "results.db cannot be reached or written" in told.waiting_for
        before = told.totals.windows
        await asyncio.sleep(1.5)
        assert (await status(handle)).totals.windows == before < 20
        away.rename(file)
        totals = await ended(handle)
        assert (totals.windows, totals.unheard) == (20, 0)
        assert (await status(handle)).waiting_for is None

    on(live, test)
    assert live.keys(asked.stream_id) == list(range(20))


def test_a_stream_waits_for_a_worker(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that were signalled while nobody served are heard by the first who does."""
    path = write(live.folder / "a.wav", tone(5))
    asked = spec()

    async def test(client: Client) -> None:
        handle = await begun(client, live, path, asked)
        monkeypatch.setattr(commands, "ANSWER", commands.timedelta(seconds=1))
        with pytest.raises(commands.Failed, match=r"no worker answers .* nothing is lost"):
            await status(handle)
        live.worker()
        assert (await ended(handle)).windows == 3

    on(live, test)


def test_a_watched_folder_outlives_its_worker(live: Live) -> None:
    folder = live.folder / "in"
    folder.mkdir()
    asked = spec(folder=str(folder), settle_s=0.0)

    def come(at: int) -> None:
        write(folder / f".{at}.wav", tone(2)).rename(folder / f"{at}.wav")

    async def test(client: Client) -> None:
        worker = live.worker()
        handle = await start(client, asked, live.queue)
        come(0)
        await some_windows(live, asked, 1)
        worker.kill()
        come(1)
        live.worker()
        await some_windows(live, asked, 2)
        come(2)
        folder.rename(live.folder / "gone")

        async def waits() -> Any:
            return (await status(handle)).waiting_for

        assert "cannot be read (No such file" in await until(waits)
        (live.folder / "gone").rename(folder)
        await some_windows(live, asked, 3)
        await handle.signal(StreamWorkflow.finish)
        assert (await ended(handle)).chunks == 3

    on(live, test)
    assert live.keys(asked.stream_id) == [0, 1, 2]
