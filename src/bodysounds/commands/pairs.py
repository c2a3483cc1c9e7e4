"""The many pairs of `bodysounds verify --pairs`: a table in, a table with scores out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bodysounds.commands.answers import bars_on_stderr
from bodysounds.commands.shared import (
    ALL,
    NONE,
    SOME,
    count,
    recordings_of,
    say,
    say_json,
    shown,
    whole,
)
from bodysounds.commands.words import share
from bodysounds.progress import track
from bodysounds.types import Metrics, Table
from bodysounds.verifier import Heard, Verifier

SIDES = ["enrol", "test"]
TARGETS = ("target", "label")
"""Columns that may say whether a pair is of one individual, by 1 and 0."""


def read_pairs(path: Path) -> Table:
    """Return a table of pairs, all columns as text; ValueError where it lacks enrol or test."""
    if not path.is_file():
        raise ValueError(f"{shown(path)} is no file: give a CSV file with the columns enrol, test")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{shown(path)} cannot be read as a CSV file: {told}") from error
    missing = [name for name in SIDES if name not in table]
    if missing or not len(table):
        what = f"lacks the column {missing[0]}" if missing else "has no rows"
        raise ValueError(f"{shown(path)} {what}: a row is a pair, with the columns enrol and test")
    return table


def verify_pairs(
    verifier: Verifier, table: Table, root: Path, prior: float, threshold: float | None
) -> Table:
    """Return the table with score, same, probability, llr and abstained added.

    Paths are relative to `root`. Each side is heard once. Raises ValueError where a path is not
    there; a recording that cannot be read leaves its pairs without an answer.
    """
    names = pd.unique(table[SIDES].to_numpy().ravel()).tolist()
    sides = {name: _recordings(root, name) for name in names}
    heard: dict[str, Heard] = {}
    pairs = list(table[SIDES].itertuples(index=False, name=None))
    with bars_on_stderr():
        each = track(verifier.hear_each(sides.values()), "embed", len(sides))
        for name, one in zip(sides, each, strict=True):
            heard[name] = one
            if one.abstained:
                say(f"no answer for {shown(name)}: {shown(one.abstained)}", to_stderr=True)
        rows = [
            verifier.verify(heard[enrol], heard[test], prior=prior, threshold=threshold)
            for enrol, test in track(pairs, "compare")
        ]
    reasons = [
        "; ".join(f"{shown(n)}: {shown(why)}" for n in dict.fromkeys(pair)
                  if (why := heard[n].abstained))
        for pair in pairs
    ]  # fmt: skip
    return table.assign(
        score=pd.array([one.score for one in rows], dtype="Float64"),
        same=pd.array([one.same for one in rows], dtype="boolean"),
        probability=pd.array([one.probability for one in rows], dtype="Float64"),
        llr=pd.array([one.llr for one in rows], dtype="Float64"),
        abstained=pd.Series(reasons, dtype="str", index=table.index),
    )


def _recordings(root: Path, name: str) -> list[Any]:
    try:
        return list(recordings_of([root / name]))
    except ValueError as error:
        raise ValueError(
            f"{error}; the table's paths are relative to {shown(root)}, which --root changes"
        ) from error


def rates_of(table: Table) -> Metrics | None:
    """Return eer, far, frr and the counts of the pairs that are known and answered.

    None where no column says which pairs are of one individual, or all are of one kind.
    """
    from bodysounds.metrics.eer import equal_error_rate

    name = next((name for name in TARGETS if name in table), None)
    if name is None:
        return None
    known = table[table["score"].notna() & table[name].isin(["0", "1"])]
    target, same = (known[name] == "1").to_numpy(), known["same"].to_numpy(dtype=bool)
    if not len(known) or target.all() or not target.any():
        return None
    eer, _ = equal_error_rate(target, known["score"].to_numpy(dtype=float))
    return {
        "eer": eer,
        "far": float(same[~target].mean()),
        "frr": float((~same[target]).mean()),
        "n_target": int(target.sum()),
        "n_nontarget": int((~target).sum()),
    }


def write_scores(out: Path, table: Table, as_json: bool) -> int:
    """Write the table, all or nothing, say what is in it, and return the exit code."""
    with whole(out) as partial:
        table.to_csv(partial, index=False)
    without = int(table["same"].isna().sum())
    counts = {
        "same": int(table["same"].sum()),
        "different": len(table) - without - int(table["same"].sum()),
        "without_answer": without,
    }
    rates = rates_of(table)
    if as_json:
        say_json({"out": out, "pairs": len(table), **counts, "rates": rates})
    else:
        say(
            f"{shown(out)} holds {count(len(table), 'pair')}: {counts['same']:,} the same, "
            f"{counts['different']:,} different, {without:,} without an answer"
        )
        if rates is not None:
            say(
                f"Of {rates['n_target']:,} pairs of one individual and {rates['n_nontarget']:,} of "
                f"two: EER {share(rates['eer'])}; at the threshold {share(rates['far'])} of two "
                f"are taken for one, and {share(rates['frr'])} of one for two"
            )
    return NONE if without == len(table) else SOME if without else ALL
