"""From what a person calls a run to the run: a version, latest, previous, or a path."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import fsspec

from bodysounds.reporting.run_kinds import PLAIN, pipeline_of
from bodysounds.reporting.runs_on_disk import VERSION, Place, list_runs, place_of, run_kind

KEYWORDS = ("latest", "previous")


def find_runs(
    names: Sequence[str], data: str, task: str | None = None, corpus: str | None = None
) -> list[Place]:
    """Return the run of each name: a version, `latest`, `previous`, or a path of one run.

    Versions and keywords are looked up below `data`, among the runs of `task` and `corpus` where
    they are given. A keyword goes by the task and corpus of the runs beside it that say them;
    `previous` is the latest one before `latest` that is of the same kind
    (`bodysounds.reporting.run_kinds`).
    Raises ValueError, with the candidates, where a name fits no run or several.
    """
    told = {name: _one(name, data, task, corpus) for name in names if name not in KEYWORDS}
    if told:
        task = task or next(iter(told.values())).task
        corpus = corpus or next(iter(told.values())).corpus
    return [told[name] if name in told else _by_time(name, data, task, corpus) for name in names]


def _one(name: str, data: str, task: str | None, corpus: str | None) -> Place:
    if not VERSION.fullmatch(name):
        return _at(name)
    kept = chosen(list_runs(data), task, corpus)
    found = [place for place in kept if place.version == name]
    if not found:
        latest = ", ".join(sorted({place.version for place in kept})[-3:])
        raise ValueError(
            f"{data} has no run {name}{_of(task, corpus)}; the latest are {latest}: list them with "
            f"`bodysounds compare --data {data}`"
        )
    return _only(found, name)


def _at(path: str) -> Place:
    files, local = fsspec.core.url_to_fs(path)
    if not files.exists(local):
        raise FileNotFoundError(
            f"{path} is no file and no version: name a run by its version, such as "
            "2026-11-21T08.22.04.029Z, by latest or previous, or by the path of one of its files"
        )
    place = place_of(files, local)
    if not place.has("metrics.json"):
        raise FileNotFoundError(f"the run {place.version} has no {place.path('metrics.json')}")
    return place


def _by_time(name: str, data: str, task: str | None, corpus: str | None) -> Place:
    found = chosen(list_runs(data), task, corpus)
    places: dict[tuple[str, str], list[Place]] = {}
    for place in found:
        places.setdefault((place.corpus, place.task), []).append(place)
    if name == "latest":
        return _only([runs[-1] for runs in places.values()], name)
    before = [one for runs in places.values() for one in _before_latest(runs)]
    if before:
        return _only(before, name)
    kinds = {pipeline_of(runs[-1].task, run_kind(runs[-1]) or PLAIN) for runs in places.values()}
    if len(found) == len(places):
        raise ValueError(f"{data} has a single run{_of(task, corpus)}: there is no previous one")
    raise ValueError(
        f"{data} has no run of {' or '.join(sorted(kinds))} before the latest: those before come "
        "from other pipelines or did not finish, so name one by its version; `bodysounds compare` "
        "lists them"
    )


def _before_latest(runs: list[Place]) -> list[Place]:
    """Return the latest run of the kind that the last one is, of any where that left no record."""
    kind = run_kind(runs[-1])
    # from the latest back: each that is asked has its record loaded
    fitting = (run for run in reversed(runs[:-1]) if kind is None or run_kind(run) == kind)
    return list(islice(fitting, 1))


def chosen(places: list[Place], task: str | None, corpus: str | None) -> list[Place]:
    """Return the runs of a task and a corpus, of any where None; ValueError where none is."""
    kept = [
        place for place in places if task in (None, place.task) and corpus in (None, place.corpus)
    ]
    if not kept:
        there = ", ".join(dict.fromkeys(f"{place.task} on {place.corpus}" for place in places))
        raise ValueError(f"there is no run{_of(task, corpus)}; there are runs of {there}")
    return kept


def _only(found: list[Place], name: str) -> Place:
    if len(found) > 1:
        there = ", ".join(f"{place.task} on {place.corpus}" for place in found)
        raise ValueError(f"{name} may be a run of {there}: say which with --task or --corpus")
    return found[0]


def _of(task: str | None, corpus: str | None) -> str:
    return (f" of {task}" if task else "") + (f" on {corpus}" if corpus else "")
