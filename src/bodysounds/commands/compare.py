"""`bodysounds compare`: two runs of a task beside each other, or the list of runs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodysounds.reporting.runs_on_disk import Place

ABOUT = """Set two runs of a task beside each other: what each reaches, the paired difference on
what both rated, and what was changed. Without runs, list those there are."""
NAMED = "a version, latest, previous, or the path of a file of the run, also of another clone's"


def run(arguments: Sequence[str]) -> int:
    """Compare two runs and return 0; ValueError or OSError, with one sentence, where it fails."""
    asked = _parser().parse_args(arguments)
    if asked.out is not None and len(asked.runs) != 2:
        raise ValueError("--out takes the comparison of two runs: name them")
    if not asked.runs:
        return _list(asked)
    if len(asked.runs) != 2:
        raise ValueError(
            f"name two runs, got {len(asked.runs)}: `bodysounds compare previous latest`, or none "
            "for the list of runs"
        )
    from bodysounds.reporting.compare import compare, looks
    from bodysounds.reporting.compare_words import told
    from bodysounds.reporting.find_runs import find_runs
    from bodysounds.reporting.runs_on_disk import read_run, tested_beside

    places = find_runs(asked.runs, asked.data, asked.task, asked.corpus)
    first, second = (read_run(place) for place in places)
    comparison = compare(first, second) | looks(second, tested_beside(places[1]))
    if asked.out is not None:
        asked.out.write_text(_page(comparison), encoding="utf-8")
        sys.stderr.write(f"{asked.out} is written\n")
    sys.stdout.write((json.dumps(comparison, indent=2) if asked.json else told(comparison)) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bodysounds compare",
        description=ABOUT,
        epilog="such as: bodysounds compare previous latest --task cry_verification",
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help=NAMED)
    parser.add_argument("--task", help="such as cry_verification; guessed where only one fits")
    parser.add_argument("--corpus", help="such as demo; guessed where only one fits")
    parser.add_argument("--data", default="data", help="folder or URL of the runs; data")
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a page, compare.html")
    return parser


def _page(comparison: dict[str, Any]) -> str:
    from bodysounds import __version__
    from bodysounds.reporting.compare_words import shown
    from bodysounds.reporting.html import render

    title = f"{comparison['second']['corpus']}: {comparison['task'].replace('_', ' ')}, two runs"
    return render(
        "comparison.html.j2", comparison=shown(comparison), title=title, version=__version__
    )


def _list(asked: argparse.Namespace) -> int:
    from bodysounds.reporting.compare_words import table
    from bodysounds.reporting.find_runs import chosen
    from bodysounds.reporting.runs_on_disk import list_runs

    found = [_facts(place) for place in chosen(list_runs(asked.data), asked.task, asked.corpus)]
    if asked.json:
        sys.stdout.write(json.dumps({"runs": found}, indent=2) + "\n")
        return 0
    names = ("version", "corpus", "task", "headline", "command")
    shown = [row | {"command": row["command"] or row["why_not"]} for row in found]
    rows = [names, *([str(row[name] or "") for name in names] for row in shown)]
    sys.stdout.write("\n".join(table(rows)) + "\n")
    return 0


def _facts(place: Place) -> dict[str, Any]:
    """Return what the list tells of a run; why it cannot be read in the place of its headline."""
    from bodysounds.reporting.compare_words import headline_of
    from bodysounds.reporting.runs_on_disk import read_run

    told = {"version": place.version, "corpus": place.corpus, "task": place.task}
    try:
        found = read_run(place, with_rated=False)
    except (ValueError, OSError) as error:
        return told | {"headline": f"cannot be read: {error}", "command": None, "why_not": None}
    made_by = {
        "command": found.record.get("command"),
        "why_not": None if found.record else "no record.json: it did not finish, or still runs",
    }
    return told | {"headline": headline_of(found)} | made_by
