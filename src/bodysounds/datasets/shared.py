"""What the datasets of a run need where its nodes run in several processes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from kedro.io import AbstractVersionedDataset, CatalogProtocol
from kedro.io.core import Version, generate_timestamp, is_parameter
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

logger = logging.getLogger(__name__)

Catalog = CatalogProtocol[Any, Any]


def refuse_memory(pipeline: Pipeline, catalog: Catalog) -> None:
    """Raise ValueError that names what one node would leave in its own process's memory."""
    kept = sorted(
        name
        for name in pipeline.all_outputs()
        if not is_parameter(name) and _in_memory(catalog.get(name))
    )
    if kept:
        raise ValueError(
            f"nodes run in other processes, and {', '.join(kept)} would stay in the memory of one: "
            "give each an entry in the catalog, on a disk or at a URL that every worker sees, or "
            "run without DaskRunner"
        )


def _in_memory(dataset: Any) -> bool:
    ephemeral = dataset is None or getattr(dataset, "_EPHEMERAL", False)
    return ephemeral or getattr(dataset, "_protocol", None) == "memory"


def pin_versions(pipeline: Pipeline, catalog: Catalog) -> None:
    """Let each versioned dataset load one version, whoever asks, and save the run's.

    Raises DatasetError where the version that would be saved is there already.
    """
    run = generate_timestamp()
    saved = pipeline.all_outputs()
    for name in pipeline.datasets():
        dataset = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset) or dataset._version is None:
            continue
        own = dataset._version.save or run
        if name in saved:
            dataset._version = Version(dataset._version.load or own, own)
            dataset._get_save_path()
        elif dataset.exists():
            dataset._version = Version(dataset.resolve_load_version(), own)


def forget_listings(names: Iterable[str], catalog: Catalog) -> None:
    """Let the filesystems look again: other processes have saved since they last did."""
    for name in names:
        files = getattr(catalog.get(name), "_fs", None)
        if files is not None:
            files.invalidate_cache()


def remove_leftovers(node: Node, catalog: Catalog) -> None:
    """Remove what a worker that died in the middle of this node has saved already.

    Nothing else is removed: the run began only after it had seen that its version was not there.
    """
    for name in node.outputs:
        dataset = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset) or dataset._version is None:
            continue
        folder = str(dataset._get_versioned_path(dataset._version.save).parent)
        files = getattr(dataset, "_fs", None)
        if files is not None and files.exists(folder):
            logger.warning("%s is done again, and begins without its %s", node.name, folder)
            files.rm(folder, recursive=True)
