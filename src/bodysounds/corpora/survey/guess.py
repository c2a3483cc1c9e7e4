"""Which column says whose a recording is: guesses with reasons, the surest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from bodysounds.corpora.survey.kinds import kind_of
from bodysounds.corpora.survey.paths import path_columns
from bodysounds.corpora.survey.roles import named_role, other_roles
from bodysounds.types import Ints, Table

SURE, SAID = 0.4, 1.2
"""A guess of less confidence is asked about, not taken."""
NEAR = 0.15
"""Two guesses no further apart than this are near: which one holds is asked."""
SURE_BESIDE_CLASSES = 0.6
FEW, MANY = 6, 4
# how much each kind of value looks like a subject, in a folder's name or in a field of a file's
LIKELY = {
    "id": (0.95, 0.9), "mixed": (0.85, 0.75), "word": (0.8, 0.75), "long_number": (0.8, 0.65),
    "number": (0.75, 0.45), "count": (0.7, 0.25), "few": (0.5, 0.2), "maybe_session": (0.5, 0.4),
}  # fmt: skip
IN_WORDS = {
    "id": "ids that say so", "mixed": "ids of letters and digits", "word": "names",
    "long_number": "long numbers", "number": "numbers", "count": "numbers that count up",
    "few": "single letters", "maybe_session": "a letter and a number",
}  # fmt: skip
SOURCES = ("id", "mixed", "word", "long_number")


@dataclass(frozen=True)
class Guess:
    """What a layout means: which column has which role, how sure that is, and why."""

    confidence: float
    """0 to 1."""
    roles: Mapping[str, str]
    """Role (`ROLES` of survey.paths) to column."""
    reasons: list[str] = field(default_factory=list)

    def options(self) -> str:
        """Return the options of the command line that choose this guess."""
        return " ".join(
            f"--{role.replace('_', '-')} {column}" for role, column in self.roles.items()
        )


def guess_layout(paths: Sequence[PurePosixPath], table: Table | None = None) -> list[Guess]:
    """Return what a folder's layout may mean, the surest guess first; none where nothing fits.

    `paths` are the recordings relative to the folder; `table` has a row a path with the columns of
    a table that names them, if there is one. Columns are those of `path_columns` and the table's.
    """
    columns = path_columns(paths)
    own = [] if table is None else [str(name) for name in table.columns]
    if table is not None:
        columns = pd.concat([table.reset_index(drop=True), columns], axis=1)
    kinds = {str(name): kind_of(columns[name]) for name in columns}
    rated = subject_candidates(columns, kinds, own)
    # a table that says so leaves little room for others
    room = 0.8 if rated and rated[0][0] >= SAID else 1.0
    found = [
        _guess(score if score >= SAID else room * score, subject, reasons, columns, kinds, own)
        for score, subject, reasons in rated
    ]
    if not found or found[0].confidence < SURE_BESIDE_CLASSES:
        found += _of_classes(columns, kinds, own, [guess.roles["subject"] for guess in found])
    return sorted(found, key=lambda guess: -guess.confidence)


def _of_classes(
    columns: Table, kinds: Mapping[str, str], own: Sequence[str], sources: Sequence[str]
) -> list[Guess]:
    """Return the guess that the recordings are of classes, not of subjects, where one fits.

    What would be a poor subject may still say what was cut from one recording.
    """
    roles = other_roles(columns, kinds, None, own)
    if "label" not in roles:
        return []
    reasons = [f"{roles['label']} names kinds of sound, and nothing says for sure whose they are"]
    source = next((name for name in sources if kinds[name] in SOURCES), None)
    if source:
        reasons.append(f"recordings of one {source} are kept together, as if cut from one")
        roles = {**roles, "group": source}
    return [Guess(0.7, roles, reasons)]


def _guess(
    score: float, subject: str, reasons: list[str], columns: Table, kinds: Mapping[str, str],
    own: Sequence[str],
) -> Guess:  # fmt: skip
    others = other_roles(columns, kinds, subject, own)
    told = [taken_for(column, role) for role, column in others.items() if column != role]
    return Guess(round(min(score, 0.99), 2), {"subject": subject, **others}, [*reasons, *told])


def taken_for(column: str, role: str) -> str:
    """Return in words that a column has a role."""
    return f"{column} is taken for {role}"


def near(guesses: Sequence[Guess], columns: Table) -> list[Guess]:
    """Return the guesses that are too near the first to choose from, the first included.

    One whose subject parts the recordings as the first's does is no other guess.
    """
    close = [one for one in guesses if one.confidence > guesses[0].confidence - NEAR]
    kept: list[Guess] = []
    for one in close:
        parts = [_codes(columns, guess) for guess in (one, *kept)]
        if not any(np.array_equal(parts[0], other) for other in parts[1:]):
            kept.append(one)
    return kept


def _codes(columns: Table, guess: Guess) -> Ints:
    subject = guess.roles.get("subject")
    if subject is None:
        return np.full(len(columns), -1)
    return np.asarray(pd.factorize(columns[subject])[0])


def subject_candidates(
    columns: Table, kinds: Mapping[str, str], own: Sequence[str] = ()
) -> list[tuple[float, str, list[str]]]:
    """Return (score, column, reasons) of each column that may say whose a recording is.

    A subject has a name or an id, several recordings, and stands before what varies within it.
    """
    found: dict[str, tuple[float, list[str]]] = {}
    parts: dict[str, Ints] = {}
    for name in map(str, columns):
        rated = _rated(columns[name], name, kinds[name], name in own)
        if rated is None:
            continue
        codes = np.asarray(pd.factorize(columns[name])[0])
        twin = next((other for other, known in parts.items() if np.array_equal(codes, known)), None)
        if twin and twin in found:
            score, reasons = found[twin]
            better = max(score, rated[0]) + 0.05
            found[twin] = better, [*reasons, f"{name} says the same"]
            continue
        found[name], parts[name] = rated, codes
    classes = next((name for name, kind in kinds.items() if kind == "label"), None)
    for name in [one for one in found if classes and one.startswith("field")]:
        if classes and _within(parts[name], np.asarray(pd.factorize(columns[classes])[0])):
            score, reasons = found[name]
            found[name] = 0.7 * score, [*reasons, f"but each is of one class ({classes})"]
    for inner in list(found):
        for outer in found:
            if inner != outer and _within(parts[inner], parts[outer]) and inner not in own:
                # sites hold patients, speakers hold chapters: an id that says so is the subject
                if _could_be_either(parts[inner], parts[outer], kinds[inner], kinds[outer]):
                    continue
                is_site = kinds[inner] == "id" and kinds[outer] != "id" and outer not in own
                lower, factor = (outer, 0.5) if is_site else (inner, 0.65)
                score, reasons = found[lower]
                why = f"holds {inner}, whose values are ids" if is_site else f"lies within {outer}"
                found[lower] = score * factor, [*reasons, f"but {why}"]
    ranked = [(score, name, reasons) for name, (score, reasons) in found.items()]
    return sorted(ranked, key=lambda one: -one[0])


def _rated(
    values: pd.Series[str], name: str, kind: str, in_table: bool
) -> tuple[float, list[str]] | None:
    told = values.dropna()
    sizes = told.value_counts()
    if len(sizes) < 2 or len(sizes) == len(told) or len(told) < 0.5 * len(values):
        return None
    several = float((sizes >= 2).mean())
    if several < 0.05:
        return None
    said = (
        f"{name} has {len(sizes):,} different values, {several:.0%} of them with several recordings"
    )
    if in_table:
        role, sure = named_role(name)
        if role == "subject":
            return (SAID if sure else 0.9), [f"the table's column {name!r} says so", said]
        if role is not None or kind not in LIKELY:
            return None
        score = 0.6 * LIKELY[kind][1]
    elif kind not in LIKELY:
        return None
    else:
        is_folder = name.startswith("folder")
        place = 1.0 if is_folder else 0.95 if name == "field1" else 0.85
        score = LIKELY[kind][0 if is_folder else 1] * place
    score *= (0.8 + 0.2 * several) * len(told) / len(values)
    examples = ", ".join(sorted(told.unique())[:3])
    return score, [f"{said}, which are {IN_WORDS[kind]}: {examples}"]


def _could_be_either(inner: Ints, outer: Ints, inner_kind: str, outer_kind: str) -> bool:
    """Return whether a few values hold so many others that they may be corpora, not subjects."""
    n_inner, n_outer = (len(np.unique(codes[codes >= 0])) for codes in (inner, outer))
    same = (inner_kind == "id") == (outer_kind == "id")
    return same and n_outer <= FEW and n_inner >= MANY * n_outer


def _within(inner: Ints, outer: Ints) -> bool:
    """Return whether each value of `inner` stands with one value of `outer`, and there are more."""
    known = (inner >= 0) & (outer >= 0)
    pairs = np.unique(np.stack([inner[known], outer[known]], 1), axis=0)
    return len(pairs) == len(np.unique(inner[known])) > len(np.unique(outer[known]))
