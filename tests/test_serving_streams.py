"""Streams on a real Temporal server, with workers as a user starts them."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from temporal import Live, ended, expected, spec, tone, until, write
from temporal import address_fixture as address_fixture
from temporal import shared_fixture as shared_fixture
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Replayer

from bodysounds.serving import client as commands
from bodysounds.serving import tables
from bodysounds.serving.client import Handle, send, start, status
from bodysounds.serving.messages import NewChunk, StreamSpec
from bodysounds.serving.workflow import StreamWorkflow

pytestmark = pytest.mark.temporal


def on(shared: Live, test: Callable[[Client], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await test(await Client.connect(shared.server))

    return asyncio.run(main())


async def each(paths: Iterable[Path | str]) -> AsyncIterator[str]:
    for path in paths:
        yield str(path)


async def heard(client: Client, shared: Live, paths: Iterable[Path], asked: StreamSpec) -> Handle:
    """Start a stream, signal its chunks, wait for its end."""
    handle = await start(client, asked, shared.queue)
    await send(handle, each(paths))
    await ended(handle)
    return handle


def chunks(folder: Path, parts: list[np.ndarray], name: str = "c") -> list[Path]:
    return [write(folder / f"{name}{at:03}.wav", part) for at, part in enumerate(parts)]


def test_chunks_become_windows_rows_and_events(shared: Live, tmp_path: Path) -> None:
    """A cry over three chunks of odd lengths and rates is one event; the end cuts a window."""
    parts = [tone(2.3), tone(1.5, 400, 8_000), tone(1.7, 400, 44_100), tone(0.9, 400), tone(2.6)]
    rates = [16_000, 8_000, 44_100, 16_000, 16_000]
    paths = [
        write(tmp_path / f"{at}.wav", part, rate=rate)
        for at, (part, rate) in enumerate(zip(parts, rates, strict=True))
    ]
    asked = spec(hop_s=1.0)

    async def test(client: Client) -> None:
        handle = await heard(client, shared, paths, asked)
        totals = await handle.result()
        assert (totals.chunks, totals.rejected, totals.unheard) == (5, 0, 0)
        assert totals.seconds == pytest.approx(9.0, abs=1e-3)
        told = await status(handle)
        assert told.state == "finished"
        assert [event.label for event in told.recent] == ["crying"]

    on(shared, test)
    rows = shared.rows(tables.windows, asked.stream_id)
    assert [row["window"] for row in rows] == expected(9.0, 2.0, 1.0)
    assert [row["start_s"] for row in rows] == [float(at) for at in range(len(rows))]
    assert [row["label"] for row in rows][3:5] == ["crying", "crying"]
    assert rows[-1]["label"] == "normal"
    for row in rows:
        frames = np.array(row["frames"])[:, 3:]
        mean = dict(zip(("crying", "normal", "screaming"), frames.mean(axis=0), strict=True))
        assert row["probabilities"] == pytest.approx(mean, abs=1e-4)
        assert row["confidence"] == pytest.approx(max(mean.values()), abs=1e-4)
        assert row["stored_at"] >= row["ready_at"]
    (event,) = shared.rows(tables.events, asked.stream_id)
    assert event["onset_s"] == pytest.approx(2.3, abs=1.0)
    assert event["offset_s"] == pytest.approx(6.4, abs=1.0)
    (stream,) = shared.rows(tables.streams, asked.stream_id)
    assert stream["closed_at"] > stream["opened_at"]
    assert stream["totals"]["windows"] == len(rows)
    starts = [row["start_s"] for row in shared.rows(tables.chunks, asked.stream_id)]
    assert starts == pytest.approx([0, 2.3, 3.8, 5.5, 6.4], abs=1e-3)


def test_a_corrupt_chunk_is_refused_and_the_stream_goes_on(shared: Live, tmp_path: Path) -> None:
    """No window and no event crosses the place where sound is missing; it takes no time."""
    paths = chunks(tmp_path, [tone(3, 400)] * 4)
    paths[1].write_bytes(paths[1].read_bytes()[:2000])
    paths[3] = tmp_path / "none.wav"
    asked = spec()

    async def test(client: Client) -> None:
        handle = await heard(client, shared, paths, asked)
        totals = await handle.result()
        assert (totals.chunks, totals.rejected, totals.seconds) == (4, 2, 6.0)
        refusals = (await status(handle)).refusals
        assert "is cut short" in refusals[0]
        assert "cannot be opened (No such file" in refusals[1]

    on(shared, test)
    spans = [(r["start_s"], r["end_s"]) for r in shared.rows(tables.windows, asked.stream_id)]
    assert spans == [(0, 2), (2, 3), (3, 5), (5, 6)]
    events = shared.rows(tables.events, asked.stream_id)
    assert [(e["onset_s"], e["offset_s"]) for e in events] == [(0, 3), (3, 6)]
    rows = shared.rows(tables.chunks, asked.stream_id)
    assert [row["reason"] is None for row in rows] == [True, False, True, False]
    assert "is cut short" in rows[1]["reason"]
    assert (rows[1]["start_s"], rows[1]["duration_s"]) == (3.0, 0.0)


def test_chunks_that_come_twice_late_or_never(shared: Live, tmp_path: Path) -> None:
    paths = chunks(tmp_path, [tone(1), tone(2), tone(3), tone(4), tone(5), tone(6)])
    asked = spec(patience={"missing_s": 0.3})

    async def test(client: Client) -> None:
        handle = await start(client, asked, shared.queue)

        async def signal(index: int) -> None:
            await handle.signal(StreamWorkflow.add_chunk, NewChunk(index, str(paths[index])))

        for index in (1, 1, 0, 0, 1):
            await signal(index)
        await until(lambda: chunks_are(2))
        await signal(4)  # 2 and 3 never come
        await until(lambda: chunks_are(4))
        for index in (2, 4, 0):
            await signal(index)
        await handle.signal(StreamWorkflow.finish)
        await ended(handle)
        await until(lambda: chunks_are(4))

    async def chunks_are(count: int) -> bool:
        rows = shared.rows(tables.chunks, asked.stream_id)
        return len(rows) == count or (count == 4 and len(rows) == 4)

    on(shared, test)
    rows = shared.rows(tables.chunks, asked.stream_id)
    assert [(r["chunk"], r["duration_s"], r["reason"]) for r in rows] == [
        (0, 1.0, None),
        (1, 2.0, None),
        (2, 0.0, "it never came"),
        (4, 5.0, None),
    ]
    assert rows[2]["path"] == "(chunks 2 to 3)"


def test_a_history_that_starts_anew_changes_nothing(shared: Live, tmp_path: Path) -> None:
    """Continue-as-new after every third window: the same rows and events as without."""
    sound = np.random.default_rng(0).permutation(np.repeat([0, 400, 3000], 12))
    paths = chunks(tmp_path, [tone(0.7, hertz) for hertz in sound])
    paths[17].write_bytes(b"broken")
    whole = spec(hop_s=1.5)
    cut = spec(hop_s=1.5, patience={"windows_per_run": 3, "windows_at_once": 2})

    async def test(client: Client) -> None:
        first, second = await asyncio.gather(
            *(heard(client, shared, paths, asked) for asked in (whole, cut))
        )
        assert await first.result() == await second.result()
        told = await second.describe()
        assert told.run_id != second.first_execution_run_id
        assert told.history_length < 80

    on(shared, test)
    for table, n in ((tables.windows, 16), (tables.events, 10), (tables.chunks, 36)):
        rows = [shared.rows(table, asked.stream_id) for asked in (whole, cut)]
        for row in itertools.chain(*rows):
            for changing in ("stream_id", "stored_at", "ready_at"):
                row.pop(changing, None)
        assert rows[0] == rows[1]
        assert len(rows[0]) >= n


def test_histories_replay_in_the_sandbox(shared: Live, tmp_path: Path) -> None:
    """Nothing in the workflow depends on when, where or how often it runs."""
    paths = chunks(tmp_path, [tone(3, 400), tone(2), tone(1.5, 3000)])
    folder = tmp_path / "in"
    folder.mkdir()
    chunks(folder, [tone(3, 400)])

    async def test(client: Client) -> None:
        cut = spec(hop_s=0.5, pace="real", patience={"windows_per_run": 4})
        handle = await heard(client, shared, paths, cut)
        watched = spec(folder=str(folder), idle_s=0.3, settle_s=0.0)
        other = await start(client, watched, shared.queue)
        await ended(other)
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        histories = [await each.fetch_history() for each in (first, handle, other)]
        assert len({history.run_id for history in histories}) == 3
        replayer = Replayer(workflows=[StreamWorkflow])  # in the sandbox, unlike the worker
        for history in histories:
            await replayer.replay_workflow(history)

    on(shared, test)


def test_fifty_streams_at_once(shared: Live, tmp_path: Path) -> None:
    before = metrics(shared.metrics)
    paths = chunks(tmp_path, [tone(5, 400), tone(5, 3000), tone(5)])
    asked = [spec() for _ in range(50)]

    async def test(client: Client) -> None:
        handles = await asyncio.gather(*(heard(client, shared, paths, one) for one in asked))
        totals = [await handle.result() for handle in handles]
        assert {(t.windows, t.events, t.unheard) for t in totals} == {(8, 2, 0)}

    on(shared, test)
    for one in asked:
        assert shared.keys(one.stream_id) == list(range(8))
    after = metrics(shared.metrics)
    figures = {name: value - before.get(name, 0.0) for name, value in after.items()}
    assert figures["bodysounds_windows"] == 400
    assert figures["bodysounds_events"] == 100
    assert figures["bodysounds_ready_to_stored_seconds_count"] == 400
    clips, calls = (figures[f"bodysounds_batch_clips_{k}"] for k in ("sum", "count"))
    assert clips == 50 * 15
    assert calls < 100  # requests were put together: a window has two clips
    assert any(name.startswith("temporal_activity") for name in figures)


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    totals: dict[str, float] = {}
    for line in lines:
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name = name.split("{")[0]
            totals[name] = totals.get(name, 0.0) + float(value)
    return totals


def test_a_file_at_its_own_pace(shared: Live, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(3.4, 400))
    asked = spec(pace="real", window_s=1.0)

    async def test(client: Client) -> None:
        handle = await heard(client, shared, [path], asked)
        assert (await handle.result()).windows == 4

    on(shared, test)
    (stream,) = shared.rows(tables.streams, asked.stream_id)
    rows = shared.rows(tables.windows, asked.stream_id)
    late = [row["stored_at"] - stream["opened_at"] - row["end_s"] for row in rows]
    assert min(late) > -0.05
    assert max(late) < 2
    assert [row["ready_at"] - rows[0]["ready_at"] for row in rows] == pytest.approx(
        [0, 1, 2, 2.4], abs=0.01
    )


def test_a_folder_is_watched(shared: Live, tmp_path: Path) -> None:
    """Files come in the order of names, each once; what lies there at the end is heard too."""
    folder = tmp_path / "in"
    folder.mkdir()
    chunks(folder, [tone(1), tone(1)])
    asked = spec(folder=str(folder), settle_s=0.2, patience={"windows_per_run": 2})

    async def test(client: Client) -> None:
        handle = await start(client, asked, shared.queue)
        await until(lambda: there(2))
        (folder / "c002.wav").write_bytes(b"broken")
        chunks(folder, [tone(2.0)], "d")
        await until(lambda: there(4))
        chunks(folder, [tone(1.5), tone(1.5)], "e")
        await handle.signal(StreamWorkflow.finish)
        totals = await ended(handle)
        assert (totals.chunks, totals.rejected, totals.seconds) == (6, 1, 7.0)
        assert (await status(handle)).refusals

    async def there(count: int) -> bool:
        return len(shared.rows(tables.chunks, asked.stream_id)) == count

    on(shared, test)
    names = [Path(row["path"]).name for row in shared.rows(tables.chunks, asked.stream_id)]
    wanted = ["c000.wav", "c001.wav", "c002.wav", "d000.wav", "e000.wav", "e001.wav"]
    assert names == wanted
    assert shared.keys(asked.stream_id) == [0, 1, 2, 3]


def test_a_folder_in_which_nothing_comes_any_more_ends(shared: Live, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    chunks(folder, [tone(2.5)])
    asked = spec(folder=str(folder), settle_s=0.0, idle_s=0.7)

    async def test(client: Client) -> None:
        totals = await ended(await start(client, asked, shared.queue), 10)
        assert (totals.chunks, totals.windows) == (1, 2)
        gone = spec(folder=str(tmp_path / "none"))
        with pytest.raises(WorkflowFailureError) as error:
            await ended(await start(client, gone, shared.queue), 10)
        assert "is no folder that the worker can see" in str(error.value.cause)

    on(shared, test)


def test_a_window_on_which_the_model_breaks_is_said_and_the_stream_goes_on(
    shared: Live, tmp_path: Path
) -> None:
    parts = [tone(2, 400), tone(2, 400, level=0.99), tone(2, 400)]
    asked = spec(patience={"attempts": 2, "windows_at_once": 1})

    async def test(client: Client) -> None:
        totals = await (await heard(client, shared, chunks(tmp_path, parts), asked)).result()
        assert (totals.windows, totals.unheard) == (3, 1)

    on(shared, test)
    rows = shared.rows(tables.windows, asked.stream_id)
    assert [row["label"] for row in rows] == ["crying", None, "crying"]
    assert rows[1]["reason"] == "it was given up (the model broke)"


def test_an_id_belongs_to_one_stream(shared: Live, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(2))
    asked = spec()

    async def test(client: Client) -> None:
        await heard(client, shared, [path], asked)
        with pytest.raises(commands.Failed, match="already: choose another with --id"):
            await start(client, asked, shared.queue)
        # the server may have forgotten it; the database has not
        handle = await client.start_workflow(
            StreamWorkflow.run,
            args=[asked, None],
            id=f"other-{asked.stream_id}",
            task_queue=shared.queue,
        )
        with pytest.raises(WorkflowFailureError) as error:
            await ended(handle, 10)
        assert "choose another id" in str(error.value.cause)

    on(shared, test)


def test_the_client_s_commands(
    shared: Live,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", shared.server)
    path = write(tmp_path / "a.wav", tone(4, 400), tone(3))
    queue, database = ("--queue", shared.queue), ("--database", shared.url)

    def said(*arguments: str) -> str:
        commands.main(arguments)
        return capsys.readouterr().out

    name = spec().stream_id
    totals = said("stream", str(path), "--id", name, "--window", "5", "--wait", *queue)
    assert json.loads(totals)["windows"] == 2
    assert json.loads(said("status", name, *queue))["state"] == "finished"
    header, *rows = said("results", name, *database).splitlines()
    assert header.startswith("stream_id,window,start_s,end_s,label,confidence")
    assert header.endswith("p_crying,p_normal,p_screaming")
    assert len(rows) == 2
    assert len(json.loads(said("results", name, "--json", *database))[0]["frames"]) == 9
    assert json.loads(said("events", name, "--json", *database))[0]["label"] == "crying"
    assert "a.wav" in said("chunks", name, *database)

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{path}\n\n{path}\n"))
    piped = spec().stream_id
    totals = said("stream", "-", "--id", piped, "--wait", *queue)
    assert json.loads(totals) | {"events": 2} == {
        **{"chunks": 2, "rejected": 0, "windows": 2, "unheard": 0},
        **{"events": 2, "seconds": 14.0},
    }
    folder = tmp_path / "in"
    folder.mkdir()
    watched = spec().stream_id
    said("stream", str(folder), "--id", watched, *queue)
    assert said("finish", watched, *queue) == ""
    for arguments, why in [
        (("stream", str(path), "--id", name, *queue), "already: choose another"),
        (("stream", "none.wav", *queue), "none.wav is not there"),
        (("stream", str(tmp_path), "--window", "99", *queue), "window_s must lie in"),
        (("stream", str(path), "--onset", "0.3", "--wait", *queue), "0 < offset <= onset <= 1"),
        (("status", "nobody", *queue), "knows no stream"),
        (("finish", "nobody", *queue), "cannot be finished"),
        (("results", "nobody", *database), "has no stream 'nobody'"),
        (("results", name, "--database", "sqlite:////none/r.db"), "cannot be reached"),
        (("status", name, "--address", "127.0.0.1:9"), "no Temporal server answers at"),
    ]:
        with pytest.raises(SystemExit) as stopped:
            said(*arguments)
        assert stopped.value.code == 2
        told = capsys.readouterr().err.splitlines()
        assert why in told[-1]
        assert [line for line in told[:-1] if not line.endswith("has begun")] == []
