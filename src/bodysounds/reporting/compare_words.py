"""A comparison as people read it: rows for a page and for a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bodysounds.reporting.class_words import rate_title
from bodysounds.reporting.compare import headline_facts
from bodysounds.reporting.headline import FEWEST
from bodysounds.reporting.runs_on_disk import Run
from bodysounds.reporting.words import interval, number, percent, points
from bodysounds.types import Metrics

TITLES = {
    "eer": "EER",
    "min_dcf": "minDCF",
    "cllr": "Cllr, bits",
    "accuracy": "Accuracy at own threshold",
    "balanced_accuracy": "Balanced accuracy at own threshold",
    "far": "False acceptances at own threshold",
    "frr": "False rejections at own threshold",
}
NUMBERS = ("min_dcf", "cllr")
LOWER = ("eer", "min_dcf", "cllr", "far", "frr")
"""Rates of which lower is better."""
MOST = 60
"""Letters of a changed value that are shown."""


def shown(comparison: Metrics | None) -> dict[str, Any] | None:
    """Return what `compare_parts.html.j2` shows; None where no run lies there to compare with."""
    if not comparison:
        return None
    if not comparison.get("first"):
        why = comparison.get("why_none")
        return {"why_none": why, "times": times_told(comparison)} if why else None
    parts: dict[str, list[tuple[str, str, str]]] = {}
    for part, *named in changed_rows(comparison):
        parts.setdefault(part, []).append((named[0], named[1], named[2]))
    return {
        "runs": [
            {"version": run["version"], "headline": headline_told(run)}
            for run in (comparison["first"], comparison["second"])
        ],
        "commands": comparison["changed"].get("command", {}).get("command", []),
        "synthetic": comparison["synthetic"],
        "warnings": comparison["warnings"],
        "rows": rate_rows(comparison),
        "common": common_told(comparison),
        "times": times_told(comparison),
        "changed": parts,
    }


def rate_rows(comparison: Metrics) -> list[dict[str, str]]:
    """Return name, first, second, difference, interval and verdict of each rate, as text."""
    common, few = comparison["common"], _few(comparison["common"])
    # false acceptances alone do not count same-subject pairs
    return [
        _row(rate, common["unit"], few=few and rate["name"] != "far")
        for rate in comparison["rates"]
    ]


def _few(common: Metrics) -> bool:
    """Return whether the common same-subject pairs are of too few subjects to rely on."""
    return bool(common["unit"] == "pairs" and common.get("n_target_subjects", FEWEST) < FEWEST)


def _row(rate: Metrics, unit: str, few: bool) -> dict[str, str]:
    name = rate["name"]
    plain_number = name in NUMBERS
    show = number if plain_number else percent
    differ = _signed if plain_number else points
    ends = rate["ci95"]
    return {
        "name": TITLES[name] if unit == "pairs" else _title(name),
        "first": show(rate["first"]),
        "second": show(rate["second"]),
        "difference": differ(rate["difference"]),
        "interval": f"{differ(ends[0])} to {differ(ends[1])}" if ends else "no interval",
        "verdict": _verdict(rate, few),
    }


def _title(rate: str) -> str:
    return {"eer": "EER", "accuracy": "Accuracy"}.get(rate) or rate_title(rate)


def _signed(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+.3f}".replace("-", "−")  # noqa: RUF001


def _verdict(rate: Metrics, few: bool) -> str:
    """Return which way a difference points, where its interval says so and can be relied on."""
    if rate["difference"] == 0 and rate["ci95"] in (None, [0, 0]):
        return "the same"
    if not rate["ci95"]:
        return ""
    if not rate["excludes_zero"]:
        return "not told apart"
    if few:
        return "too few subjects"
    return "better" if (rate["difference"] < 0) == (rate["name"] in LOWER) else "worse"


def headline_of(run: Run) -> str:
    """Return the headline of a run with its interval."""
    return headline_told(headline_facts(run))


def headline_told(run: Metrics) -> str:
    """Return a run's headline with its interval, from what a comparison has of it."""
    return f"{_title(run['rate'])} {percent(run['value'])} ({interval(run['ci95'])})"


def common_told(comparison: Metrics) -> str:
    """Return what the differences stand on, as a sentence."""
    common = comparison["common"]
    unit, n = common["unit"], common.get("n", 0)
    if not comparison["rates"]:
        return f"Nothing was rated on common {unit}."
    whole = (common["n_common"],) * 2 == (common["of_first"], common["of_second"])
    behind = (
        f"{common['n_groups']:,} resampled {common['resampled']}"
        if unit == "clips"
        else f"{common['n_subjects']:,} resampled subjects"
    )
    if _few(common):
        behind += f", {common['n_target_subjects']} with same-subject pairs (too few to rely on)"
    both = f"the same {n:,} {unit}" if whole else f"the {n:,} {unit} that both rated"
    return (
        f"On {both}, paired: {comparison['level']:.0%} intervals of the differences from {behind}."
    )


def times_told(comparison: Metrics) -> str:
    """Return how often test has been scored, as a sentence; empty the first time."""
    times = comparison.get("times", 1)
    if times < 2 or comparison.get("subset") != "test":
        return ""
    return (
        f"This test set has been scored {times} times in this folder so far. What is kept because "
        "it did well there looks better than it is: choose on dev."
    )


def changed_rows(comparison: Metrics) -> list[tuple[str, str, str, str]]:
    """Return part, name, old and new value of everything that differs, as short text."""
    return [
        (part, name, _short(old), _short(new))
        for part, named in comparison["changed"].items()
        for name, (old, new) in named.items()
        if name != "command"  # it is shown with its run, as it is long
    ]


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= MOST else f"{text[:MOST]}…"


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows as lines of columns; those at the places `right` are set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if k in right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def told(comparison: Metrics) -> str:
    """Return the comparison of two runs for a terminal."""
    sides = [("A", comparison["first"]), ("B", comparison["second"])]
    sound = ", synthetic sound" if comparison["synthetic"] else ""
    corpora = " and ".join(dict.fromkeys(side["corpus"] for _, side in sides))
    lines = [f"{comparison['task']} on {corpora}{sound}", ""]
    heads = [[name, side["version"] or "", headline_told(side)] for name, side in sides]
    lines += table(heads)
    lines += ["", *(f"{name}  {side['command']}" for name, side in sides if side["command"])]
    rows = rate_rows(comparison)
    if rows:
        first = [["", "A", "B", "B minus A", "interval", ""]]
        body = [[row[k] for k in ("name", *list(row)[1:])] for row in rows]
        lines += ["", *table(first + body, right=(1, 2, 3)), "", common_told(comparison)]
        lines.append("Differences of shares are in percentage points.")
    lines += [f"Note: {warning}." for warning in comparison["warnings"]]
    lines += [f"Note: {times}"] if (times := times_told(comparison)) else []
    changed = changed_rows(comparison)
    known = all(side["command"] for _, side in sides)
    none = "Nothing was changed." if known else "What was changed is not known."
    lines += ["", "What was changed" if changed else none]
    lines += [f"  {line}" for line in table([[part, name, f"{old} -> {new}"]
                                             for part, name, old, new in changed])]  # fmt: skip
    return "\n".join(lines)
