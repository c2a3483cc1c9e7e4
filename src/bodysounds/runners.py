"""Runners beside Kedro's own: `kedro run --runner=bodysounds.runners.DaskRunner`."""

from __future__ import annotations

import logging
import pickle
import uuid
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from kedro.io import DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner
from kedro.runner.task import Task

from bodysounds.clusters import check_installed, host_of, local_cluster, places, running_cluster
from bodysounds.datasets.shared import (
    Catalog,
    forget_listings,
    pin_versions,
    refuse_memory,
    remove_leftovers,
)
from bodysounds.workers import cores, use_threads

if TYPE_CHECKING:
    from distributed import Client
    from pluggy import PluginManager

logger = logging.getLogger(__name__)


class DaskRunner(AbstractRunner):
    """Runs the nodes that wait for nothing at the same time, each in a worker of Dask.

    Parameters
    ----------
    n_workers : int, optional
        Processes to start on this machine, by default as many as there are cores and branches.
    address : str, optional
        In the place of `n_workers`: the scheduler of a cluster that runs, such as tcp://host:8786.
        Its workers need this package, and the data at the same paths.
    retries : int, optional
        How often a node is done again whose worker died, by default 1. A running cluster has its
        own number, 3 by Dask's default.
    is_async : bool
        Whether a node's datasets are loaded and saved in threads.

    What a node raises fails the run at once. Every dataset that a run saves has the version of the
    run, and every node reads the same version of what was there before. Hooks of the project run in
    the workers, those of plugins only where the run was started.
    """

    def __init__(
        self,
        n_workers: int | None = None,
        address: str | None = None,
        retries: int | None = None,
        is_async: bool = False,
    ) -> None:
        super().__init__(is_async=is_async)
        check_installed()
        _check_parameters(n_workers, address, retries)
        self._n_workers = n_workers
        self._address = address
        self._retries = 1 if retries is None else retries

    def _get_required_workers_count(self, pipeline: Pipeline) -> int:
        branches = max(len(group) for group in pipeline.grouped_nodes) if pipeline.nodes else 1
        return min(branches, cores()) if self._n_workers is None else self._n_workers

    def _get_executor(self, max_workers: int) -> Executor:
        if self._address is not None:
            from kedro.framework.project import PACKAGE_NAME

            # what configures a worker's log also takes away what shows it here
            known = partial(_configure, PACKAGE_NAME)
            return _Branches(running_cluster(self._address, prepare=known), self._address)
        return _Branches(local_cluster(max_workers, self._retries), "this machine")

    def _run(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        refuse_memory(pipeline, catalog)
        pin_versions(pipeline, catalog)
        super()._run(pipeline, catalog, hook_manager, run_id)
        forget_listings(pipeline.all_outputs(), catalog)


class _Branches(ThreadPoolExecutor):
    """As many threads as the cluster does nodes at once; each waits for one node."""

    def __init__(self, cluster: AbstractContextManager[Client], where: str) -> None:
        self._stack = ExitStack()
        self._where = where
        self._client = self._stack.enter_context(cluster)
        self._places = places(self._client)
        self._begun: set[Any] = set()
        self._closed = False
        n_nodes = sum(self._places.values())
        logger.info("%d nodes at once, in workers of %s", n_nodes, where)
        super().__init__(max_workers=n_nodes)

    def submit(self, task: Task, /, *_: Any, **__: Any) -> Future[Node]:  # type: ignore[override]
        return super().submit(self._do, task)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Give up what is not finished, as after a node that failed or Ctrl-C, and let go."""
        with self._stack:
            self._closed = True
            super().shutdown(False, cancel_futures=cancel_futures)
            self._client.cancel(list(self._begun))
            super().shutdown(wait)

    def _do(self, task: Task) -> Node:
        from distributed import KilledWorker
        from kedro.framework.project import PACKAGE_NAME

        name = task.node.name
        future = self._client.submit(
            run_node,
            _pickled(task.node, task.catalog),
            PACKAGE_NAME,
            task.run_id,
            task.is_async,
            self._places,
            key=f"{name}-{uuid.uuid4().hex}",
            pure=False,
        )
        self._begun.add(future)
        if self._closed:  # since it was asked for: nobody else will give it up
            self._client.cancel([future])
        try:
            future.result()
        except KilledWorker as error:
            raise RuntimeError(
                f"{name} was begun {error.allowed_failures + 1} times, and each time its worker "
                "died: it may need more memory than there is, so run fewer workers at once, or "
                "give more retries where the machines are unsteady"
            ) from error
        except CancelledError as error:
            raise ConnectionError(
                f"{name} was given up: the cluster of {self._where} is gone, or was told to stop"
            ) from error
        finally:
            self._begun.discard(future)
        return task.node


def run_node(
    pickled: bytes,
    package: str | None,
    run_id: str | None,
    is_async: bool,
    places: dict[str, int],
) -> None:
    """Run one node in a Dask worker, with the project's hooks.

    `pickled` holds the node and its catalog, and `places` says how many nodes each host runs at
    once, which share its cores.
    """
    from distributed import get_worker
    from kedro.framework import project
    from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks

    _configure(package)
    node, catalog = pickle.loads(pickled)
    worker = get_worker()
    use_threads(max(1, cores() // places.get(host_of(worker.address), 1)))
    forget_listings((*node.inputs, *node.outputs), catalog)
    remove_leftovers(node, catalog)
    logger.info("%s begins on %s", node.name, worker.address)
    # `task.parallel` would do this too, but configure the log again, which fails in a process that
    # did so before, and start plugins, which want the rest of the run
    hooks = _create_hook_manager()
    _register_hooks(hooks, project.settings.HOOKS)
    Task(node, catalog, is_async, hook_manager=hooks, run_id=run_id).execute()


def _configure(package: str | None) -> None:
    """Let this process know the project, once."""
    from kedro.framework import project

    if package is not None and package != project.PACKAGE_NAME:
        project.configure_project(package)


def _check_parameters(n_workers: object, address: object, retries: object) -> None:
    if n_workers is not None and address is not None:
        raise ValueError(
            f"n_workers={n_workers} starts a cluster on this machine and address={address} names "
            "one that runs: give one of the two"
        )
    if address is not None and retries is not None:
        raise ValueError(
            f"retries={retries} is for a cluster on this machine: a running one has its own "
            "number, which DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES sets where `dask "
            "scheduler` is started"
        )
    for name, value, least in (("n_workers", n_workers, 1), ("retries", retries, 0)):
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if value is not None and not whole:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


def _pickled(node: Node, catalog: Catalog) -> bytes:
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps((node, catalog))
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        raise DatasetError(
            f"{node.name} cannot be sent to a worker ({error}): its function and its datasets "
            "must be such as pickle takes"
        ) from error
    return content
