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
from bodysounds.reporting.cards import data_facts, model_facts, rejected_reasons, subset_rows
from bodysounds.types import Encoder, Metrics, Table

CAPTIONS = {
    "eer": "Equal error rate of each system with its interval over subjects; filled where pairs "
    "weigh equally, hollow where subjects do.",
    "det": "Detection error trade-off on normal-deviate axes; lower left is better, the marks are "
    "the equal error rates.",
    "histogram": "Scores of same-subject and different-subject pairs, with the threshold that dev "
    "chose.",
    "training": "Loss and equal error rate on dev, epoch by epoch; the star is the epoch kept.",
    "shortcuts": "What each property of a recording reaches without listening to the voice, below "
    "ours; flagged ones are hatched.",
}


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as percent, `n/a` for None."""
    return "n/a" if value is None else f"{100 * value:.{digits}f}%"


def interval(value: list[float | None] | None) -> str:
    """Return [low, high] as `low to high` in percent, `no interval` where there is none."""
    if not value or value[0] is None or value[1] is None:
        return "no interval"
    return f"{percent(value[0])} to {percent(value[1])}"


def points(value: float | None) -> str:
    """Return a difference of shares in signed percentage points, `n/a` for None."""
    return "n/a" if value is None else f"{100 * value:+.1f}".replace("-", "−")  # noqa: RUF001


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
        "system": style.label,
        "words": lambda name: str(name).replace("_", " "),
        "count": lambda number: f"{number:,}",
    }
    return environment


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
    task: str = "verification",
) -> str:
    """Return the report of a verification task as one self-contained HTML page.

    Parameters
    ----------
    metrics, operating_point
        Those entries of the task.
    figures : mapping of str to bytes
        PNG by name (det, histogram, eer, training, shortcuts, or any other).
    manifest, rejected, subsets, sides
        The tables of the corpus, for the data card.
    record
        `run_record()`, and the run's `parameters` where they are known.
    corpus
        Its name, licence and citation are shown, and whether it is synthetic.
    encoder
        Its network and training record make the model card.
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
    images = {
        short: {
            "uri": "data:image/png;base64," + base64.b64encode(figures[name]).decode(),
            "caption": CAPTIONS.get(short, short.replace("_", " ")),
            "alt": _alt(short, metrics, operating_point),
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


def _alt(name: str, metrics: Metrics, point: Metrics) -> str:
    systems = metrics[metrics["headline"]["subset"]]
    eers = ", ".join(
        f"{style.label(key)} {percent(entry['eer'])}" for key, entry in systems.items()
    )
    told = {
        "det": f"Detection error trade-off curves. Equal error rates: {eers}.",
        "eer": f"Equal error rates with intervals: {eers}.",
        "histogram": "Histogram of the scores of same-subject and different-subject pairs; the "
        f"threshold is {point['threshold']:.3f}.",
        "training": "Curves of training loss and dev equal error rate by epoch.",
        "shortcuts": f"Bars of the equal error rate of each recording property. "
        f"{metrics['shortcuts']['verdict']}",
    }
    return told.get(name, f"Figure {name.replace('_', ' ')}")
