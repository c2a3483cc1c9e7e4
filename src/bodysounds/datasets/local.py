"""How versioned datasets of this project look for files: on the local disk."""

from __future__ import annotations

from glob import glob as _glob
from pathlib import Path


def exists(path: str) -> bool:
    """Whether the file or folder is there."""
    return Path(path).exists()


def glob(pattern: str) -> list[str]:
    """Return the paths that match the pattern, relative or absolute."""
    return _glob(pattern)
