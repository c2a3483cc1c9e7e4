"""From a folder to its recordings by layout, table or names; or to a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pandas as pd

from bodysounds.corpora import cry_scream
from bodysounds.corpora.base import Corpus, recordings_table, some
from bodysounds.corpora.files import audio_only, list_files
from bodysounds.corpora.registry import list_recordings
from bodysounds.corpora.survey.guess import SURE, Guess, guess_layout, near, taken_for
from bodysounds.corpora.survey.kinds import kind_of
from bodysounds.corpora.survey.metadata import metadata, recordings_of
from bodysounds.corpora.survey.paths import path_columns, pattern_columns
from bodysounds.corpora.survey.published import Published, published_layout
from bodysounds.corpora.survey.roles import other_roles
from bodysounds.corpora.survey.tables import Found, find_table, table_notes
from bodysounds.corpora.table import TABLE, read_table
from bodysounds.types import Table

NONE = "none"
LOOKED_FOR = (
    "a published layout, a table (csv, tsv) with a column of file names and one such as subject, "
    "speaker or baby_id, Kaldi's wav.scp and utt2spk, a folder a subject, names of files with "
    "fields such as anna_s1_003.wav, and folders of classes"
)
WAY_OUT = (
    "say whose a recording is with --subject (a column of the table, folder1, folder2, ... from "
    r"the outside, or field1, field2, ... of the names), or with --pattern '(?P<subject>[^_]+)_'"
)


@dataclass(frozen=True)
class Layout:
    """What a folder's layout is taken for."""

    said: str
    """In words, with reasons."""
    confidence: float
    guesses: list[Guess] = field(default_factory=list)
    """Where several are near, or one is not sure: nothing else is filled in then."""
    recordings: Table | None = None
    table: Table | None = None
    """Rows of metadata.csv to be written; None where the folder has all that is needed."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Role to column of metadata.csv."""
    published: Published | None = None
    notes: list[str] = field(default_factory=list)
    kept: str = ""
    """The table that serves as it is."""
    words: str = ""
    """Names of folders, columns and classes: they may tell infants from others."""


