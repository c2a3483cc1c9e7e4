"""The report: one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bodysounds.corpora.base import Corpus
from bodysounds.figures import style
from bodysounds.reporting.captions import CAPTIONS, alt_texts, equal_lengths, rows
from bodysounds.reporting.cards import data_facts, model_facts, rejected_reasons, subset_rows
from bodysounds.reporting.words import interval, number, percent, points
from bodysounds.types import Encoder, Metrics, Table

MOST_FAILURES = 10
"""Worst errors shown of each kind."""


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "interval": interval,
        "points": points,
        "number": number,
        "system": style.label,
        "words": lambda name: str(name).replace("_", " "),
        "count": lambda number: f"{number:,}",
    }
    return environment


def _groups(metrics: Metrics) -> dict[str, Metrics]:
    found = metrics.get("breakdown", {})
    return {name: groups for name, groups in found.items() if name != "skipped"}


def _failures(table: Table) -> dict[str, list[dict[str, Any]]]:
    """Return the first rows of each kind, unknown values as None."""
    known = table.astype(object).where(table.notna(), None)
    return {
        kind: rows(known[known["kind"] == kind].head(MOST_FAILURES))
        for kind in ("false_accept", "false_reject")
    }


def report_page(
    *,
    metrics: Metrics,
    operating_point: Metrics,
    figures: Mapping[str, bytes],
    manifest: Table,
    rejected: Table,
    subsets: Table,
    sides: Table,
    record: Mapping[str, Any],
    corpus: Corpus,
    encoder: Encoder | None = None,
    failures: Table | None = None,
    gallery_curve: Table | None = None,
    duration_curve: Table | None = None,
    task: str = "verification",
) -> str:
    """Return the report of a verification task as one self-contained HTML page.

    Parameters
    ----------
    metrics, operating_point
        Those entries of the task.
    figures : mapping of str to bytes
        PNG by name (det, histogram, eer, breakdown, shortcuts, or any other).
    manifest, rejected, subsets, sides
        The tables of the corpus, for the data card.
    record
        `run_record()`, and the run's `parameters` where they are known.
    corpus
        Its name, licence and citation are shown, and whether it is synthetic.
    encoder
        Its network and training record make the model card.
    failures, gallery_curve, duration_curve : Table, optional
        Those entries of the task; each has its own section.
    """
    head = metrics["headline"]
    systems = metrics[head["subset"]]
    weighting = "by_subject" if head["weighting"] == "subject" else None
    baselines = {
        name: (entry[weighting] if weighting else entry)["eer"]
        for name, entry in systems.items()
        if name != "ours"
    }
    names = {name.removeprefix("figure.").removeprefix("figure_"): name for name in figures}
    curves = {"durations": duration_curve, "gallery": gallery_curve}
    alts = alt_texts(metrics, operating_point, curves)
    images = {
        short: {
            "uri": "data:image/png;base64," + base64.b64encode(figures[name]).decode(),
            "caption": CAPTIONS.get(short, short.replace("_", " ")),
            "alt": alts.get(short, f"Figure {short.replace('_', ' ')}"),
        }
        for short, name in names.items()
    }
    parameters = record.get("parameters")
    return _environment().get_template("page.html.j2").render(
        css=(Path(__file__).parent / "page.css").read_text(),
        task=task.replace("_", " "),
        corpus=corpus,
        metrics=metrics,
        head=head,
        systems=systems,
        ours=systems["ours"],
        baselines=baselines,
        point=operating_point,
        images=images,
        breakdown=_groups(metrics),
        left_out=metrics.get("breakdown", {}).get("skipped", {}),
        durations=None if duration_curve is None else equal_lengths(duration_curve),
        gallery=None if gallery_curve is None else rows(gallery_curve),
        failures=None if failures is None else _failures(failures),
        shortcuts={k: v for k, v in metrics["shortcuts"].items() if k != "verdict"},
        verdict=metrics["shortcuts"]["verdict"],
        flagged=any(v["flagged"] for k, v in metrics["shortcuts"].items() if k != "verdict"),
        subset_rows=subset_rows(manifest, subsets, sides),
        data_facts=data_facts(manifest),
        n_rejected=len(rejected),
        rejected=rejected_reasons(rejected),
        model_facts=model_facts(encoder),
        record=record,
        parameters=json.dumps(parameters, indent=2, default=str) if parameters else "",
    )  # fmt: skip
