"""donateacry-corpus: home recordings of crying infants, uploaded by two phone apps."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pandas as pd

from bodysounds.corpora.base import Listing, no_trials, one_side_each, recordings_table, some
from bodysounds.corpora.table import TABLE, read_table

logger = logging.getLogger(__name__)

NAME = re.compile(
    r"(?P<install>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})-(?P<time>\d{9,14})"
    r"-(?P<version>[\d.]+)-(?P<sex>[a-z]+)-(?P<age>\d+)-(?P<reason>[a-z]+)"
)
# copies of one recording: those that libsndfile reads come first
ENDINGS = ("wav", "flac", "ogg", "mp3", "m4a", "caf", "3gp")


def read_donateacry(
    root: Path,
    *,
    subject: str = "baby_id",
    group: str | None = "install_id",
    domain: str | None = "platform",
    label: str | None = "reason",
) -> Listing:
    """Return the listing of a donateacry-corpus folder, or of one with `metadata.csv`.

    The published files are named `<install>-<unix time>-<app version>-<sex>-<age>-<reason>.3gp`
    (or caf, wav...; seconds on iOS, milliseconds on Android) and may lie in any folder. A subject
    is an install with the sex and age that its user entered, a proxy for an infant; the group is
    the install; the domain is the platform. Of one recording in several formats one file is read.
    Where the folder has `metadata.csv`, that table wins, and the options name its columns. Raises
    ValueError where no file has such a name.
    """
    if (root / TABLE).exists():
        return read_table(root, subject=subject, group=group, domain=domain, label=label)
    found: dict[str, tuple[int, Path, dict[str, str]]] = {}
    strange, copies = [], 0
    for path in sorted(root.rglob("*")):
        ending = path.suffix.lower().lstrip(".")
        if ending not in ENDINGS or not path.is_file():
            continue
        name = NAME.fullmatch(path.stem)
        if name is None:
            strange.append(path.name)
            continue
        rank = ENDINGS.index(ending)
        copies += path.stem in found
        if path.stem not in found or rank < found[path.stem][0]:
            found[path.stem] = (rank, path, name.groupdict())
    if not found:
        raise ValueError(
            f"{root} has neither {TABLE} nor files named <install>-<unix time>-<app version>-<sex>-"
            "<age>-<reason>.<ending>: is it the folder of donateacry-corpus?"
        )
    if strange:
        logger.warning("%d files are named otherwise and left out: %s", len(strange), some(strange))
    if copies:
        logger.warning("%d copies of recordings in another format are left out", copies)
    rows = [_row(root, path, parts) for _, path, parts in found.values()]
    recordings = recordings_table(dict(pd.DataFrame(rows).items()))
    return Listing(
        recordings=recordings, sides=one_side_each(recordings), listed_trials=no_trials()
    )


def _row(root: Path, path: Path, parts: dict[str, str]) -> dict[str, str | float]:
    stamp = int(parts["time"])
    android = stamp > 10**11
    return {
        "recording_id": path.stem,
        "subject_id": f"{parts['install']}-{parts['sex']}-{parts['age']}",
        "group_id": parts["install"],
        "recorded_at": stamp / 1000 if android else float(stamp),
        "path": path.relative_to(root).as_posix(),
        "domain": "android" if android else "ios",
        "sex": parts["sex"],
        "age": parts["age"],
        "label": parts["reason"],
    }