def understand(root: Path, pattern: str | None, chosen: Mapping[str, str]) -> Layout:
    """Return what the layout of a folder is taken for; no recording is opened.

    Parameters
    ----------
    root : path
    pattern : str, optional
        Regular expression with groups named as roles, in the place of all guesses.
    chosen : mapping
        Role to column (of the table, folderN or fieldN), or to `none`; over what is guessed.

    Raises ValueError where there is no recording, nothing is recognised, or a chosen column is not
    there.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is no folder: name the one that holds the recordings")
    closed: list[str] = []
    files = list_files(root, closed)
    told = f"{len(closed)} folders cannot be read ({some(closed)}): check their rights"
    try:
        layout = _understood(root, files, pattern, chosen)
    except ValueError as error:
        if closed:
            raise ValueError(f"{error}; {told}") from error
        raise
    return replace(layout, notes=[*layout.notes, told]) if closed else layout


def _understood(
    root: Path, files: Sequence[PurePosixPath], pattern: str | None, chosen: Mapping[str, str]
) -> Layout:
    audio = audio_only(files)
    # its table may name recordings elsewhere
    guessed = pattern is None and not chosen
    published = published_layout(root, files, audio) if guessed else None
    if not audio and not published:
        raise ValueError(
            f"{root} holds no recording among its {len(files)} files: recordings are known by "
            "their endings, such as wav, flac, ogg, mp3 or m4a; where a table names recordings "
            "elsewhere, give the folder that holds both"
        )
    if published:
        return _published(root, published, audio)
    if pattern is not None:
        columns = pattern_columns(audio, pattern)
        roles = {name: name for name in map(str, columns)} | dict(chosen)
        guess = Guess(1.0, _without(roles), [f"--pattern {pattern}"])
        return _settled(root, audio, columns, guess, None)
    passed: list[str] = []
    found = find_table(root, files, audio, passed)
    columns = path_columns(audio)
    if found is not None:
        columns = pd.concat([found.table.reset_index(drop=True), columns], axis=1)
    own = [] if found is None else [str(name) for name in found.table.columns]
    _check_chosen(chosen, columns)
    if chosen.get("subject", NONE) != NONE:
        kinds = {str(name): kind_of(columns[name]) for name in columns}
        others = other_roles(columns, kinds, chosen["subject"], own)
        guess = Guess(1.0, _without({**others, **chosen}), ["as the options say"])
        return _settled(root, audio, columns, guess, found, passed)
    guesses = guess_layout(audio, None if found is None else found.table)
    if not guesses:
        told = "".join(f"; {one}" for one in passed)
        raise ValueError(
            f"nothing was recognised in {root}: looked for {LOOKED_FOR}{told}; {WAY_OUT}"
        )
    close = near(guesses, columns)
    if len(close) > 1 or close[0].confidence < SURE:
        why = (
            f"{len(close)} guesses are near"
            if len(close) > 1
            else f"the best guess has a confidence of {close[0].confidence:.0%} only"
        )
        return Layout(why, close[0].confidence, close)
    best = guesses[0]
    guess = Guess(best.confidence, _without({**best.roles, **chosen}), best.reasons)
    return _settled(root, audio, columns, guess, found, passed)


def _without(roles: Mapping[str, str]) -> dict[str, str]:
    return {role: column for role, column in roles.items() if column != NONE}


def _check_chosen(chosen: Mapping[str, str], columns: Table) -> None:
    for role, column in chosen.items():
        if column != NONE and column not in columns:
            raise ValueError(
                f"--{role.replace('_', '-')} {column}: there is no such column; there are "
                f"{', '.join(map(str, columns)) or 'none'}"
            )


def _settled(
    root: Path, audio: Sequence[PurePosixPath], columns: Table, guess: Guess, found: Found | None,
    passed: Sequence[str] = (),
) -> Layout:  # fmt: skip
    words = " ".join([root.name, *guess.roles.values(), *sorted(_parts(audio))])
    if "subject" in guess.roles:  # baby12
        words += " ".join(["", *columns[guess.roles["subject"]].dropna().unique()[:50]])
    why_not = ""
    if found is not None and str(found.path) == TABLE:
        kept = _as_it_is(root, columns, guess, found)
        if isinstance(kept, str):
            why_not = f"{TABLE} does not serve as it is: {kept}"
        else:
            roles, recordings = kept
            unread = {taken_for(column, role) for role, column in guess.roles.items()
                      if role not in roles}  # fmt: skip
            reasons = [reason for reason in guess.reasons if reason not in unread]
            said = f"the table {TABLE} serves as it is: {'; '.join(reasons)}"
            notes = table_notes(found, audio)
            return Layout(
                said, guess.confidence, [], recordings, None, roles, None, notes, TABLE, words
            )
    extra = [] if found is None else [str(name) for name in found.table.columns]
    table, notes = metadata(audio, columns, guess.roles, extra)
    options = {role: role for role in guess.roles if role in table}
    said = "; ".join(guess.reasons)
    if found is not None:
        said = f"the table {found.path} names the files in {found.file_column!r}; {said}"
        notes = [*filter(None, [why_not]), *table_notes(found, audio), *notes]
    else:
        notes = [*passed, *notes]
    recordings = recordings_of(table)
    of_classes = found is not None and found.exact and "subject" not in guess.roles
    own = found and (str(found.path), found.file_column)
    serves = cry_scream.MANIFEST if of_classes and own == (cry_scream.MANIFEST, "file_path") else ""
    return Layout(
        said, guess.confidence, [], recordings, None if serves else table, options, None, notes,
        serves, words,
    )  # fmt: skip


def _as_it_is(
    root: Path, columns: Table, guess: Guess, found: Found
) -> tuple[dict[str, str], Table] | str:
    """Return roles and recordings where metadata.csv can be read as it is, else why not."""
    own = set(found.table.columns)
    roles = {role: column for role, column in guess.roles.items() if column in own}
    if found.file_column != "file_name":
        return f"it names the files in {found.file_column!r}, not in 'file_name'"
    if "subject" not in roles:
        return "it does not say whose a recording is"
    try:
        listing = read_table(root, **roles)
    except ValueError as error:
        return str(error)
    if not found.exact:
        return "file_name is not the path below the folder in every row, or names what is not there"
    hints = listing.recordings[["group_id", "subset_hint"]].dropna()
    if "split" in roles or "split" in own:
        sides = set(hints["subset_hint"])
        torn = hints.groupby("group_id")["subset_hint"].nunique().max()
        if torn > 1 or not {"dev", "test"} <= sides:
            return "its split lacks dev or test, or has somebody in several"
    return roles, listing.recordings


def _published(root: Path, published: Published, audio: Sequence[PurePosixPath]) -> Layout:
    said = f"this is the layout of {published.name}: {published.reason}"
    if published.reader == "manifest" and not (root / cry_scream.MANIFEST).exists():
        recordings = _of_classes(audio)  # the reader would write a table
    else:
        corpus = Corpus(root, published.reader, published.name, published.options)
        recordings = list_recordings(corpus).recordings
    left = len(audio) - int(recordings["path"].isin({str(path) for path in audio}).sum())
    notes = [f"{left:,} of {len(audio):,} recordings are not part of it"] if left > 0 else []
    words = published.environment
    return Layout(said, 0.99, [], recordings, None, {}, published, notes, "", words)


def _of_classes(audio: Sequence[PurePosixPath]) -> Table:
    labels = [
        next((part.lower() for part in path.parts[:-1] if part.lower() in cry_scream.LABELS), None)
        for path in audio
    ]
    kept = [(str(path), label) for path, label in zip(audio, labels, strict=True) if label]
    paths = [path for path, _ in kept]
    nobody = pd.Series(pd.NA, range(len(kept)), dtype="str")
    return recordings_table(
        {"recording_id": paths, "path": paths, "subject_id": nobody, "label": [c for _, c in kept]}
    )


def _parts(audio: Sequence[PurePosixPath]) -> set[str]:
    """Return the names of the outer folders, a few of them."""
    parts = {part for path in audio for part in path.parts[:-1]}
    return set(sorted(parts)[:50])
