"""From the names in a trial list to sides: by id, by path, without ending or leading folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.types import Table

AUDIO_ENDING = re.compile(
    r"\.(?:wav|flac|ogg|opus|mp3|m4a|mp4|aac|caf|3gp|aiff?|sph|amr|webm)$", re.IGNORECASE
)


class Resolved(NamedTuple):
    """Trials whose enrol_id and test_id are side ids where one was found."""

    trials: Table
    unknown: list[str]
    """Names that stay as they were, no side fits them; in the list's order."""


def resolve_sides(
    trials: Table, known_side_ids: Iterable[str], paths: Mapping[str, str] | None = None
) -> Resolved:
    """Return the trials with side ids in the place of names.

    A name is looked for as a side's id, then as a path, then as a path but for an audio ending
    (`a/1` and `a/1.flac` are `a/1.wav`; only the last ending goes), then with leading folders more
    or fewer (`/data/a/1.wav` and `1.wav` are `a/1.wav`).

    Parameters
    ----------
    trials : Table
        enrol_id, test_id.
    known_side_ids : iterable of str
    paths : mapping of str to str, optional
        A recording's path to its side's id; by default the ids are the paths.

    Raises ValueError for a name that fits recordings of several sides, and for two names that fit
    one recording only without their folders.
    """
    known = dict.fromkeys(known_side_ids)
    named = pd.concat([trials["enrol_id"], trials["test_id"]]).drop_duplicates().tolist()
    side_of = {name: name for name in known} if paths is None else paths
    found = _by_path([name for name in named if name not in known], side_of)
    sides = {name: side_of[found[name]] for name in found} | {
        name: name for name in named if name in known
    }
    new = {
        column: trials[column].map(sides).fillna(trials[column])
        for column in ("enrol_id", "test_id")
    }
    return Resolved(trials.assign(**new), [name for name in named if name not in sides])


def _by_path(names: list[str], side_of: Mapping[str, str]) -> dict[str, str]:
    """Return the path of each name that fits one."""
    if not names:
        return {}
    whole: dict[str, list[str]] = {}
    stems: dict[str, list[str]] = {}
    tails: dict[str, list[str]] = {}
    for path in side_of:
        plain = _plain(path)
        whole.setdefault(plain, []).append(path)
        stems.setdefault(_stem(plain), []).append(path)
        for tail in _tails(_stem(plain)):
            tails.setdefault(tail, []).append(path)
    found: dict[str, str] = {}
    without_folders: dict[str, set[str]] = {}
    for name in names:
        plain = _plain(name)
        stem = _stem(plain)
        fits = whole.get(plain) or stems.get(stem)
        if not fits:
            longest = next((tail for tail in _tails(stem) if tail in stems), "")
            fits = tails.get(stem) or stems.get(longest, [])
            if fits:
                without_folders.setdefault(fits[0], set()).add(stem)
        if len({side_of[path] for path in fits}) > 1:
            raise ValueError(
                f"the list's name {name} fits several sides ({some(sorted(fits))}): "
                "name recordings by their paths"
            )
        if fits:
            found[name] = fits[0]
    _refuse_conflicts(without_folders)
    return found


def _refuse_conflicts(without_folders: Mapping[str, set[str]]) -> None:
    """Refuse names in different folders that fit one recording: it can be only one of them."""
    for path, names in without_folders.items():
        longest = "/" + max(names, key=len)
        if not all(longest.endswith("/" + name) for name in names):
            raise ValueError(
                f"the list's names {some(sorted(names))} all fit the recording {path} where their "
                "folders are left out: name recordings by their paths"
            )


def _plain(name: str) -> str:
    plain = name.replace("\\", "/")
    while plain.startswith("./"):
        plain = plain[2:]
    return plain


def _stem(plain: str) -> str:
    return AUDIO_ENDING.sub("", plain)


def _tails(plain: str) -> Iterator[str]:
    """Return the path without its first folder, without its first two, ..."""
    while "/" in plain:
        plain = plain.split("/", 1)[1]
        yield plain
