"""Recordings of classes: `data_manifest.csv`, or a folder a class, from which one is written."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from bodysounds.corpora.base import Listing, no_trials, one_side_each, recordings_table, some
from bodysounds.corpora.csvs import read_csv, require_columns, require_values, subset_names
from bodysounds.corpora.files import audio_only, list_files
from bodysounds.types import Table

logger = logging.getLogger(__name__)

MANIFEST = "data_manifest.csv"
LABELS = ("crying", "screaming", "normal")
# a name that says it is a piece of a longer recording, such as street-seg03
PIECE = re.compile(r"(?P<source>.+?)[-_ .]*(?:segment|seg|chunk|part|window)[-_ ]?\d+", re.I)
# pieces of one recording are sorted into folders of classes, and of an older split
SUBSET_FOLDERS = ("train", "training", "dev", "val", "valid", "validation", "test")


def read_manifest(root: Path, *, labels: Sequence[str] = LABELS) -> Listing:
    """Return the listing of a folder with `data_manifest.csv`, or with a folder a class.

    The table has file_path (relative to the folder; it may climb out of it with `../`, or be
    absolute) and label, one of `labels`; optional source_id (what was recorded at once, or by one
    person: it never comes into two subsets), corpus (the domain; what stands after a colon names a
    part of a corpus) and split (train, dev or val, test, or nothing). A recording without a
    source_id is its own source. Where there is no table, recordings below folders that are named
    as the labels are listed, and the table is written for the next time, if the folder lets it.
    Blanks around names and cells don't count. Raises ValueError for a missing column or cell, a
    label that is none of `labels` and a label without recordings.
    """
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise ValueError(
            f"the reader's option `labels` is a list of texts, got {labels!r}: put numbers, and "
            "what YAML takes for true or false, in quotes"
        )
    path = root / MANIFEST
    table = _stripped(read_csv(path)) if path.exists() else _from_folders(root, labels)
    require_columns(table, ("file_path", "label"), path)
    require_values(table, ("file_path", "label"), path)
    _check_labels(table, labels, path)
    files = table["file_path"].str.replace("\\", "/")
    recordings = recordings_table(
        {
            "recording_id": files,
            "path": files,
            "subject_id": _sources(table, files, path),
            "domain": table.get("corpus"),
            "label": table["label"],
            "subset_hint": subset_names(table, "split", path) if "split" in table else None,
        }
    )
    # recordings are told apart by class here, and none is compared with another
    sides = one_side_each(recordings).head(0)
    return Listing(recordings=recordings, sides=sides, listed_trials=no_trials())


def _stripped(table: Table) -> Table:
    """Return a table of text without the blanks around names and cells; a blank cell is nan."""
    own: Table = table.rename(columns=str.strip).apply(lambda column: column.str.strip())
    return own.mask(own == "", np.nan)


def _check_labels(table: Table, labels: Sequence[str], path: Path) -> None:
    allowed = ", ".join(labels)
    unknown = np.flatnonzero(~table["label"].isin(list(labels)))
    if len(unknown):
        first = int(unknown[0])
        raise ValueError(
            f"{path} has the label {table['label'].iloc[first]!r} on line {first + 2} "
            f"({table['file_path'].iloc[first]}), and {len(unknown)} such line(s) in all: a label "
            f"is one of {allowed}; correct it, or name it in the reader's option `labels`"
        )
    empty = [label for label in labels if not (table["label"] == label).any()]
    if empty:
        raise ValueError(
            f"{path} has no recording of the class {', '.join(map(repr, empty))}: add some, or "
            f"take it out of the reader's option `labels` ({allowed})"
        )


def _sources(table: Table, files: pd.Series[str], path: Path) -> pd.Series[str]:
    if "source_id" not in table:
        logger.warning(
            "%s has no column source_id: each of the %d recordings counts as a source of its own; "
            "where several were cut from one, say so there, or they will lie on both sides of the "
            "split and the figures will flatter",
            path,
            len(table),
        )
        return files
    alone = table["source_id"].isna()
    if alone.any():
        logger.warning(
            "%d of %d recordings have no source_id and count as sources of their own: %s",
            int(alone.sum()),
            len(table),
            some(files[alone]),
        )
    sources: pd.Series[str] = table["source_id"].fillna(files)
    return sources


def _from_folders(root: Path, labels: Sequence[str]) -> Table:
    """Return the table of recordings below folders named as labels, and write it."""
    classes = {label.lower(): label for label in labels}
    rows: list[tuple[str, str, str]] = []
    strange: list[str] = []
    cut: set[str] = set()
    for file in audio_only(list_files(root)):
        named = [classes[part.lower()] for part in file.parts[:-1] if part.lower() in classes]
        if len(set(named)) != 1:
            strange.append(str(file))
            continue
        piece = PIECE.fullmatch(file.stem)
        bare = str(_bare(file, piece["source"] if piece else file.stem, classes))
        if piece:
            cut.add(bare)
        rows.append((str(file), named[0], bare))
    if not rows:
        raise ValueError(
            f"{root} has neither {MANIFEST} (columns file_path and label) nor recordings in "
            f"folders named {', '.join(labels)}: make one of the two"
        )
    if strange:
        logger.warning(
            "%d recordings lie in the folder of no class, or of several, and are left out: %s",
            len(strange),
            some(strange),
        )
    table = pd.DataFrame(rows, columns=["file_path", "label", "source_id"], dtype="str")
    # a recording that was cut into pieces may lie beside them
    table["source_id"] = table["source_id"].where(table["source_id"].isin(cut), table["file_path"])
    pieces = int((table["source_id"] != table["file_path"]).sum())
    logger.warning(
        "%s has no %s: %d recordings are listed by their folders; %d whose names say that they are "
        "pieces (seg, chunk, part, window and a number) share a source, also across classes, each "
        "other one is a source of its own: correct source_id where several were cut from one",
        root, MANIFEST, len(table), pieces,
    )  # fmt: skip
    _write(table, root / MANIFEST)
    return table


def _bare(file: PurePosixPath, name: str, classes: Mapping[str, str]) -> PurePosixPath:
    """Return a name in the file's folder, without the folders that say a class or a subset."""
    dropped = {*classes, *SUBSET_FOLDERS}
    return PurePosixPath(*(part for part in file.parts[:-1] if part.lower() not in dropped), name)


def _write(table: Table, path: Path) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        table.to_csv(partial, index=False, encoding="utf-8", lineterminator="\n")
        os.replace(partial, path)
    except OSError as error:
        logger.warning("%s cannot be written (%s): the run goes on without it", path, error)
        partial.unlink(missing_ok=True)
    else:
        logger.info("written: %s", path)
