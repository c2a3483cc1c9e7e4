"""Finished runs as they lie in a data folder, or at a URL that fsspec knows: listed and read."""

from __future__ import annotations

import io
import json
import logging
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import fsspec

from bodysounds.reporting.run_kinds import PLAIN, kind_of, pipeline_of
from bodysounds.types import Metrics, Table

logger = logging.getLogger(__name__)

REPORTING = "08_reporting"
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}\.\d{2}\.\d{2}\.\d{3}Z")


@dataclass(frozen=True)
class Place:
    """Where one run of a task lies."""

    files: Any
    """The fsspec filesystem."""
    folder: str
    """That of its task below 08_reporting."""
    version: str

    @property
    def task(self) -> str:
        """Name of the task."""
        return PurePosixPath(self.folder).name

    @property
    def corpus(self) -> str:
        """Name of the corpus's folder."""
        return PurePosixPath(self.folder).parent.name

    def path(self, name: str) -> str:
        """Return where a versioned result lies."""
        return f"{self.folder}/{name}/{self.version}/{name}"

    def has(self, name: str) -> bool:
        """Return whether the run saved that result."""
        return bool(self.files.isfile(self.path(name)))

    def json(self, name: str) -> Metrics:
        """Return a JSON object that the run saved; ValueError or OSError that names the file."""
        path = self.path(name)
        if not self.files.isfile(path):
            raise FileNotFoundError(f"the run {self.version} of {self.task} has no {path}")
        try:
            found = json.loads(self.files.cat_file(path))
        except ValueError as error:
            raise ValueError(f"{path} is no JSON ({error}): take another run") from None
        if not isinstance(found, dict):
            raise ValueError(f"{path} holds no JSON object: take another run")
        return found


@dataclass(frozen=True)
class Run:
    """What a run found, and what made it."""

    task: str
    corpus: str
    version: str | None
    """None while it runs."""
    metrics: Metrics
    record: Metrics
    """Empty where the run left none: it did not finish."""
    rated: Table | None
    """As `bodysounds.reporting.rated` gives; None of runs before there were such tables."""


@dataclass(frozen=True)
class Earlier:
    """What lies beside a run that begins."""

    corpus: str
    """Name of the corpus's folder."""
    run: Run | None
    """The latest finished one that can be read; None where there is none."""
    tested: dict[str, str]
    """By version, the sha256 of what each run rated."""
    why_none: str = ""
    """Why no run is taken though there are some, as a sentence."""


def list_runs(data: str) -> list[Place]:
    """Return every run below a data folder that has metrics, by task and in time.

    `data` is a folder or a URL; ValueError where nothing lies there.
    """
    files, root = fsspec.core.url_to_fs(data)
    found = files.glob(f"{root.rstrip('/')}/{REPORTING}/*/*/metrics.json/*/metrics.json")
    places = [place_of(files, path) for path in found]
    if not places:
        raise ValueError(
            f"{data} holds no finished run: run a pipeline first, or name the folder with --data"
        )
    return sorted(places, key=lambda place: (place.corpus, place.task, place.version))


def place_of(files: Any, path: str) -> Place:
    """Return the run that a file or a folder below `08_reporting/<corpus>/<task>` belongs to.

    A file of 06_models or 07_model_output will do as well. Raises ValueError where the path names
    no task or no version.
    """
    parts = PurePosixPath(path).parts
    layers = [k for k, part in enumerate(parts) if re.fullmatch(r"\d\d_\w+", part)]
    versions = [part for part in parts if VERSION.fullmatch(part)]
    if not layers or len(parts) < layers[-1] + 3 or not versions:
        raise ValueError(
            f"{path} is of no single run: name a file or folder such as "
            f"{REPORTING}/<corpus>/<task>/metrics.json/<version>"
        )
    root, corpus, task = parts[: layers[-1]], *parts[layers[-1] + 1 : layers[-1] + 3]
    # a member of an ensemble, such as cry_scream_ensemble.yamnet, has its task's report
    folder = PurePosixPath(*root, REPORTING, corpus, task.split(".")[0])
    return Place(files, str(folder), versions[-1])


def read_run(place: Place, with_rated: bool = True) -> Run:
    """Return a run; ValueError or OSError, in one sentence, where it cannot be read."""
    metrics = place.json("metrics.json")
    if not isinstance(metrics.get("headline"), dict):
        raise ValueError(f"{place.path('metrics.json')} has no headline: take another run")
    record = place.json("record.json") if place.has("record.json") else {}
    return Run(
        place.task,
        place.corpus,
        place.version,
        metrics,
        record,
        _rated(place) if with_rated else None,
    )


def _rated(place: Place) -> Table | None:
    import pandas as pd

    path = place.path("rated.parquet")
    if not place.has("rated.parquet"):
        return None
    try:
        return pd.read_parquet(io.BytesIO(place.files.cat_file(path)))
    except ValueError:  # pyarrow's errors are such
        raise ValueError(f"{path} is no Parquet table, or a torn one: take another run") from None


def earlier_runs(
    files: Any, folder: str, before: str, latest: str | None = None, kind: str = PLAIN
) -> Earlier:
    """Return what lies below a task's folder of reports from runs before a version.

    The run is the latest one of `kind` that finished; where `latest` is given, the latest of any
    kind up to it. One that cannot be read is told in a warning, and the one before it is taken.
    """
    places = [place for place in _places(files, folder) if place.version < before]
    run, others = None, set()
    for place in reversed(places):
        if run is not None:
            break
        if latest is not None and place.version > latest:
            continue
        made_by = run_kind(place)
        if made_by is not None and (latest is not None or made_by == kind):
            run = _read_or_warn(place)
        elif made_by is not None:
            others.add(made_by)
    why_none = ""
    if run is None and others:
        task = PurePosixPath(folder).name
        of = ", ".join(sorted(pipeline_of(task, other) for other in others))
        why_none = (
            f"No earlier run of {pipeline_of(task, kind)} lies here to compare with. Those there "
            f"are come from {of}, which rates other models or another test set."
        )
    return Earlier(PurePosixPath(folder).parent.name, run, _tested(places), why_none)


def run_kind(place: Place) -> str | None:
    """Return `bodysounds.reporting.run_kinds.kind_of` a run; None where it left no record.

    A record that cannot be read is taken for that of a plain run.
    """
    if not place.has("record.json"):
        return None
    try:
        return kind_of(place.task, place.json("record.json"))
    except (OSError, ValueError, AttributeError, TypeError):
        return PLAIN


def _read_or_warn(place: Place) -> Run | None:
    try:
        return read_run(place)
    except Exception as error:  # whatever is wrong there, this run is not
        logger.warning("the run %s is not compared with: %s", place.version, error)
        return None


def _tested(places: list[Place]) -> dict[str, str]:
    """Return the sha256 of what each run rated, of those that tell it."""
    found = {}
    for place in places:
        try:
            found[place.version] = str(place.json("comparison.json")["rated"]["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def tested_beside(place: Place) -> dict[str, str]:
    """Return, by version, the sha256 of what each run of the task rated, in the same folder."""
    return _tested(_places(place.files, place.folder))


def _places(files: Any, folder: str) -> list[Place]:
    found = files.glob(f"{folder}/metrics.json/*/metrics.json")
    return [Place(files, folder, v) for v in sorted(PurePosixPath(p).parent.name for p in found)]
