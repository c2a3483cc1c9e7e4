"""Writes metadata.csv into the folder and an environment into the project, all or nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bodysounds.types import Table

MARK = "# written by `bodysounds init-corpus`"
FILES = ("globals.yml", "catalog.yml", "parameters.yml")
OWN = ("base", "local", "test")


def environment_name(name: str | None, folder: Path) -> str:
    """Return the name of the environment: the one given, or the folder's in plain letters.

    Raises ValueError for a name that cannot be one.
    """
    plain = name or re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_")
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", plain) or plain in OWN:
        raise ValueError(
            f"{plain!r} cannot name an environment: give one of letters, digits and _ with --name, "
            f"other than {', '.join(OWN)}"
        )
    return plain


def check_folder(folder: Path) -> None:
    """Raise ValueError for a folder whose name the catalog would take for something else."""
    if set("{}") & set(str(folder)):
        raise ValueError(
            f"{folder} has a brace in its path, which a catalog takes for a placeholder: rename "
            "the folder, or link it elsewhere"
        )


def check_place(conf: Path, name: str, force: bool) -> Path:
    """Return the environment's folder; ValueError where it must not be written."""
    if not (conf / "base" / "catalog.yml").is_file():
        raise ValueError(
            f"{conf} is no configuration of bodysounds (there is no base/catalog.yml): run this in "
            "the project's folder, or name its conf with --conf"
        )
    place = conf / name
    if not place.exists():
        return place
    first = place / FILES[0]
    if not first.is_file() or not first.read_text(encoding="utf-8").startswith(MARK):
        raise ValueError(
            f"the environment {place} is there and was not made by this command, so it is never "
            "overwritten: choose another --name"
        )
    if not force:
        raise ValueError(f"the environment {place} is there: choose another --name, or --force")
    return place


def check_table(path: Path, force: bool, notes: Sequence[str] = ()) -> None:
    """Raise ValueError where a table is there and must be kept; `notes` say why it needs change."""
    if path.exists() and not force:
        why = f" ({'; '.join(notes)})" if notes else ""
        raise ValueError(
            f"{path} is there and would be overwritten{why}: --force writes a new one and keeps "
            f"the old as {path.name}.bak"
        )


def write(files: Mapping[Path, str], kept: Sequence[Path] = ()) -> None:
    """Write texts to files, all or none; of those in `kept` the old one stays as <name>.bak.

    Every text is written beside its place first, then all are moved; where a move fails, what was
    there comes back. Raises OSError.
    """
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.partial") for path in files}
    before = {path: path.read_bytes() if path.exists() else None for path in files}
    made = [
        folder for folder in dict.fromkeys(path.parent for path in files) if not folder.exists()
    ]
    moved: list[Path] = []
    try:
        for folder in made:
            folder.mkdir(parents=True)
        for path, text in files.items():
            beside[path].write_text(text, encoding="utf-8", newline="\n")
        for path in files:
            old = before[path]
            if path in kept and old is not None:
                path.with_name(f"{path.name}.bak").write_bytes(old)
            os.replace(beside[path], path)
            moved.append(path)
    except OSError:
        for path in moved:
            old = before[path]
            if old is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(old)
        for path in beside.values():
            path.unlink(missing_ok=True)
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def table_text(table: Table) -> str:
    """Return a table as CSV."""
    return str(table.to_csv(index=False, lineterminator="\n"))


def yaml_text(value: str) -> str:
    """Return a text in quotes, as YAML takes it literally."""
    return json.dumps(value, ensure_ascii=False)
