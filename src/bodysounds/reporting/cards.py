"""The data card and the model card of a report, as rows ready to print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bodysounds.reporting.methods import weights_told
from bodysounds.types import Encoder, Table

SUBSET_ORDER = ("train", "dev", "test")
MOST_REASONS = 12
MOST_VALUES = 6
MOST_SESSIONS = 8
TRAINING_NAMES = {
    "audio_s": "Audio heard, s",
    "dev_auc": "Dev AUC",
    "dev_eer": "Dev EER",
    "n_subjects": "Subjects in train",
    "n_validation": "Subjects in validation",
}
"""How a training record's entries are called where their own names are not words."""


def subset_rows(manifest: Table, subsets: Table, sides: Table) -> list[dict[str, Any]]:
    """Return a row a subset, and one of all: subjects, recordings, hours, sides, sessions."""
    table = manifest.merge(subsets[["recording_id", "subset"]], on="recording_id")
    # one session name may be used by many subjects, such as B and D
    visits = table["subject_id"].fillna("?") + "\n" + table["session_id"].fillna("?")
    table = table.assign(visit=visits.where(table["session_id"].notna()))
    parts = [(name, table[table["subset"] == name]) for name in SUBSET_ORDER]
    return [_row(name, part, sides) for name, part in [*parts, ("all", table)] if len(part)]


def _row(name: str, part: Table, sides: Table) -> dict[str, Any]:
    held = sides.loc[sides["recording_id"].isin(part["recording_id"]), "side_id"]
    return {
        "subset": name,
        "subjects": int(part["subject_id"].nunique()),
        "recordings": len(part),
        "hours": float(part["duration_s"].sum() / 3600),
        "median_s": float(part["duration_s"].median()),
        "sides": int(held.nunique()),
        "sessions": int(part["visit"].nunique()),
        # then sessions are told apart by a pause between recordings
        "timed": "recorded_at" in part and bool(part["recorded_at"].notna().any()),
    }


def value_counts(manifest: Table, column: str, unit: str = "") -> str:
    """Return `value (count), ...` of a manifest column, the most frequent first."""
    counts = manifest[column].astype(object).where(manifest[column].notna(), "unknown")
    told = sorted(counts.value_counts().items(), key=lambda item: (-item[1], str(item[0])))
    shown = ", ".join(f"{value}{unit} ({count:,})" for value, count in told[:8])
    return shown + (f" and {len(told) - 8} more" if len(told) > 8 else "")


def data_facts(manifest: Table) -> dict[str, str]:
    """Return what else the manifest says of the recordings, as text by name; unknowns left out."""
    facts = {
        "Sample rates": value_counts(manifest, "sample_rate", " Hz"),
        "Files": value_counts(manifest, "codec"),
    }
    for column, name in (
        ("domain", "Domains"), ("session_id", "Sessions"), ("sex", "Sex"), ("age", "Age"),
        ("label", "Labels"),
    ):  # fmt: skip
        if column == "session_id" and manifest[column].nunique() > MOST_SESSIONS:
            continue  # named after the recordings of each subject: they are counted, not listed
        if manifest[column].notna().any():
            facts[name] = value_counts(manifest, column)
    return facts


def rejected_reasons(rejected: Table) -> list[tuple[str, int, str]]:
    """Return (reason, files, an example) of the rejected recordings, the most frequent first."""
    if rejected.empty:
        return []
    rows = [
        (str(reason), len(part), str(part["path"].iloc[0]))
        for reason, part in rejected.groupby("reason", sort=True)
    ]
    return sorted(rows, key=lambda row: (-row[1], row[0]))[:MOST_REASONS]


def model_facts(encoder: Encoder | None) -> dict[str, str]:
    """Return network, front end and training record of an encoder, as text by name."""
    if encoder is None:
        return {}
    facts = {
        "Network": _told(encoder.architecture),
        "Front end": _told(encoder.front_end),
        "Weights": weights_told(encoder),
    }
    training = dict(encoder.training)
    refit = training.pop("refit", None)
    training.pop("heard", None)  # thousands of hashes
    if refit:
        facts["Fitted again"] = (
            f"on {' and '.join(refit['subsets'])}, for the {refit['epochs']} epochs that dev chose "
            f"(dev EER before: {refit['dev_eer_before']:.1%}). Dev's scores, the threshold and the "
            "calibration are those of the encoder before, carried over: dev cannot choose anew"
        )
    for name, value in training.items():
        facts[TRAINING_NAMES.get(name, name.replace("_", " ").capitalize())] = _told(value)
    return facts


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            _told(part) if name == "name" else f"{name.replace('_', ' ')} {_told(part)}"
            for name, part in value.items()
        )
    if isinstance(value, list | tuple):
        left_out = f" and {len(value) - MOST_VALUES} more" if len(value) > MOST_VALUES else ""
        return "; ".join(_told(part) for part in value[:MOST_VALUES]) + left_out or "none"
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)
