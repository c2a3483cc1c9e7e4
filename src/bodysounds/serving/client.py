"""The command bodysounds-client: start streams, ask how far they are, read what was heard."""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from bodysounds.scoring.events import EventRules
from bodysounds.serving import tables
from bodysounds.serving.messages import NewChunk, Status, StreamSpec, Totals, check_spec
from bodysounds.serving.server import local_server
from bodysounds.serving.settings import QUEUE, default_address, default_database
from bodysounds.serving.store import DatabaseGone, Store
from bodysounds.serving.worker import CannotStart, connect, let_go
from bodysounds.serving.workflow import StreamWorkflow

Handle = WorkflowHandle[StreamWorkflow, Totals]
LOOK_EVERY = 200  # chunks signalled between two looks at how many wait
MANY_PENDING = 1000
RUNNING = WorkflowExecutionStatus.RUNNING
RULES = tuple(rule.name for rule in fields(EventRules))
ANSWER = timedelta(seconds=10)


class Failed(Exception):
    """What went wrong, in one sentence."""


def workflow_id(stream_id: str) -> str:
    return f"stream-{stream_id}"


async def start(client: Client, spec: StreamSpec, queue: str = QUEUE) -> Handle:
    """Start a stream; chunks come from its folder, or by `send`. Raises Failed, ValueError."""
    check_spec(spec)
    try:
        return await client.start_workflow(
            StreamWorkflow.run,
            args=[spec, None],
            id=workflow_id(spec.stream_id),
            task_queue=queue,
            task_timeout=timedelta(seconds=max(1.0, spec.patience.heartbeat_s)),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
    except WorkflowAlreadyStartedError as error:
        raise Failed(
            f"there is a stream {spec.stream_id!r} already: choose another with --id"
        ) from error


def handle_of(client: Client, stream_id: str) -> Handle:
    return client.get_workflow_handle_for(StreamWorkflow.run, workflow_id(stream_id))


async def send(handle: Handle, paths: AsyncIterator[str]) -> int:
    """Signal chunks by their paths, in order, then that the stream is finished; return how many.

    Where many wait, it waits too.
    """
    index = 0
    async for path in paths:
        await handle.signal(StreamWorkflow.add_chunk, NewChunk(index, path, time.time()))
        index += 1
        if index % LOOK_EVERY == 0:
            while (await handle.query(StreamWorkflow.status)).pending > MANY_PENDING:
                await asyncio.sleep(0.5)
    await handle.signal(StreamWorkflow.finish)
    return index


async def status(handle: Handle) -> Status:
    """Return how far a stream is. Raises Failed where there is no such stream, or no worker."""
    try:
        return await handle.query(StreamWorkflow.status, rpc_timeout=ANSWER)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise Failed(f"the server knows no stream {handle.id!r}") from error
        raise Failed(
            f"no worker answers for {handle.id!r} ({error.message}): start a bodysounds-worker; "
            "the stream waits for it, nothing is lost"
        ) from error


async def _lines() -> AsyncIterator[str]:
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        with suppress(RuntimeError):  # the loop is closed
            for line in iter(sys.stdin.readline, ""):
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, "")

    # a daemon, which an interrupted client does not wait for
    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        if line.strip():
            yield _path(line.strip())


async def _one(path: str) -> AsyncIterator[str]:
    yield path


def _path(text: str) -> str:
    return str(Path(text).expanduser().absolute())


async def _stream(given: argparse.Namespace, client: Client) -> None:
    source = None if given.source == "-" else Path(_path(given.source))
    if source is not None and not source.exists():
        raise Failed(f"{source} is not there: name a file, a folder, or - for paths on stdin")
    folder = source if source is not None and source.is_dir() else None
    stem = "stdin" if source is None else source.stem
    spec = StreamSpec(
        stream_id=given.id or f"{stem[:60]}-{time.strftime('%Y%m%d-%H%M%S')}",
        window_s=given.window,
        hop_s=given.hop,
        pace=given.pace,
        folder=str(folder) if folder else None,
        idle_s=given.idle,
        events={rule: value for rule in RULES if (value := getattr(given, rule)) is not None},
    )
    handle = await start(client, spec, given.queue)
    _say(f"stream {spec.stream_id} has begun")
    if folder is None:
        await send(handle, _lines() if source is None else _one(str(source)))
    if given.wait:
        with suppress(WorkflowFailureError):
            _print_json(asdict(await handle.result()))
            return
        await _failed(handle)


async def _status(given: argparse.Namespace, client: Client) -> None:
    handle = handle_of(client, given.id)
    told = await status(handle)
    if told.state != "finished":
        await _failed(handle)
    _print_json(asdict(told))


