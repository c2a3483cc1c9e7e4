"""Models that are folders: written all or nothing, found by version, described by a JSON file."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSION = re.compile(r"\d{4}-\d{2}-\d{2}T[\d.]+Z?")


@contextmanager
def new_folder(path: str | Path, what: str) -> Iterator[Path]:
    """Give a folder to fill, which becomes `path` at the end, or leaves nothing where that fails.

    Raises ValueError, calling the model `what`, where `path` is there already.
    """
    path = Path(path)
    if path.exists():
        raise ValueError(f"{path} exists: {what} is saved as a new folder")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def newest_folder(path: Path, file: str, remedy: str) -> Path:
    """Return `path` where it holds `file`, else the latest <version>/<name> below it that does.

    Names that are times come before others; what is being written, or was left half-way, does not
    count. Raises ValueError that names the path, and the way out (`remedy`), where there is none,
    and where several models lie side by side without versions.
    """
    if (path / file).is_file():
        return path
    found = sorted(path.glob(f"*/*/{file}")) or sorted(path.glob(f"*/{file}"))
    places = [one.relative_to(path).parts[:-1] for one in found]
    whole = [parts for parts in places if not any(part.startswith(".") for part in parts)]
    kept = [parts for parts in whole if VERSION.fullmatch(parts[0])] or whole
    if not kept:
        what = f"holds no {file}" if path.exists() else "does not exist"
        raise ValueError(f"{path} {what}: {remedy}")
    if len(kept) > 1 and len(kept[-1]) == 1 and not VERSION.fullmatch(kept[-1][0]):
        raise ValueError(
            f"{path} holds {len(kept)} of them, and no version tells which is the latest: name "
            f"one, such as {path.joinpath(*kept[-1])}"
        )
    return path.joinpath(*kept[-1])


def write_about(file: Path, about: Mapping[str, Any]) -> None:
    """Write plain JSON values; equal ones are equal bytes. ValueError for NaN and infinities."""
    text = json.dumps(about, indent=2, sort_keys=True, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def read_about(file: Path, expected: str, remedy: str) -> dict[str, Any]:
    """Return what a JSON file says; ValueError that names it where its format isn't `expected`."""
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as JSON ({error}): {remedy}") from error
    if not isinstance(about, dict) or about.get("format") != expected:
        found = about.get("format") if isinstance(about, dict) else None
        raise ValueError(f"{file} has the format {found!r}, not {expected!r}: {remedy}")
    return about
