"""Work in shards: what is done of it stays done, on the workers of Dask or in this process."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy as np

from bodysounds.types import Floats
from bodysounds.workers import cores, dask_client, use_threads

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

S = TypeVar("S")

SUMS = "sha256.json"
RETRIES = 2
PACKAGE = Path(__file__).resolve().parent


def map_shards(
    work: Callable[[S, Path], None], shards: Sequence[S], folder: Path, retries: int = RETRIES
) -> list[Path]:
    """Return the folder of what `work` writes for each shard, in their order.

    Where this runs in a task of Dask, the missing ones are tasks of all its workers, and this task
    leaves its thread to them; elsewhere they are done one after the other. A folder appears when it
    is complete, with the checksums of its files. One that is there and intact is not done again:
    not after an error, nor after the death of a worker or of this process.

    Parameters
    ----------
    work : callable
        Writes files for a shard into an empty folder. On Dask it is a function of a module, and
        shards can be pickled.
    folder : Path
        Holds the shards, and is named by all that decides what is in them (`content_sha256`).
        All workers see it under this path: shared storage, where they are several machines. Whoever
        has put the shards together removes it.
    retries : int
        How often a shard is tried again after an error. A ValueError says that the input is wrong,
        and is raised at once. Dask does the shard of a worker that died again by itself, and gives
        up when it has seen several die of it.
    """
    folder = Path(folder).resolve()
    folders = [folder / f"shard_{number:04d}" for number in range(len(shards))]
    missing = [(s, path) for s, path in zip(shards, folders, strict=True) if not intact(path)]
    log.info(
        "%d of %d shards are there, %d to do", len(shards) - len(missing), len(shards), len(missing)
    )
    if missing:
        with dask_client() as client:
            if client is None:
                _here(work, missing, retries)
            else:
                _on_dask(client, work, missing, retries)
    return folders


def deal(costs: Floats, n: int) -> list[slice]:
    """Return at most n runs, one after the other and none empty, whose costs are about equal.

    costs is (m,), above 0. A run ends with the item in whose middle its share of the cost is full.
    """
    if not len(costs):
        return []
    middles = np.cumsum(costs) - np.asarray(costs) / 2
    cuts = np.searchsorted(middles, np.arange(1, n) * np.sum(costs) / n)
    edges = np.unique([0, *cuts, len(costs)]).tolist()
    return [slice(low, high) for low, high in pairwise(edges)]


def content_sha256(
    about: Any, parts: Iterable[bytes | memoryview] = (), code: Sequence[str] = ()
) -> str:
    """Return the sha256, in hex, of JSON values, of bytes, and of modules of this package.

    `code` names files and folders of the package, such as `audio` and `sides.py`.
    """
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    for name in code:
        path = PACKAGE / name
        for file in [path] if path.suffix else sorted(path.rglob("*.py")):
            digest.update(file.relative_to(PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def intact(folder: Path) -> bool:
    """Return whether a shard is there with all its files as they were written."""
    try:
        sums = json.loads((folder / SUMS).read_text())
    except FileNotFoundError:
        return False
    except ValueError:
        sums = None
    if sums == _sums(folder):
        return True
    log.warning("%s is damaged: it is done again", folder)
    return False


def _here(work: Callable[[S, Path], None], missing: Sequence[tuple[S, Path]], retries: int) -> None:
    for number, (shard, path) in enumerate(missing, start=1):
        for left in range(retries, -1, -1):
            try:
                _do(work, shard, path)
                break
            except ValueError:
                raise
            except Exception as error:
                if not left:
                    raise
                log.warning("%s failed and is tried again: %r", path.name, error)
        log.info("%d of %d are done", number, len(missing))


def _on_dask(
    client: Client, work: Callable[[S, Path], None], missing: Sequence[tuple[S, Path]], retries: int
) -> None:
    from distributed import as_completed

    from bodysounds.clusters import places

    at_once = places(client)
    # named by the path: what a node's own death leaves running is taken over, not done twice
    keys = [f"{path.name}-{content_sha256(str(path))}" for _, path in missing]
    futures = [
        client.submit(_attempt, work, shard, path, at_once, key=key, retries=retries)
        for key, (shard, path) in zip(keys, missing, strict=True)
    ]
    try:
        for number, future in enumerate(as_completed(futures), start=1):
            wrong = future.result()
            if wrong is not None:
                raise wrong
            log.info("%d of %d are done", number, len(futures))
    except BaseException:
        client.cancel(futures)
        raise
    left = [shard for shard in missing if not (shard[1] / SUMS).is_file()]
    if left:  # an older task of the same name was done, and somebody removed its files
        _here(work, left, retries)


def _attempt(
    work: Callable[[S, Path], None], shard: S, folder: Path, at_once: dict[str, int]
) -> ValueError | None:
    """Do a shard in a task of Dask; what is not to be tried again is returned.

    `at_once` says how many tasks each host does at once, which share its cores.
    """
    from distributed import get_worker

    from bodysounds.clusters import host_of

    use_threads(max(1, cores() // at_once.get(host_of(get_worker().address), 1)))
    try:
        _do(work, shard, folder)
    except ValueError as error:
        return error
    return None


def _do(work: Callable[[S, Path], None], shard: S, folder: Path) -> None:
    if intact(folder):  # by a worker that died before it could say so
        return
    partial = folder.with_name(f".{folder.name}.{uuid4().hex}.partial")
    partial.mkdir(parents=True)
    try:
        work(shard, partial)
        (partial / SUMS).write_text(json.dumps(_sums(partial)))
        for path in (*partial.rglob("*"), partial):
            _sync(path)
        if not intact(folder):
            shutil.rmtree(folder, ignore_errors=True)
        try:
            partial.rename(folder)
        except OSError:
            if not intact(folder):  # else another attempt was quicker
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != SUMS:
            with open(path, "rb") as file:
                name = path.relative_to(folder).as_posix()
                sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
