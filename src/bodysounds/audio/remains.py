"""Folders that are being filled: what a killed process left is removed, what is in use never."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import getnode, uuid4

logger = logging.getLogger(__name__)

LOCK, PARTIAL, OLD = ".lock", ".partial", ".old"


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` to fill, which takes its place at the end.

    Where that fails, nothing changes. As long as it is filled a file beside it is locked; the
    system lets go of the lock when the process dies, whatever kills it, so that no number of a
    process has to be asked for. What dead ones left of the same folder is removed first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_remains(folder)
    stem = folder.with_name(f".{folder.name}.{_host()}.{uuid4().hex}").as_posix()
    partial, old = Path(stem + PARTIAL), Path(stem + OLD)
    with _held(Path(stem + LOCK)):
        try:
            partial.mkdir()
            yield partial
            if folder.exists():
                folder.rename(old)
            partial.rename(folder)
        finally:
            for path in (partial, old):
                shutil.rmtree(path, ignore_errors=True)


def remove_remains(folder: Path) -> None:
    """Remove what processes of this machine that were killed left beside a folder, and log it.

    What nobody vouches for (of another machine on the same disk, of a disk without locks, of an
    older version) stays, and is logged.
    """
    # in this order: a run locks before it makes its folder, and lets go after that is gone
    partials, locks = _beside(folder, PARTIAL), _beside(folder, LOCK)
    ours = [lock for lock in locks if lock.stem.rpartition(".")[0] == f".{folder.name}.{_host()}"]
    for lock in ours:
        _remove_of_dead(lock)
    for path in partials:
        if path.with_suffix(LOCK) not in ours and path.is_dir():
            logger.info(
                "%s is being filled by another machine, or was left half-way: delete it if no "
                "other run is going on there",
                path,
            )


def _beside(folder: Path, ending: str) -> list[Path]:
    if not folder.parent.is_dir():
        return []
    names = sorted(os.listdir(folder.parent))
    return [
        folder.with_name(name)
        for name in names
        if name.startswith(f".{folder.name}.") and name.endswith(ending)
    ]


def _remove_of_dead(lock: Path) -> None:
    try:
        with open(lock, "r+b") as file:
            if not _lock(file):
                return
            for path in (lock.with_suffix(PARTIAL), lock.with_suffix(OLD)):
                if path.is_dir():
                    shutil.rmtree(path)
                    logger.info("%s is removed, which a process that was killed left", path)
            lock.unlink(missing_ok=True)
    except FileNotFoundError:  # its owner, or another run that removes it, was quicker
        return
    except OSError as error:
        logger.info("%s cannot be removed: %s", lock, error)


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Hold a lock as long as the context lasts; on a disk without locks there is no file."""
    new = lock.with_name(lock.name + ".new")
    with open(new, "w+b") as file:
        if not _lock(file):
            new.unlink()
            yield
            return
        # nobody sees it unlocked
        new.rename(lock)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _lock(file: IO[bytes]) -> bool:
    """Return whether a file could be locked: nobody else holds it, and the disk has locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _host() -> str:
    """Return what tells this machine from others on a disk: several may have one name."""
    return f"{socket.gethostname().replace(os.sep, '_')}-{getnode():012x}"
