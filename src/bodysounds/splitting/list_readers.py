"""One reader a format of trial lists; what each format looks like, `read_trials` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bodysounds.corpora.base import text
from bodysounds.corpora.csvs import (
    read_csv,
    require_columns,
    require_values,
    subset_names,
    targets,
)
from bodysounds.splitting.blank_separated import line_of, read_fields
from bodysounds.types import Table

HEADERS = {
    "cryceleb": ("baby_id_B", "baby_id_D"),
    "zalo": ("audio_1", "audio_2"),
    "csv": ("enrol", "test"),
}
KALDI_WORDS = {"target": 1, "nontarget": 0}


def _read_voxceleb(path: Path) -> Table:
    table = read_fields(path, (3,), "`label enrol test`")
    return pd.DataFrame(
        {
            "enrol_id": table[1],
            "test_id": table[2],
            "target": _labels(table[0], {"1": 1, "0": 0}, path),
        }
    )


def _read_kaldi(path: Path) -> Table:
    table = read_fields(path, (2, 3), "`enrol test`, and `target` or `nontarget` on all or none")
    labels = _labels(table[2], KALDI_WORDS, path) if 2 in table else pd.NA
    return pd.DataFrame(
        {
            "enrol_id": table[0],
            "test_id": table[1],
            "target": pd.Series(labels, table.index, "Int64"),
        }
    )


def _labels(words: pd.Series[str], meaning: Mapping[str, int], path: Path) -> pd.Series[int]:
    found = words.map(meaning).astype("Int64")
    bad = np.flatnonzero(found.isna())
    if len(bad):
        raise ValueError(
            f"{path} has the label {words.iloc[bad[0]]!r} on line {line_of(path, int(bad[0]))}, "
            f"where {' or '.join(meaning)} must stand"
        )
    return found


def _read_columns(path: Path, sides: Sequence[str], label: str) -> Table:
    """Return a CSV as text, with enrol_id, test_id and target added."""
    table = read_csv(path, sides)
    require_values(table, sides, path)
    labels = targets(table, label, path) if label in table else pd.NA
    return table.assign(
        enrol_id=table[sides[0]],
        test_id=table[sides[1]],
        target=pd.Series(labels, table.index, "Int64"),
    )


def _read_cryceleb(path: Path) -> Table:
    table = _read_columns(path, HEADERS["cryceleb"], "label")
    born, discharged = table["baby_id_B"], table["baby_id_D"]
    own = table["id"] if "id" in table else born + "_" + discharged
    return table.assign(trial_id=own, enrol_id=born + "_B", test_id=discharged + "_D").drop(
        columns="subset", errors="ignore"
    )


def _read_zalo(path: Path) -> Table:
    return _read_columns(path, HEADERS["zalo"], "label")[["enrol_id", "test_id", "target"]]


def _read_own(path: Path) -> Table:
    table = _read_columns(path, HEADERS["csv"], "target")
    if "subset" in table:
        table["subset"] = subset_names(table, "subset", path)
    return table


def _read_parquet(path: Path) -> Table:
    try:
        table = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"the trial list {path} cannot be read as Parquet: {error}") from error
    # our CSV calls them enrol and test
    csv_names = {"enrol": "enrol_id", "test": "test_id"}
    table = table.rename(columns={a: b for a, b in csv_names.items() if b not in table})
    require_columns(table, ("enrol_id", "test_id"), path)
    for column in ("enrol_id", "test_id"):
        table[column] = text(table[column])
    target = table["target"] if "target" in table else pd.Series(pd.NA, table.index)
    bad = target.notna() & ~target.isin([0, 1])
    if bad.any():
        raise ValueError(f"{path} has the target {target[bad].iloc[0]!r}, where 1 or 0 must stand")
    return table.assign(target=target.astype("Int64"))


READERS: Mapping[str, Callable[[Path], Table]] = {
    "voxceleb": _read_voxceleb,
    "kaldi": _read_kaldi,
    "cryceleb": _read_cryceleb,
    "zalo": _read_zalo,
    "csv": _read_own,
    "parquet": _read_parquet,
}
