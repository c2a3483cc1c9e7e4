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
    process has to be asked for. What dead ones left of the same folder is removed first, and what
    others left is logged.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_remains(folder)
    name_others(folder)
    stem = folder.with_name(f"{_prefix(folder)}{_host()}.{uuid4().hex}").as_posix()
    partial, old = Path(stem + PARTIAL), Path(stem + OLD)
    with _held(Path(stem + LOCK)):
        try:
            partial.mkdir()
            yield partial
            if folder.exists():
                folder.rename(old)
            partial.rename(folder)
        finally:
            _give_back(old, folder)
            for path in (partial, old):
                shutil.rmtree(path, ignore_errors=True)


def remove_remains(folder: Path) -> None:
    """Remove what processes of this machine that were killed left beside a folder, and log it.

    Where one was killed as it replaced the folder, the folder is first put back as it was.
    """
    for lock in _ours(folder):
        _remove_of_dead(lock, folder)


def name_others(folder: Path) -> None:
    """Log what stays beside a folder as nobody vouches for it.

    It is of another machine on the same disk, of a disk without locks, or of an older version.
    """
    # in this order: a run locks before it makes its folder, and lets go after that is gone
    partials, olds, ours = _beside(folder, PARTIAL), _beside(folder, OLD), _ours(folder)
    for path in partials:
        if path.with_suffix(LOCK) not in ours and path.is_dir():
            logger.info(
                "%s is being filled by another machine, or was left half-way: delete it if no "
                "other run is going on there",
                path,
            )
    for path in olds:
        if path.with_suffix(LOCK) not in ours and path.is_dir():
            logger.info(
                "%s is what %s was before a run of another machine, or one that was stopped, "
                "replaced it: delete it, or give it back its name, if no other run is going on",
                path, folder,
            )  # fmt: skip


def _ours(folder: Path) -> list[Path]:
    ours = f"{_prefix(folder)}{_host()}"
    return [lock for lock in _beside(folder, LOCK) if lock.stem.rpartition(".")[0] == ours]


def _prefix(folder: Path) -> str:
    """Return how names beside a folder begin; those beside `<folder>.x` begin otherwise."""
    return f".{folder.name.replace('%', '%25').replace('.', '%2E')}."


def _beside(folder: Path, ending: str) -> list[Path]:
    if not folder.parent.is_dir():
        return []
    names = sorted(os.listdir(folder.parent))
    return [
        folder.with_name(name)
        for name in names
        if name.startswith(_prefix(folder)) and name.endswith(ending)
    ]


def _give_back(old: Path, folder: Path) -> None:
    """Put back what stood in a folder where nothing took its place."""
    if old.is_dir() and not folder.exists():
        old.rename(folder)
        logger.info("%s is put back as it was before it was to be replaced", folder)


def _remove_of_dead(lock: Path, folder: Path) -> None:
    try:
        with open(lock, "r+b") as file:
            if not _lock(file):
                return
            _give_back(lock.with_suffix(OLD), folder)
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
        if _lock(file):
            new.rename(lock)  # nobody sees it unlocked
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return
    new.unlink()  # once it is closed: Windows removes no open file
    yield


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
