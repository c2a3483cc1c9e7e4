"""One writer a format of trial lists; each refuses what its format cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from bodysounds.splitting.list_readers import HEADERS
from bodysounds.types import Table


def _write_voxceleb(path: Path, trials: Table) -> None:
    unknown = int(trials["target"].isna().sum())
    if unknown:
        raise ValueError(
            f"{unknown} trials have no label, which voxceleb cannot say: write them as kaldi "
            "(all without labels), cryceleb, zalo, csv or parquet"
        )
    _write_fields(path, trials["target"].astype("str"), *_blankless(trials, "voxceleb"))


def _write_kaldi(path: Path, trials: Table) -> None:
    known = trials["target"].notna()
    if known.any() and not known.all():
        raise ValueError(
            f"{int((~known).sum())} of {len(trials)} trials have no label, and kaldi labels all "
            "trials or none: write these as csv or parquet"
        )
    words = [trials["target"].map({1: "target", 0: "nontarget"}).astype("str")] * bool(known.all())
    _write_fields(path, *_blankless(trials, "kaldi"), *words)


def _blankless(trials: Table, format: str) -> tuple[pd.Series[str], pd.Series[str]]:
    for column in ("enrol_id", "test_id"):
        blank = trials[column].str.contains(r"\s")
        if blank.any():
            raise ValueError(
                f"the name {trials[column][blank].iloc[0]!r} has a blank, which parts the fields "
                f"of {format}: write it as csv or parquet"
            )
    return trials["enrol_id"], trials["test_id"]


def _write_fields(path: Path, first: pd.Series[str], *others: pd.Series[str]) -> None:
    for column in others:
        first = first + " " + column
    path.write_text("\n".join([*first, ""]), encoding="utf-8", newline="\n")


def _write_cryceleb(path: Path, trials: Table) -> None:
    columns = {}
    for column, period in (("enrol_id", "B"), ("test_id", "D")):
        other = ~trials[column].str.fullmatch(rf"(?s:.+)_{period}")
        if other.any():
            raise ValueError(
                f"cryceleb compares a baby's side _B with one _D, and {column} has "
                f"{trials[column][other].iloc[0]!r}: write these trials as csv or parquet"
            )
        columns[f"baby_id_{period}"] = trials[column].str[:-2]
    _write_csv(path, {**columns, "id": trials["trial_id"]}, "label", trials)


def _write_zalo(path: Path, trials: Table) -> None:
    _write_csv(path, dict(zip(HEADERS["zalo"], _sides(trials), strict=True)), "label", trials)


def _write_own(path: Path, trials: Table) -> None:
    columns = dict(zip(HEADERS["csv"], _sides(trials), strict=True))
    more = {name: trials[name] for name in ("trial_id", "subset") if name in trials}
    _write_csv(path, {**columns, **more}, "target", trials)


def _sides(trials: Table) -> tuple[pd.Series[str], pd.Series[str]]:
    return trials["enrol_id"], trials["test_id"]


def _write_csv(path: Path, columns: dict[str, pd.Series[str]], label: str, trials: Table) -> None:
    labels = {label: trials["target"]} if trials["target"].notna().any() else {}
    pd.DataFrame({**columns, **labels}).to_csv(path, index=False, lineterminator="\n")


def _write_parquet(path: Path, trials: Table) -> None:
    trials.to_parquet(path, index=False)


WRITERS: Mapping[str, Callable[[Path, Table], None]] = {
    "voxceleb": _write_voxceleb,
    "kaldi": _write_kaldi,
    "cryceleb": _write_cryceleb,
    "zalo": _write_zalo,
    "csv": _write_own,
    "parquet": _write_parquet,
}
