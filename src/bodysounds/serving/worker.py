"""The command bodysounds-worker: a model, a database and a Temporal server at work together."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bodysounds.serving import logs
from bodysounds.serving.activities import Activities
from bodysounds.serving.batcher import Batcher
from bodysounds.serving.hearing import Model
from bodysounds.serving.meters import BUCKETS, Meters
from bodysounds.serving.settings import QUEUE, WorkerSettings, default_address, watch_queue
from bodysounds.serving.store import DatabaseGone, Store
from bodysounds.serving.workflow import StreamWorkflow

log = logging.getLogger("bodysounds.serving")

WATCHERS = 500
LET_GO_S = 0.05
Load = Callable[[str], Model]


class CannotStart(Exception):
    """Why a worker does not start, in one sentence."""


def load_bundle(path: str) -> Model:
    """Return the ensemble in a folder, or the latest in a folder of versions."""
    from bodysounds.models.ensemble import load_ensemble

    model: Model = load_ensemble(Path(path))
    return model


async def work(settings: WorkerSettings, load: Load = load_bundle) -> None:
    """Serve streams until SIGTERM or SIGINT, then finish what runs. Raises CannotStart."""
    model = _model(settings, load)
    store = _store(settings)
    runtime = _runtime(settings)
    client = await connect(settings.address, settings.namespace, settings.connect_s, runtime)
    meters = Meters(runtime.metric_meter)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with (
        ThreadPoolExecutor(1, "model") as one,
        ThreadPoolExecutor(settings.threads, "activity") as threads,
    ):
        batcher = Batcher(
            model.predict, one, settings.batch, settings.wait_ms / 1000, meters.batch.record
        )
        batching = asyncio.create_task(batcher.run())
        activities = Activities(model, str(settings.model), store, batcher, threads, meters)
        try:
            async with (
                _worker(client, settings, activities),
                _watcher(client, settings, activities),
            ):
                log.info(
                    "worker ready",
                    extra={"server": settings.address, "queue": settings.queue, "db": str(store)},
                )
                await stop.wait()
                log.info("worker stopping: it takes nothing new and finishes what runs")
        finally:
            batching.cancel()
            with suppress(asyncio.CancelledError):
                await batching
            store.close()
    log.info("worker stopped")


def _worker(client: Client, settings: WorkerSettings, activities: Activities) -> Worker:
    return Worker(
        client,
        task_queue=settings.queue,
        workflows=[StreamWorkflow],
        # the sandbox looks for what does not replay, at a quarter of the worker's own time: the
        # tests replay histories in it instead
        workflow_runner=UnsandboxedWorkflowRunner(),
        activities=[
            activities.open_stream,
            activities.probe_chunks,
            activities.classify_windows,
            activities.store_events,
            activities.close_stream,
        ],
        max_concurrent_activities=settings.activities,
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_s),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=settings.silent_s),
    )


def _watcher(client: Client, settings: WorkerSettings, activities: Activities) -> Worker:
    """Folders have a queue of their own: those who watch must not keep those who hear waiting."""
    return Worker(
        client,
        task_queue=watch_queue(settings.queue),
        activities=[activities.watch_folder],
        max_concurrent_activities=WATCHERS,
        graceful_shutdown_timeout=timedelta(seconds=settings.shutdown_s),
    )


async def connect(
    address: str, namespace: str, wait_s: float, runtime: Runtime | None = None
) -> Client:
    """Return a client; the server may take `wait_s` seconds to come. Raises CannotStart."""
    until = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            client = await Client.connect(address, namespace=namespace, runtime=runtime)
            break
        except RuntimeError as error:
            if asyncio.get_running_loop().time() >= until:
                raise CannotStart(
                    f"no Temporal server answers at {address}: start one (temporal server "
                    "start-dev), or name another with --address or TEMPORAL_ADDRESS"
                ) from error
            await asyncio.sleep(0.5)
    try:
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=namespace)
        )
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        raise CannotStart(
            f"the server at {address} has no namespace {namespace!r}: name another with --namespace"
        ) from error
    return client


async def let_go(work: Awaitable[None]) -> None:
    """Await work with Temporal's client, and leave its threads the time to let go of Python.

    One that hands over an answer while the interpreter ends makes Python abort.
    """
    try:
        await work
    finally:
        await asyncio.sleep(LET_GO_S)


def _model(settings: WorkerSettings, load: Load) -> Model:
    if not settings.model:
        raise CannotStart(
            "a worker needs a model: give --model the folder of an ensemble's bundle, which "
            "kedro run --pipeline=cry_scream_ensemble makes"
        )
    try:
        return load(settings.model)
    except Exception as error:  # whatever is wrong with a bundle, the answer is the same
        said = " ".join(str(error).split()) or type(error).__name__
        raise CannotStart(f"the model {settings.model} cannot be loaded: {said}") from error


def _store(settings: WorkerSettings) -> Store:
    try:
        store = Store(settings.database, pool=settings.threads)
        store.create()
    except (DatabaseGone, ValueError) as error:
        raise CannotStart(str(error)) from error
    return store


def _runtime(settings: WorkerSettings) -> Runtime:
    if settings.metrics is None:
        return Runtime.default()
    endpoint = PrometheusConfig(
        settings.metrics,
        durations_as_seconds=True,
        unit_suffix=True,
        histogram_bucket_overrides=BUCKETS,
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=endpoint))
    except (RuntimeError, ValueError) as error:
        raise CannotStart(
            f"the metrics' address {settings.metrics} cannot be used ({error}): choose another"
        ) from error


def main(arguments: Sequence[str] | None = None, load: Load = load_bundle) -> None:
    """Run the command; what keeps it from starting is one sentence and exit status 2."""
    parser = _parser()
    given = parser.parse_args(arguments)
    logs.set_up(given.log == "json", given.level)
    try:
        names = {field.name for field in fields(WorkerSettings)}
        settings = WorkerSettings(**{k: v for k, v in vars(given).items() if k in names})
        asyncio.run(let_go(work(settings, load)))
    except (CannotStart, ValueError) as error:
        sys.stderr.write(f"bodysounds-worker: {error}\n")
        raise SystemExit(2) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("bodysounds-worker", description=__doc__)
    add, default = parser.add_argument, WorkerSettings(model=None)
    add("--model", help="folder of an ensemble's bundle")
    add("--database", default=default.database, help="URL of SQLAlchemy (%(default)s)")
    add("--address", default=default_address(), help="the Temporal server (%(default)s)")
    add("--namespace", default=default.namespace)
    add("--queue", default=QUEUE, help="task queue (%(default)s)")
    add("--metrics", metavar="HOST:PORT", help="where Prometheus finds the figures")
    add(
        "--threads", type=int, default=default.threads, help="for reading and writing (%(default)s)"
    )
    add("--activities", type=int, default=default.activities, help="at once (%(default)s)")
    add(
        "--batch",
        type=int,
        default=default.batch,
        help="clips in a call of the model (%(default)s)",
    )
    add("--wait-ms", type=float, default=default.wait_ms, help="for more clips (%(default)s)")
    add("--connect-s", type=float, default=default.connect_s, help="wait for the server")
    add("--shutdown-s", type=float, default=default.shutdown_s, help="to finish what runs")
    add("--silent-s", type=float, default=default.silent_s, help=argparse.SUPPRESS)
    add("--log", choices=("plain", "json"), default="plain")
    add("--level", choices=("debug", "info", "warning"), default="info")
    return parser
