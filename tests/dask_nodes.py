"""Nodes and datasets of a pipeline that is run by Dask workers, and killed in the middle."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from kedro.io import AbstractVersionedDataset, Version
from kedro.pipeline import Node, Pipeline


def note(folder: str, node: str) -> int:
    """Append this process to those that began the node; return how many they are."""
    with (Path(folder) / node).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return len(begun(folder, node))


def begun(folder: str | Path, node: str) -> list[int]:
    """The processes that began the node."""
    path = Path(folder) / node
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def first(folder: str) -> dict[str, int]:
    note(folder, "first")
    return {"value": 1}


def quick(given: dict[str, int], folder: str, number: int) -> dict[str, int]:
    note(folder, f"quick_{number}")
    return {"value": given["value"] + number}


def slow(given: dict[str, int], folder: str) -> dict[str, int]:
    """Wait to be killed where nobody began it before."""
    if note(folder, "slow") == 1:
        time.sleep(120)
    return {"value": given["value"] + 10}


def total(folder: str, *given: dict[str, int]) -> dict[str, int]:
    note(folder, "total")
    return {"value": sum(one["value"] for one in given)}


def refuse(folder: str) -> dict[str, int]:
    note(folder, "refuse")
    raise ValueError("the corpus holds no recordings")


def two(folder: str) -> tuple[dict[str, int], dict[str, int]]:
    return {"value": note(folder, "two")}, {"value": 7}


def threads() -> dict[str, int]:
    """What torch, BLAS and OpenMP would use in this worker, and whether it may start processes."""
    import multiprocessing

    import torch

    from bodysounds.devices import share_cores
    from bodysounds.workers import in_worker

    torch.set_num_threads(1)
    share_cores()
    return {
        "torch": torch.get_num_threads(),
        "openmp": int(os.environ["OMP_NUM_THREADS"]),
        "in_worker": int(in_worker()),
        "daemon": int(multiprocessing.current_process().daemon),
    }


def branches() -> Pipeline:
    """One node, then three at once, one of them slow, then their sum."""
    return Pipeline(
        [
            Node(first, "params:folder", "start", name="first"),
            *(
                Node(
                    partial(quick, number=number),
                    ["start", "params:folder"],
                    f"quick_{number}",
                    name=f"quick_{number}",
                )
                for number in (2, 3)
            ),
            Node(slow, ["start", "params:folder"], "slow", name="slow"),
            Node(total, ["params:folder", "quick_2", "quick_3", "slow"], "total", name="total"),
        ]
    )


class DeadlyDataset(AbstractVersionedDataset[Any, Any]):
    """A text that kills its process when half of it is saved, the first time."""

    def __init__(self, *, filepath: str, marker: str, version: Version | None = None) -> None:
        self._fs = fsspec.filesystem("file")
        super().__init__(PurePosixPath(filepath), version, self._fs.exists, self._fs.glob)
        self._marker = Path(marker)

    def save(self, data: Any) -> None:
        path = Path(self._get_save_path())
        path.parent.mkdir(parents=True)
        path.write_text("half")
        if not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        path.write_text(str(data))

    def load(self) -> str:
        return Path(self._get_load_path()).read_text()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
