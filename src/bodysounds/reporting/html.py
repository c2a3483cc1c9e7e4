"""What every page is made with: its templates, its style, and its figures inside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bodysounds.figures import style
from bodysounds.reporting.captions import CAPTIONS, GROUP_TITLES, WIDE, rows
from bodysounds.reporting.contents import with_contents
from bodysounds.reporting.words import interval, number, percent, points
from bodysounds.types import Metrics, Table

MOST_FAILURES = 10
"""Worst errors shown of each kind."""
FILTERS = {
    "percent": percent,
    "interval": interval,
    "points": points,
    "number": number,
    "system": style.label,
    "words": lambda name: str(name).replace("_", " "),
    "count": lambda number: f"{number:,}",
}
"""How templates print values, in pages and in model cards alike."""


def render(template: str, **values: Any) -> str:
    """Return a page from a template of this folder; a value that is missing raises."""
    return with_contents(_environment().get_template(template).render(**values))


def _environment() -> Environment:
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {
        "css": (folder / "page.css").read_text(),
        "group_titles": GROUP_TITLES,
        "wide_figures": WIDE,
    }
    return environment


def images(figures: Mapping[str, bytes], alts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return uri, caption and alt of each PNG, by its name without `figure.`."""
    names = {name.removeprefix("figure.").removeprefix("figure_"): name for name in figures}
    return {
        short: {
            "uri": "data:image/png;base64," + base64.b64encode(figures[name]).decode(),
            "caption": CAPTIONS.get(short, short.replace("_", " ")),
            "alt": alts.get(short, f"Figure {short.replace('_', ' ')}"),
        }
        for short, name in names.items()
    }


def groups_of(metrics: Metrics) -> dict[str, Metrics]:
    """Return the dimensions of the breakdown that have groups."""
    found = metrics.get("breakdown", {})
    return {name: groups for name, groups in found.items() if name != "skipped"}


def any_rated(groups: Mapping[str, Metrics]) -> bool:
    """Return whether a group has rates, so that a figure of the groups has something to show."""
    return any(entry["eer"] is not None for part in groups.values() for entry in part.values())


def failures_of(table: Table) -> dict[str, list[dict[str, Any]]]:
    """Return the first rows of each kind of error, unknown values as None."""
    known = table.astype(object).where(table.notna(), None)
    return {
        kind: rows(known[known["kind"] == kind].head(MOST_FAILURES))
        for kind in ("false_accept", "false_reject")
    }
