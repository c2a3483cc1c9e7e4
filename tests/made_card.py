"""Model cards of finished runs: made again from what lies on the disk, and read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from conftest import FinishedRun

from bodysounds.corpora.base import Corpus
from bodysounds.models.classifier import load_classifier
from bodysounds.models.encoder import load_encoder
from bodysounds.models.ensemble import load_ensemble
from bodysounds.reporting.model_card import model_card
from bodysounds.reporting.model_card_classes import class_card

RUNS = {
    "cry_verification": "finished_run",
    "speaker_verification": "finished_speakers",
    "speaker_identification": "finished_identification",
    "cry_scream_ensemble": "finished_screams",
    "respiratory_scl": "finished_respiratory",
}
VERIFICATIONS = ("cry_verification", "speaker_verification")
CLASSES = tuple(task for task in RUNS if task not in VERIFICATIONS)
READERS = {
    "cry_verification": "cryceleb", "speaker_verification": "zalo",
    "speaker_identification": "voxceleb", "cry_scream_ensemble": "manifest",
    "respiratory_scl": "icbhi",
}  # fmt: skip

# --- a card and what it was made from


def json_of(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def card_of(run: FinishedRun) -> str:
    return run.latest("08_reporting", "model_card.md").read_text(encoding="utf-8")


def metrics_of(run: FinishedRun) -> dict[str, Any]:
    return json_of(run.latest("08_reporting", "metrics.json"))


def made_again(run: FinishedRun, **changes: Any) -> str:
    """The card from the results on disk, by the library alone, with some of them changed."""
    tables, protocol = run.results("02_intermediate"), run.results("03_primary")
    arguments = {
        "metrics": metrics_of(run),
        "manifest": pd.read_parquet(tables / "manifest.parquet"),
        "rejected": pd.read_csv(tables / "rejected.csv"),
        "corpus": Corpus(Path("/nowhere"), READERS[run.task], "demo", synthetic=True),
        "record": json_of(run.latest("08_reporting", "record.json")),
        "task": run.task,
    }
    if run.task in VERIFICATIONS:
        arguments |= {
            "operating_point": json_of(run.latest("07_model_output", "operating_point.json")),
            "subsets": pd.read_parquet(protocol / "subsets.parquet"),
            "sides": pd.read_parquet(tables / "sides.parquet"),
            "gallery_curve": pd.read_csv(run.latest("08_reporting", "gallery_curve.csv")),
            "encoder": load_encoder(run.results("06_models") / "encoder.safetensors"),
        }
        return model_card(**(arguments | changes))
    if run.task == "cry_scream_ensemble":
        ensemble = load_ensemble(run.results("06_models") / "bundle")
        arguments |= {"classifiers": ensemble.members, "rule": ensemble.rule}
    else:
        one = load_classifier(run.results("06_models") / "classifier.safetensors")
        arguments |= {"classifiers": {"": one}, "rule": {}}
    arguments |= {
        "examples": pd.read_parquet(protocol / "examples.parquet"),
        "split_facts": json_of(protocol / "split_facts.json"),
    }
    return class_card(**(arguments | changes))


# --- reading a card, independently of how it is written


def front(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("\n---\n", maxsplit=1)[0])


def section(card: str, title: str) -> str:
    found = re.search(rf"\n##+ {re.escape(title)}\n(.*?)(?=\n##+ |\Z)", card, re.DOTALL)
    assert found, title
    return found[1]


def table(text: str, which: int = 0) -> list[list[str]]:
    """Cells of the rows of a table, its heading left out, backslashes taken away."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    lines = blocks[which].strip().split("\n")
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    assert len({len(row) for row in cells}) == 1, lines
    return [[re.sub(r"\\(.)", r"\1", cell).strip() for cell in row] for row in cells[2:]]


def shares(text: str) -> list[float]:
    return [float(found) / 100 for found in re.findall(r"(-?\d+\.\d+)%", text)]


def is_rate(cell: str, entry: dict[str, Any], name: str) -> bool:
    """Whether a cell has a rate and its interval, at the printed precision."""
    low, high = entry.get(f"{name}_ci95") or (None, None)
    wanted = [value for value in (entry[name], low, high) if value is not None]
    found = shares(cell)
    return len(found) == len(wanted) and np.allclose(found, wanted, rtol=0, atol=0.0005001)
