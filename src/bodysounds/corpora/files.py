"""What lies in a corpus's folder, found by one walk."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from bodysounds.splitting.side_names import AUDIO_ENDING

logger = logging.getLogger(__name__)


def list_files(root: Path, closed: list[str] | None = None) -> list[PurePosixPath]:
    """Return every file below a folder, relative to it, in the order of the names.

    Linked folders are walked, each once. Hidden files and what macOS leaves in archives
    (`__MACOSX`, `._a.wav`) don't count. Folders that cannot be read are passed over: their names
    are appended to `closed`, or logged as a warning where none is given.
    """
    refused: list[str] = []
    found: list[PurePosixPath] = []
    walked: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(
        root, onerror=lambda error: refused.append(str(error.filename)), followlinks=True
    ):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in walked:
            folders.clear()
            continue
        walked.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if _is_shown(name))
        relative = PurePosixPath(Path(folder).relative_to(root).as_posix())
        found += [relative / name for name in names if _is_shown(name)]
    if closed is not None:
        closed += refused
    elif refused:
        logger.warning(
            "%d folders cannot be read and are passed over: %s",
            len(refused),
            ", ".join(refused[:5]),
        )
    return sorted(found)


def audio_only(files: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """Return the files that are audio by their endings."""
    return [file for file in files if AUDIO_ENDING.search(file.name)]


def nearest_file(files: Sequence[PurePosixPath], name: str) -> PurePosixPath | None:
    """Return the file of that name with the fewest folders above it, None where there is none."""
    named = [file for file in files if file.name == name]
    return min(named, key=lambda file: (len(file.parts), file), default=None)


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"
