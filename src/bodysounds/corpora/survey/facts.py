"""What a folder of recordings holds, in numbers: subjects, seconds, rates, copies, faults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.corpora.probe import CLIPPED_SHARE
from bodysounds.corpora.survey.files import DECODED, choose, look_at, size_of
from bodysounds.params import IngestParams
from bodysounds.types import Metrics, Table

DECODED_BYTES = 2_000_000_000
"""And no more than so many bytes of files are decoded in full."""
DESCRIBED, PER_SUBJECT = 600, 6
"""Recordings that are described for the shortcuts, and at most so many of a subject."""
MOST_NAMED = 5
NOBODY = ("nan", "none", "null", "na", "n/a", "unknown", "unk", "?", "-", "missing")
QUANTILES = {"least": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "most": 1.0}


def survey(
    root: Path,
    recordings: Table,
    params: IngestParams,
    seed: int = 0,
    decoded: int = DECODED,
    described: int = DESCRIBED,
) -> tuple[Metrics, Table, Table]:
    """Return (facts, manifest, descriptors) of the recordings of a folder.

    Parameters
    ----------
    recordings : Table
        As `bodysounds.corpora.base.recordings_table` gives; subject_id or label may be missing.
    params : IngestParams
        Its limits say what is too short and what is silent.
    seed : int
        Draws which recordings are decoded and described, where not all are.
    decoded, described : int
        At most so many; of all others the header is read.

    The manifest has the usable recordings, with duration_s, sample_rate, sound and sha256, the path
    where no other file has its size; descriptors are those of the sample, recording_id first.
    """
    rng = np.random.default_rng(seed)
    rows = recordings.sort_values("recording_id", ignore_index=True)
    whose = rows["subject_id"].where(rows["subject_id"].notna(), rows["label"])
    names = [name if isinstance(name, str) else None for name in whose.tolist()]
    several = rows["subject_id"].notna().any()
    told = choose(names, described, PER_SUBJECT if several else described, rng)
    decoded = min(decoded, _affordable(root, rows["path"].tolist()))
    full = choose(names, decoded, decoded, rng)
    full = [one or other for one, other in zip(full, told, strict=True)]
    looked, descriptors = look_at(root, rows["path"].tolist(), params, full, told)
    table = pd.concat([rows, looked.drop(columns="path")], axis=1)
    good = table["fault"] == ""
    manifest = table[good].drop(columns=["channels", "fault", "reason", "peak", "clipped_share"])
    manifest["sha256"] = manifest["sha256"].mask(manifest["sha256"] == "", manifest["path"])
    manifest = manifest.reset_index(drop=True)
    by_path = dict(zip(rows["path"], rows["recording_id"], strict=True))
    descriptors["recording_id"] = descriptors["recording_id"].map(by_path)
    facts = {
        "recordings": len(table),
        "usable": int(good.sum()),
        **subject_facts(table[good]),
        **sound_facts(table[good]),
        "copies": copies(table[good]),
        "faults": faults(table),
        "clipped": clipped(table),
        "decoded": int(sum(full)),
        "described": len(descriptors),
        "seed": seed,
    }
    return facts, manifest, descriptors


def _affordable(root: Path, paths: Sequence[str]) -> int:
    """Return how many files of their mean size are `DECODED_BYTES` together."""
    sizes = [size for path in paths if (size := size_of(root / path)) >= 0]
    return int(DECODED_BYTES // (np.mean(sizes) + 1)) if sizes else 1


def subject_facts(table: Table) -> Metrics:
    """Return subjects, recordings a subject, sessions and labels of usable recordings."""
    known = table[table["subject_id"].notna()]
    each = known["subject_id"].value_counts()
    sizes = each.to_numpy()
    sessions = known.groupby("subject_id")["session_id"].nunique()
    times = known["recorded_at"].dropna()
    labels = table["label"].dropna().value_counts().sort_index()
    return {
        "subjects": len(sizes),
        "of_nobody": len(table) - len(known),
        "alone": alone(known),
        "groups": int(known["group_id"].nunique()),
        "recordings_a_subject": spread(sizes),
        "most_of": {str(name): int(count) for name, count in each.head(1).items()},
        "subjects_with_two": int((sizes >= 2).sum()),
        "sessions": int(known[["subject_id", "session_id"]].dropna().drop_duplicates().shape[0]),
        "subjects_with_two_sessions": int((sessions >= 2).sum()),
        "recorded": None if times.empty else [_day(times.min()), _day(times.max())],
        "labels": {str(name): int(count) for name, count in labels.items()},
    }


def alone(known: Table) -> list[Metrics]:
    """Return {subject, what, value} where all recordings of one subject, and no other, have it."""
    found = []
    for what in ("sample_rate", "codec", "channels"):
        for value, own in known.groupby(what)["subject_id"]:
            subject = own.iloc[0]
            whose = known["subject_id"] == subject
            # all of the value are the subject's, all of the subject's have it, and others have not
            if own.nunique() == 1 and 2 <= len(own) == whose.sum() < len(known):
                found.append({"subject": subject, "what": what, "value": str(value)})
    return found[:MOST_NAMED]


def doubts(recordings: Table) -> list[str]:
    """Return in words what of the subjects looks wrong, before any recording is opened."""
    told = []
    subjects = recordings["subject_id"].dropna()
    nobody = subjects[subjects.str.strip().str.lower().isin(NOBODY)]
    if len(nobody):
        told.append(
            f"{len(nobody):,} recordings are of the subject {some(sorted(nobody.unique()))}: if "
            "that is nobody, leave the cell empty, or they count as one individual"
        )
    if len(subjects) and subjects.str.fullmatch(r"\d+\.0").all():
        told.append(
            f"the subjects look like {subjects.iloc[0]}: ids were read as numbers somewhere, and "
            "may have lost leading zeros"
        )
    sexes = recordings.dropna(subset=["subject_id", "sex"]).groupby("subject_id")["sex"].nunique()
    both = sexes.index[sexes > 1].tolist()
    if both:
        told.append(
            f"{len(both):,} of {subjects.nunique():,} subjects have several sexes ({some(both)}): "
            "look whether they are one individual each"
        )
    return told


def sound_facts(table: Table) -> Metrics:
    """Return durations (seconds), total, sample rates (Hz), codecs and channels, by how many."""
    seconds = table["duration_s"].to_numpy(np.float64)
    counted = {
        name: {str(value): int(count) for value, count in table[column].value_counts().items()}
        for name, column in (
            ("sample_rates", "sample_rate"), ("codecs", "codec"), ("channels", "channels"),
        )
    }  # fmt: skip
    return {"seconds": spread(seconds), "total_s": float(seconds.sum()), **counted}


def copies(table: Table) -> Metrics:
    """Return groups of equal content: how many, and those of several subjects or labels by name.

    One content under two subjects (or two labels) is a wrong label: somebody should look.
    `recoded` counts the files that hold the samples of another, to 16 bits, in other bytes.
    """
    content = contents(table)
    same = table[(content != "") & content.duplicated(keep=False)]
    groups = [part for _, part in same.groupby(content, sort=False)]
    torn = [
        {
            "paths": sorted(part["path"]),
            "subjects": sorted(part["subject_id"].dropna().unique()),
            "labels": sorted(part["label"].dropna().unique()),
        }
        for part in groups
        if part["subject_id"].nunique() > 1 or part["label"].nunique() > 1
    ]
    torn.sort(key=lambda group: group["paths"])
    first = sorted(sorted(part["path"]) for part in groups)
    return {
        "groups": len(groups),
        "recordings": len(same),
        "recoded": len(recoded(table)),
        "across": len(torn),
        "across_named": torn[:MOST_NAMED],
        "named": first[:MOST_NAMED],
    }


def contents(table: Table) -> pd.Series[str]:
    """Return what is equal for recordings of equal content: sound where decoded, else sha256."""
    known = table[(table["sha256"] != "") & (table["sound"] != "")]
    sounds = known.groupby("sha256")["sound"].first()
    sound = table["sound"].mask(table["sound"] == "", table["sha256"].map(sounds))
    return sound.fillna(table["sha256"])


def recoded(table: Table) -> list[str]:
    """Return paths of recordings that are another's samples in other bytes, such as wav and flac.

    The first path of each is none of them, nor is a copy byte for byte: ingest sees those.
    """
    rows = table[table["sound"] != ""].sort_values("path")
    of = rows["sha256"].mask(rows["sha256"] == "", rows["path"])
    first = of.groupby(rows["sound"]).transform("first")
    return [str(path) for path in rows["path"][of != first]]


def faults(table: Table) -> Metrics:
    """Return {missing, broken, short, silent}: how many, and the first with their reasons."""
    found: Metrics = {}
    for fault in ("missing", "broken", "short", "silent"):
        part = table[table["fault"] == fault].sort_values(["peak", "duration_s", "path"])
        named = part[["path", "reason"]].head(MOST_NAMED).to_dict("records")
        found[fault] = {"count": len(part), "named": named}
    return found


def clipped(table: Table) -> Metrics:
    """Return how many recordings have over 1% of their samples at full scale, the worst first."""
    part = table[table["clipped_share"] > CLIPPED_SHARE].sort_values(
        ["clipped_share", "path"], ascending=[False, True]
    )
    named = part[["path", "clipped_share"]].head(MOST_NAMED).to_dict("records")
    return {"count": len(part), "named": named}


def spread(values: Any) -> dict[str, float] | None:
    """Return the least, tenth, middle, ninetieth percentile and most, None of nothing."""
    numbers = np.asarray(values, dtype=np.float64)
    if not len(numbers):
        return None
    points = np.quantile(numbers, list(QUANTILES.values()), method="inverted_cdf")
    return dict(zip(QUANTILES, points.tolist(), strict=True))


def _day(seconds: float) -> str:
    return str(pd.Timestamp(seconds, unit="s").date())
