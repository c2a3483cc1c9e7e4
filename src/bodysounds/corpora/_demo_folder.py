"""The folder of a demo corpus: made once, made again where it would differ, never over another."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

RECORD = "demo.json"
_ABANDONED_S = 3600.0


def make_once(folder: Path, version: int, params: Any, write: Callable[[Path], None]) -> None:
    """Make a demo corpus in a folder, unless it is there already with these parameters.

    Parameters
    ----------
    version : int
        Of the synthesiser; another one makes the corpus again.
    params : dataclass
        What the corpus follows from; demo.json, which is written beside it, holds them.
    write : function
        Writes the corpus into the folder that it is given, which is not there yet.

    All is written to a sibling folder that is renamed at the end, so a killed run leaves nothing
    that looks finished. A demo corpus with other parameters is replaced; any other folder that is
    not empty raises a ValueError.
    """
    folder = Path(folder)
    about = {"synthetic": True, "version": version, "params": asdict(params)}
    if _is_made(folder, about):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.partial-"
    for leftover in folder.parent.glob(f"{prefix}*"):
        if time.time() - leftover.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        write(partial / "new")
        (partial / "new" / RECORD).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rename(partial / "old")
        try:
            (partial / "new").rename(folder)
        except OSError:  # another process was faster: fine where it made the same
            if not _is_made(folder, about):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_made(folder: Path, about: dict[str, Any]) -> bool:
    """Whether the folder holds this very corpus; raises where it holds something else."""
    if not folder.exists():
        return False
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if folder.is_dir() and not any(folder.iterdir()):
            return False
        raise ValueError(
            f"{folder} exists and is no demo corpus (no readable {RECORD} inside), and nothing is "
            "overwritten: name another folder, or remove this one"
        ) from None
    return bool(found == about)
