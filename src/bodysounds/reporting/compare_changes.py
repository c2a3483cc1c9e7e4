"""What differs between the records of two runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodysounds.reporting.record import PARTS
from bodysounds.types import Metrics

RUN = ("env", "pipeline_names", "runner", *PARTS)
PLACES = ("work_dir",)
"""Parameters that say where something lies, and no number depends on."""
SOFTWARE = ("bodysounds", "python", "platform", "devices")


def changes(first: Metrics, second: Metrics) -> dict[str, dict[str, list[Any]]]:
    """Return what differs, as `{part: {name: [in the first, in the second]}}`.

    The arguments are entries `record`. The parts are command, parameters (by dotted path),
    software and data; a part in which nothing differs is left out. Only what both records tell is
    compared, but for parameters and packages, of which one may have more: None stands for those.
    """
    found = {
        "command": _differences(_asked(first), _asked(second)),
        "parameters": {
            name: pair
            for name, pair in _differences(*_parts(first, second, "parameters"), both=False).items()
            if name.rpartition(".")[2] not in PLACES
        },
        "software": _differences(_software(first), _software(second))
        | _differences(*_parts(first, second, "packages"), both=False),
        "data": _differences(*_parts(first, second, "data")),
    }
    return {part: named for part, named in found.items() if named}


def flat(values: Any, path: str = "") -> dict[str, Any]:
    """Return nested mappings and lists as `{"losses[0].margin": 0.2}`; an empty one stays."""
    if isinstance(values, Mapping) and values:
        steps = [(f"{path}.{key}" if path else str(key), value) for key, value in values.items()]
    elif isinstance(values, list) and any(isinstance(value, Mapping | list) for value in values):
        steps = [(f"{path}[{k}]", value) for k, value in enumerate(values)]
    else:
        return {path: values} if path else {}
    return {name: value for step, inner in steps for name, value in flat(inner, step).items()}


def _asked(record: Metrics) -> Metrics:
    told = record.get("run", {})
    return {"command": record.get("command"), **{name: told.get(name) for name in RUN}}


def _software(record: Metrics) -> Metrics:
    git = record.get("git") or {}
    commit = {"commit": git.get("commit"), "uncommitted changes": git.get("changed")}
    return {name: record.get(name) for name in SOFTWARE} | commit


def _parts(first: Metrics, second: Metrics, part: str) -> tuple[Metrics, Metrics]:
    """Return a part of both records, of neither where one lacks it."""
    if not first.get(part) or not second.get(part):
        return {}, {}
    return flat(first[part]), flat(second[part])


def _differences(first: Metrics, second: Metrics, both: bool = True) -> dict[str, list[Any]]:
    names = [*first, *(name for name in second if name not in first)]
    pairs = {name: [first.get(name), second.get(name)] for name in names}
    return {
        name: pair for name, pair in pairs.items()
        if pair[0] != pair[1] and not (both and None in pair)
    }  # fmt: skip