async def _failed(handle: Handle) -> None:
    """Raise Failed where a stream was refused or ended by hand."""
    if (await handle.describe()).status not in (None, RUNNING):
        try:
            await handle.result()
        except WorkflowFailureError as error:
            said = getattr(error.cause, "message", None) or error.cause
            raise Failed(f"{handle.id} has ended: {said}") from error


async def _finish(given: argparse.Namespace, client: Client) -> None:
    try:
        await handle_of(client, given.id).signal(StreamWorkflow.finish)
    except RPCError as error:
        raise Failed(f"stream {given.id!r} cannot be finished: {error.message}") from error


def _server(given: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its child must not outlive it
    served = local_server(given.database, given.port, given.download)
    with served as address, suppress(KeyboardInterrupt):
        _say(f"a Temporal server for development listens on {address}; Ctrl-C ends it")
        threading.Event().wait()


def _results(given: argparse.Namespace) -> None:
    table = {"results": tables.windows, "events": tables.events, "chunks": tables.chunks}
    store = Store(given.database)
    try:
        if not store.rows(tables.streams, given.id):
            raise Failed(f"{store} has no stream {given.id!r}: name another, or its --database")
        rows = store.rows(table[given.command], given.id)
    finally:
        store.close()
    if given.format == "json":
        _print_json(rows)
        return
    hidden = ("frames", "probabilities") if given.command == "results" else ()
    names = [c.name for c in table[given.command].columns if c.name not in hidden]
    _print_csv(names, rows, sys.stdout)


def _print_csv(names: Sequence[str], rows: Sequence[dict[str, Any]], out: TextIO) -> None:
    probabilities = sorted({key for row in rows for key in row.get("probabilities") or ()})
    writer = csv.writer(out)
    writer.writerow([*names, *(f"p_{name}" for name in probabilities)])
    for row in rows:
        by_label = row.get("probabilities") or {}
        writer.writerow([*(row[n] for n in names), *(by_label.get(p) for p in probabilities)])


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what goes wrong is one sentence and exit status 2."""
    given = _parser().parse_args(arguments)
    try:
        if given.command in ("results", "events", "chunks"):
            _results(given)
        elif given.command == "server":
            _server(given)
        else:
            asyncio.run(let_go(_with_server(given)))
    except KeyboardInterrupt:
        _say("bodysounds-client: interrupted; a stream that has begun goes on until it is finished")
        raise SystemExit(130) from None
    except RPCError as error:
        _say(f"bodysounds-client: the server at {given.address} says: {error.message}")
        raise SystemExit(2) from None
    except (Failed, CannotStart, DatabaseGone, RuntimeError, ValueError) as error:
        _say(f"bodysounds-client: {error}")
        raise SystemExit(2) from None


async def _with_server(given: argparse.Namespace) -> None:
    client = await connect(given.address, given.namespace, 0)
    commands = {"stream": _stream, "status": _status, "finish": _finish}
    await commands[given.command](given, client)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("bodysounds-client", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    stream = commands.add_parser("stream", help="send a file, a folder, or paths on stdin (-)")
    add = stream.add_argument
    add("source", metavar="FILE|FOLDER|-")
    add("--id", help="name of the stream (made of the source and the time)")
    add("--window", type=float, default=10.0, help="seconds of a window (%(default)s)")
    add("--hop", type=float, help="seconds between windows (as long as a window)")
    add("--pace", choices=("fast", "real"), default="fast", help="(%(default)s)")
    add("--idle", type=float, help="seconds without a new file that end a folder's stream")
    for rule in RULES:
        option = f"--{rule.replace('_', '-')}"
        add(option, type=str if rule == "quiet" else float, help="of events (the model's own)")
    add("--wait", action="store_true", help="until the stream has ended")
    for name, text in (("status", "how far a stream is"), ("finish", "nothing more comes")):
        commands.add_parser(name, help=text).add_argument("id")
    for name in ("stream", "status", "finish"):
        add = commands.choices[name].add_argument
        add("--address", default=default_address(), help="the Temporal server (%(default)s)")
        add("--namespace", default="default")
        add("--queue", default=QUEUE, help="task queue (%(default)s)")
    for name, text in (
        ("results", "what its windows were heard as"),
        ("events", "its events"),
        ("chunks", "its chunks, and why some were refused"),
    ):
        add = commands.add_parser(name, help=text).add_argument
        add("id")
        add("--database", default=default_database(), help="URL (%(default)s)")
        kinds = commands.choices[name].add_mutually_exclusive_group()
        kinds.add_argument("--json", dest="format", action="store_const", const="json")
        kinds.add_argument("--csv", dest="format", action="store_const", const="csv")
    server = commands.add_parser("server", help="run a Temporal server for development")
    server.add_argument("--database", type=Path, help="file that its streams outlive it in")
    server.add_argument("--port", type=int, default=7233, help="(%(default)s)")
    server.add_argument("--download", action="store_true", help="fetch the program if need be")
    return parser
