"""New files in a folder, in the order of their names."""

from __future__ import annotations

import os
import time
from collections.abc import Collection

from bodysounds.serving.messages import NewChunk
from bodysounds.serving.store import plain

UNFINISHED = (".part", ".tmp", ".crdownload")


def new_files(folder: str, taken: Collection[str], settle_s: float, at_most: int) -> list[NewChunk]:
    """Return the files that are not in `taken` (as `plain` has them), by name, from number 0.

    A file that changed less than `settle_s` seconds ago holds back those behind it. Hidden files
    and names that end as unfinished ones do are passed over. Raises OSError.
    """
    found: list[NewChunk] = []
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.is_file()
            and not entry.name.startswith(".")
            and not entry.name.endswith(UNFINISHED)
            and plain(os.path.join(folder, entry.name)) not in taken
        )
    for name in names[:at_most]:
        path = os.path.join(folder, name)
        stat = os.stat(path)
        now = time.time()
        # a copy may keep the time of a clock that ran ahead
        changed_at = stat.st_ctime if stat.st_mtime > now else max(stat.st_mtime, stat.st_ctime)
        if settle_s and now - changed_at < settle_s:
            break
        found.append(NewChunk(len(found), path, changed_at))
    return found
